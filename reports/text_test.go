package reports_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/tidwall/gjson"

	"arqload/analysis/observation"
	"arqload/reports"
)

func text(t *testing.T, r *reports.Report, o reports.TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	must(t, r.WriteText(&b, o))
	return b.String()
}

func TestTheReportReadsAsItDid(t *testing.T) {
	r := report(record(t), demands(t))
	golden(t, "report-100.txt", text(t, r, reports.TextOptions{}))
	golden(t, "report-80.txt", text(t, r, reports.TextOptions{Width: 80}))
	golden(t, "nothing.txt", text(t, report(nothing(), demands(t)[:3]), reports.TextOptions{}))
}

// evil clears the screen, sets the window's title, moves the cursor, turns the direction of
// writing, and is no UTF-8 at the end. The C1 byte 0x9b begins a command as ESC [ does.
const evil = "\x1b[2J\x1b]0;owned\x07\rFAKE PASS\b\b\x7f \u009b31m \u202egpj.exe\u2069 \u2028\u200b\x00 \xff\xfe"

// hostile is a record in which everything that others may have written is evil and long.
func hostile(t *testing.T) *observation.Run {
	t.Helper()
	run := record(t)
	long := strings.Repeat("long", 16) // as long as a plan lets a name be
	h := &run.Header
	h.ID, h.Name, h.ToolVersion = evil+"/"+long+long, evil+long, evil
	h.Phases[0].Name, h.Phases[1].Name = long+evil, strings.Repeat("漢字", 40)
	h.Environment["host"] = evil
	run.Footer.Addresses = map[string]uint64{"[" + strings.Repeat("f", 200) + evil + "]:80": 1}
	run.Footer.Warnings = []string{evil, strings.Repeat("x", 300), strings.Repeat("漢", 150)}
	for i := range run.Errors {
		run.Errors[i].Message, run.Errors[i].Answer = evil, strings.Repeat(evil, 20)
	}
	rename(run, "conversation", long)
	h.Lanes[1].Steps[2] = long
	for i := range run.Seconds {
		talks := run.Seconds[i].Scenarios[long]
		talks.Steps[long] = talks.Steps["message"]
		delete(talks.Steps, "message")
	}
	for i := range run.Samples {
		s := &run.Samples[i]
		if s.Collector == "pgstat" {
			var p observation.Postgres
			must(t, json.Unmarshal(s.Data, &p))
			p.Name = evil
			p.Sessions[0].State = evil
			for id := range p.Texts {
				p.Texts[id] = "SELECT '" + evil + "'\n-- " + strings.Repeat("very ", 2000) + id
			}
			s.Data, _ = json.Marshal(p)
		}
		if s.Collector == "hosts" {
			h := machines(3)
			h.Hosts[0].Name, h.Hosts[0].Disks[0].Name, h.Hosts[1].Name = evil, evil+long, long+evil
			s.Data, _ = json.Marshal(h)
		}
		if s.Collector == "appmetrics" {
			a := processes(3)
			a.Endpoints[0].URL, a.Endpoints[1].URL = evil, long+evil
			s.Data, _ = json.Marshal(a)
		}
		if s.Collector == "redisinfo" {
			var r observation.Redis
			must(t, json.Unmarshal(s.Data, &r))
			r.Nodes[0].Version, r.Nodes[0].Address, r.Nodes[0].Role = evil+long+long, evil, evil
			s.Data, _ = json.Marshal(r)
		}
	}
	run.Samples[20].Error = evil + long + long
	return run
}

func rename(run *observation.Run, from, to string) {
	for i := range run.Header.Lanes {
		if l := &run.Header.Lanes[i]; l.Scenario == from {
			l.Scenario = to
		}
	}
	for i := range run.Seconds {
		s := run.Seconds[i].Scenarios
		s[to] = s[from]
		delete(s, from)
	}
	for _, l := range []observation.Latency{run.Latency, run.Whole} {
		for series, h := range l {
			if series.Scenario == from {
				delete(l, series)
				series.Scenario = to
				l[series] = h
			}
		}
	}
}

func TestNothingOfOthersCommandsTheTerminal(t *testing.T) {
	long := strings.Repeat("long", 16)
	limits := objectives(t, "throughput >= 240/s", long+".p50 < 1ms", "?"+long+"/"+long+".p99 < 1234ms", "error_rate < 0.05%", "db_query_p99 < 500ms", "cache_hit_ratio > 85%")
	r := report(hostile(t), limits)
	for _, width := range []int{80, 100, 120} {
		out := text(t, r, reports.TextOptions{Width: width})
		if !utf8.ValidString(out) {
			t.Errorf("width %d: the report is no UTF-8", width)
		}
		for n, line := range strings.Split(out, "\n") {
			if w := twwidth.Width(line); w > width {
				t.Errorf("line %d takes %d columns of %d: %s", n+1, w, width, line)
			}
			if i := strings.IndexFunc(line, func(c rune) bool { return !unicode.IsPrint(c) }); i >= 0 {
				t.Errorf("line %d holds %q, which is not printable: %q", n+1, line[i:i+1], line)
			}
			if line != strings.TrimRight(line, " ") {
				t.Errorf("line %d ends with spaces: %q", n+1, line)
			}
		}
		// It is shown, not left out.
		for _, part := range []string{`\x1b[2J`, `\x07`, `\u202e`, `\u009b31m`, `\xff\xfe`} {
			if !strings.Contains(out, part) {
				t.Errorf("width %d: %s is not shown", width, part)
			}
		}
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(encoded(t, r)), &doc); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheVerdictHasColour(t *testing.T) {
	r := report(hostile(t), objectives(t, "p50 < 1ms"))
	plain, colored := text(t, r, reports.TextOptions{}), text(t, r, reports.TextOptions{Color: true})
	if rest := strings.Replace(strings.Replace(colored, "\x1b[1;31m", "", 1), "\x1b[0m", "", 1); rest != plain || strings.Contains(plain, "\x1b") {
		t.Errorf("more than the verdict has colour: %q", colored)
	}
	for verdict, code := range map[string]string{"pass": "32", "fail": "31", "inconclusive": "33", "invalid": "33"} {
		r := report(record(t), objectives(t, map[string]string{"pass": "p50 < 1s", "fail": "p50 < 1ms", "inconclusive": "error_rate < 0.05%", "invalid": "p50 < 1s"}[verdict]))
		if verdict == "invalid" {
			run := record(t)
			run.Seconds[3].Planned++
			r = report(run, objectives(t, "p50 < 1s"))
		}
		want := fmt.Sprintf("\x1b[1;%sm%s\x1b[0m  golden (exit code %d)\n", code, strings.ToUpper(verdict), r.ExitCode)
		if got := text(t, r, reports.TextOptions{Color: true}); !strings.HasPrefix(got, want) {
			t.Errorf("%s begins with %q, want %q", verdict, got[:min(len(got), 60)], want)
		}
	}
}

func TestAWrappedWordKeepsAllOfIt(t *testing.T) {
	run := record(t)
	word := strings.Repeat("0123456789", 30)
	run.Footer.Warnings = []string{word}
	out := text(t, report(run, demands(t)), reports.TextOptions{Width: 80})
	if joined := strings.Join(strings.Fields(out), ""); !strings.Contains(joined, word) {
		t.Errorf("of a word longer than a line something is missing:\n%s", out)
	}
}

func TestAPartOfTheCacheIsNotShownAsAllOfIt(t *testing.T) {
	run := record(t)
	for i := range run.Samples {
		if s := &run.Samples[i]; s.Collector == "redisinfo" && s.At > sec(8) {
			var r observation.Redis
			must(t, json.Unmarshal(s.Data, &r))
			r.Nodes[1] = observation.RedisNode{Address: "10.0.0.9:6379", Error: "10.0.0.9:6379: connection refused"}
			s.Data, _ = json.Marshal(r)
		}
	}
	r := report(run, objectives(t, "cache_hit_ratio > 85%"))
	out := text(t, r, reports.TextOptions{})
	for _, want := range []string{"Cache: Redis 7.0.15: a part of it only", "10.0.0.9:6379 could not be read from 8.01s on: connection refused", "10.0.0.9:6379 (a part)", "95% were hits"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("the report does not say %q:\n%s", want, out)
		}
	}
	doc := encoded(t, r)
	for path, want := range map[string]string{"cache.available": "false", "cache.hits": "1140", "objectives.0.verdict": "no data", "cache.intervals.0.partial": "false", "cache.intervals.11.partial": "true", "cache.probes.count": "120"} {
		if got := gjson.Get(doc, path).String(); got != want {
			t.Errorf("%s = %q, want %s", path, got, want)
		}
	}
}
