package reports_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/reports"
	"arqload/scenarios"
)

func encoded(t interface{ Fatal(...any) }, r *reports.Report) string {
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// named are the objects whose keys are names and not fields.
var named = map[string]bool{"run.environment": true, "total.errors": true, "scenarios": true, "scenarios.*.errors": true, "scenarios.*.steps": true,
	"scenarios.*.steps.*.errors": true, "transport.addresses": true, "database.sessions_max": true}

// paths collects every path of a JSON document with the types that stand there.
func paths(doc string) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	var walk func(path string, v gjson.Result)
	walk = func(path string, v gjson.Result) {
		kind := strings.ToLower(v.Type.String())
		switch {
		case v.IsObject():
			kind = "object"
		case v.IsArray():
			kind = "list"
		case v.IsBool():
			kind = "bool"
		}
		if all[path] == nil {
			all[path] = map[string]bool{}
		}
		all[path][kind] = true
		if !v.IsObject() && !v.IsArray() {
			return // ForEach would give it to itself
		}
		v.ForEach(func(k, child gjson.Result) bool {
			switch {
			case v.IsArray():
				walk(path+"[]", child)
			case named[path]:
				walk(path+".*", child)
			default:
				walk(strings.TrimPrefix(path+"."+k.String(), "."), child)
			}
			return true
		})
	}
	walk("", gjson.Parse(doc))
	delete(all, "")
	return all
}

func TestNoFieldOfTheJSONReportIsRenamed(t *testing.T) {
	var list strings.Builder
	all := paths(encoded(t, report(record(t), demands(t))))
	for _, path := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&list, "%s: %s\n", path, strings.Join(slices.Sorted(maps.Keys(all[path])), " or "))
	}
	golden(t, "paths.txt", list.String())
}

func TestTheJSONReportHasWhatTheDesignNames(t *testing.T) {
	design, err := os.ReadFile("testdata/design.json") // design.md, "The bundle and the JSON report"
	must(t, err)
	have := paths(encoded(t, report(record(t), demands(t))))
	for path, kinds := range paths(string(design)) {
		for kind := range kinds {
			if !have[path][kind] && path != "database.gaps[]" { // a run without gaps has none to show
				t.Errorf("%s is %v in the design and %v in the report", path, kinds, have[path])
			}
		}
	}
}

func TestTheJSONReportSaysWhatWasCounted(t *testing.T) {
	doc := gjson.Parse(encoded(t, report(record(t), demands(t))))
	for path, want := range map[string]float64{
		// record's comment has the counts.
		"total.planned": 1800, "total.ok": 1796, "total.failed": 4, "total.shed": 1, "generator.sent": 1799,
		"total.errors.http_5xx": 2, "total.errors.timeout": 1, "total.errors.shed": 1,
		// 12 s of 100 + 150 requests; one conversation was shed, one stopped at its message.
		"total.requests": 3000 - 3, "total.ok_per_s": (3000 - 2 - 4) / 12., "total.arrivals_per_s": 150, "total.error_rate": 4 / 1800.,
		"generator.whole_run.planned": 2100, "generator.whole_run.ok": 2096,
		"scenarios.conversation.steps.message.planned": 599, "scenarios.conversation.steps.message.failed": 1,
		"total.response_time.count": 1796, "database.query_p99.calls": 12 * 200, "cache.hits": 12 * 95, "cache.hit_ratio": 0.95,
		"run.judged_s": 12, "exit_code": 1,
	} {
		if got := doc.Get(path); got.Type != gjson.Number || got.Num != want {
			t.Errorf("%s = %s, want %v", path, got.Raw, want)
		}
	}
}

// nothing is the record of a run that was stopped before its first arrival.
func nothing() *observation.Run {
	return &observation.Run{Header: observation.Header{
		Phases:  []observation.Phase{{Name: "steady", Judged: true, Start: 0, End: sec(10)}},
		Lanes:   []observation.Lane{{Scenario: "auth", Steps: []string{"token"}, RatePerS: 100, InFlight: 5, PlannedRun: 1000, PlannedJudg: 1000}},
		Sources: []observation.Source{{Collector: "pgstat", Asked: true, Error: "connection refused"}},
	}, Footer: &observation.Footer{Interrupted: true}}
}

func TestAValueWithoutDataIsNullAndNotZero(t *testing.T) {
	r := report(nothing(), objectives(t, "throughput >= 1/s", "p99 < 2s", "error_rate < 1%", "availability > 99%", "cache_hit_ratio > 85%", "db_query_p99 < 500ms"))
	doc := gjson.Parse(encoded(t, r))
	want := []string{"generator.lag.p50_s", "generator.lag.p99_s", "generator.lag.max_s", "generator.slot_wait.p99_s", "generator.whole_run.lag.p99_s",
		"generator.cpu_share", "generator.scheduling_delay_p99_s", "total.arrivals_per_s", "total.ok_per_s", "total.error_rate", "total.availability",
		"total.response_time.min_s", "total.response_time.mean_s", "total.response_time.p50_s", "total.response_time.p999_s", "total.response_time.max_s",
		"scenarios.auth.error_rate", "scenarios.auth.steps.token.service_time.p99_s", "phases.0.ok_per_s",
		"database.query_p99.upper_s", "database.query_p99.slow_high", "cache.hit_ratio"}
	for i := range 6 {
		for _, field := range []string{"observed", "low", "high", "bad_share", "bad_share_low", "bad_share_high"} {
			want = append(want, fmt.Sprintf("objectives.%d.%s", i, field))
		}
		if v, why := doc.Get(fmt.Sprintf("objectives.%d.verdict", i)).String(), doc.Get(fmt.Sprintf("objectives.%d.reason", i)).String(); v != "no data" || why == "" {
			t.Errorf("objective %d is %q because %q, want no data and a reason", i, v, why)
		}
	}
	for _, path := range want {
		if v := doc.Get(path); !v.Exists() || v.Type != gjson.Null {
			t.Errorf("%s = %q, want null", path, v.Raw)
		}
	}
	for _, path := range []string{"run.environment", "total.errors", "scenarios.auth.errors", "database.sessions_max"} {
		if v := doc.Get(path); v.Raw != "{}" {
			t.Errorf("%s = %q, want {}", path, v.Raw)
		}
	}
	for _, path := range []string{"reasons", "warnings", "database.statements", "database.gaps", "cache.nodes", "cache.commands", "cache.intervals", "cache.gaps"} {
		if v := doc.Get(path); !v.IsArray() {
			t.Errorf("%s = %q, want a list", path, v.Raw)
		}
	}
	if doc.Get("verdict").Str == "pass" {
		t.Error("a run without data passed")
	}
}

func TestABadShareThatNothingBoundsIsNull(t *testing.T) {
	run := record(t)
	// PostgreSQL restarted in the middle: its statements' counts are of two lives. Nor were
	// the running statements looked at for a second.
	for i := range run.Samples {
		if s := &run.Samples[i]; s.Collector == "pgstat" && s.At > sec(8) {
			s.Data = bytes.Replace(s.Data, []byte(`"postmaster_start":"2026-11-23T08:15:00Z"`), []byte(`"postmaster_start":"2026-11-23T09:15:07Z"`), 1)
			s.Data = bytes.Replace(s.Data, []byte(`"gap_s":0.11`), []byte(`"gap_s":1`), 1)
		}
	}
	o := gjson.Get(encoded(t, report(run, objectives(t, "db_query_p99 < 500ms"))), "objectives.0")
	if v := o.Get("verdict").Str; v != "unproven" && v != "no data" {
		t.Fatalf("the verdict is %s: %s", v, o.Get("reason"))
	}
	if o.Get("bad_share_high").Type != gjson.Null || o.Get("bad_share").Type != gjson.Null {
		t.Errorf("the bad share is %s, at most %s: nothing is known of it", o.Get("bad_share").Raw, o.Get("bad_share_high").Raw)
	}
	// Of a throughput no share of anything is bad.
	if o := gjson.Get(encoded(t, report(record(t), objectives(t, "throughput >= 1/s"))), "objectives.0"); o.Get("bad_share_high").Type != gjson.Null {
		t.Errorf("throughput has the bad share %s", o.Get("bad_share_high").Raw)
	}
}

// Any record, also one that contradicts itself, has a report: JSON has no number for
// infinity, and a report that cannot be written is worth nothing.
func TestAnyRecordHasAReport(t *testing.T) {
	limits := objectives(t, "throughput >= 240/s", "p50 < 200ms", "p99.9 <= 1s", "error_rate < 5%", "availability > 99.99%", "auth.p99 < 1s", "auth/token.p95 < 100ms",
		"cache_hit_ratio > 85%", "db_query_p99 < 500ms", "?nobody.p50 < 1s")
	rapid.Check(t, func(rt *rapid.T) {
		count := rapid.Uint64Range(0, 50)
		length := rapid.SampledFrom([]observation.Seconds{sec(1), sec(1), sec(1), sec(0.3), 0})
		run := nothing()
		run.Footer = nil
		if rapid.Bool().Draw(rt, "whole") {
			run.Footer = &observation.Footer{Ended: sec(9)}
		}
		run.Latency, run.Whole = observation.Latency{}, observation.Latency{}
		run.Header.Counters = []observation.Counter{{Over: ">=200ms", Limit: sec(0.2)}}
		for s := range rapid.IntRange(0, 14).Draw(rt, "seconds") {
			l := observation.LaneSecond{Requests: count.Draw(rt, "requests"), CompletedOK: count.Draw(rt, "completed")}
			l.Planned, l.Sent, l.Shed, l.OK = count.Draw(rt, "planned"), count.Draw(rt, "sent"), count.Draw(rt, "shed"), count.Draw(rt, "ok")
			for range rapid.IntRange(0, 4).Draw(rt, "failures") {
				l.Fail(rapid.SampledFrom(observation.Classes()).Draw(rt, "class"))
			}
			l.Over = map[string]uint64{">=200ms": count.Draw(rt, "over")}
			l.Steps = map[string]*observation.StepTally{"token": {Results: l.Results, NotReached: count.Draw(rt, "not reached")}}
			run.Seconds = append(run.Seconds, observation.Second{Start: sec(float64(s)), Length: length.Draw(rt, "length"), Phase: "steady", Judged: rapid.Bool().Draw(rt, "judged"),
				Tally: l.Tally, Requests: l.Requests, CompletedOK: l.CompletedOK, Scenarios: map[string]*observation.LaneSecond{"auth": &l}})
		}
		h := hist.New()
		for range rapid.IntRange(0, 30).Draw(rt, "answers") {
			h.Record(rapid.SampledFrom([]time.Duration{0, 1, 999, 1e6, 1e9, 1e13, 1e17}).Draw(rt, "took"))
		}
		run.Latency[observation.Series{Scenario: "auth", Step: observation.All, Outcome: observation.OK, Clock: observation.Response}] = h

		some := limits[:rapid.IntRange(0, len(limits)).Draw(rt, "objectives")]
		r := report(run, some)
		doc := encoded(rt, r)
		var back map[string]any
		if err := json.Unmarshal([]byte(doc), &back); err != nil {
			rt.Fatal(err)
		}
		sane(rt, r, some)
	})
}

// sane holds a report's verdict against its own parts.
func sane(t *rapid.T, r *reports.Report, demanded []scenarios.Objective) {
	if r.Verdict == "pass" && (r.Run.Partial || len(demanded) == 0 || !r.Generator.Valid) {
		t.Fatalf("passed although partial %v, %d objectives, valid %v", r.Run.Partial, len(demanded), r.Generator.Valid)
	}
	for _, o := range r.Objectives {
		if r.Verdict == "pass" && o.Required && o.Verdict != "met" {
			t.Fatalf("passed although %s is %s", o.Text, o.Verdict)
		}
		if o.Reason == "" {
			t.Fatalf("%s is %s without a reason", o.Text, o.Verdict)
		}
	}
	if len(r.Reasons) == 0 {
		t.Fatalf("%s without a reason", r.Verdict)
	}
}
