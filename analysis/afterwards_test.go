package analysis

import (
	"strings"
	"testing"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// What was in flight when a gate ended a run is held against every kind of objective on shares
// of arrivals, of all or of one scenario; what the generator gave up is not.
func TestWhatWasInFlightDisprovesEachKindOfObjective(t *testing.T) {
	const over = ">=200ms"
	of := func(ok, slow, notFound, reset, shedSelf uint64) observation.Tally {
		var t observation.Tally
		t.OK, t.Failed, t.ShedSelf, t.Over = ok, notFound+reset+shedSelf, shedSelf, map[string]uint64{over: slow}
		t.Errors = map[observation.Class]uint64{observation.HTTP4xx: notFound, observation.Reset: reset, observation.Shed: shedSelf}
		return t
	}
	for _, x := range []struct {
		objective   string
		auth, other observation.Tally
		want        string
	}{
		{"p95 < 200ms", of(400, 100, 0, 0, 0), of(0, 0, 0, 0, 0), "of the 400 arrivals that were still in flight when the gate ended the run 100 took 200ms or longer or failed, "},
		{"p95 < 200ms", of(400, 10, 0, 0, 0), of(0, 0, 0, 0, 0), ""},
		{"p95 < 200ms", of(400, 0, 0, 0, 100), of(0, 0, 0, 0, 0), ""},
		{"auth.p95 < 200ms", of(400, 100, 0, 0, 0), of(10_000, 0, 0, 0, 0), " 100 took 200ms or longer or failed, "},
		{"auth.p95 < 200ms", of(400, 0, 0, 0, 0), of(400, 400, 0, 0, 0), ""},
		{"auth/token.p95 < 200ms", of(400, 400, 0, 0, 0), of(0, 0, 0, 0, 0), ""}, // steps are not counted there
		{"availability > 99%", of(400, 0, 0, 40, 0), of(0, 0, 0, 0, 0), " 40 got no answer or a 5xx, "},
		{"availability > 99%", of(400, 0, 40, 0, 0), of(0, 0, 0, 0, 0), ""}, // a 404 is an answer
		{"error_rate < 1%", of(400, 0, 40, 0, 0), of(0, 0, 0, 0, 0), " 40 failed, "},
		{"error_rate < 1%", of(400, 0, 0, 0, 40), of(0, 0, 0, 0, 0), ""},
	} {
		var all observation.Tally
		all.Add(&x.auth)
		all.Add(&x.other)
		s := Summary{
			Header: observation.Header{Counters: []observation.Counter{{Over: over, Limit: observation.Seconds(200 * time.Millisecond)}}},
			after: []*observation.Second{{Tally: all, Scenarios: map[string]*observation.LaneSecond{
				"auth": {Tally: x.auth}, "other": {Tally: x.other}}}},
		}
		got := strings.Join(s.collapsed([]scenarios.Objective{objectiveOf(t, x.objective)}), "\n")
		if (got != "") != (x.want != "") || !strings.Contains(got, x.want) {
			t.Errorf("%s with %+v: %q, not %q", x.objective, x.auth, got, x.want)
		}
	}
}
