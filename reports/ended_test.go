package reports_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"arqload/analysis/observation"
	"arqload/reports"
)

// Who ended a run before its plan's end, when and why stands in both reports.
func TestARunThatEndedEarlySaysByWhom(t *testing.T) {
	for by, words := range map[observation.Stop]string{
		observation.ByGate:   "ended early at 12.4s by the gate: the verdict was known",
		observation.ByGuard:  "ended early at 12.4s by stop_when",
		observation.ByPerson: "ended early at 12.4s by a person",
		"":                   "",
	} {
		run := nothing()
		run.Header.Gate = by == observation.ByGate
		run.Footer = &observation.Footer{StoppedBy: by, Interrupted: by == observation.ByPerson, StoppedWhy: "because of it"}
		if by != "" {
			run.Footer.StoppedAt = sec(12.4)
		}
		r := report(run, objectives(t, "error_rate < 1%"))
		doc := gjson.Parse(encoded(t, r)).Get("run")
		if got := doc.Get("stopped_by").Str; got != string(by) || !doc.Get("stopped_by").Exists() {
			t.Errorf("stopped_by = %s, want %q", doc.Get("stopped_by").Raw, by)
		}
		if at := doc.Get("stopped_at_s"); by != "" && at.Num != 12.4 || by == "" && at.Type != gjson.Null {
			t.Errorf("%q: stopped_at_s = %s", by, at.Raw)
		}
		if doc.Get("stopped_why").Str != "because of it" || doc.Get("gate").Bool() != run.Header.Gate {
			t.Errorf("%q: %s", by, doc.Raw)
		}
		var b bytes.Buffer
		if err := r.WriteText(&b, reports.TextOptions{Width: 120}); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(b.String()), " ")
		if by == "" && strings.Contains(text, "ended early") || !strings.Contains(text, words) {
			t.Errorf("%q: %s", by, text)
		}
		if reason := "because of it"; (by == observation.ByGate || by == observation.ByGuard) && !strings.Contains(text, reason) {
			t.Errorf("%q does not say %q", by, reason)
		}
	}
}

// What the end cut off is not among the failures that the terminal shows of a phase.
func TestWhatTheEndCanceledIsNoFailureOfAPhase(t *testing.T) {
	run := record(t)
	run.Footer.StoppedBy, run.Footer.StoppedAt = observation.ByGuard, run.Seconds[1].Start
	s := &run.Seconds[0]
	for range 3 {
		s.Fail(observation.Canceled)
	}
	s.Fail(observation.HTTP5xx)
	s.Planned += 4
	r := report(run, demands(t))
	var b bytes.Buffer
	if err := r.WriteText(&b, reports.TextOptions{Width: 160}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "1 failed, 3 canceled by the end of the run,") {
		t.Errorf("the phase's line:\n%s", b.String())
	}
}
