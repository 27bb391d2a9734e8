package analysis

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"arqload/scenarios"
)

// What could not be read is told once, with all that was demanded of it; each objective
// keeps its own reason.
func TestAReasonThatObjectivesShareIsToldOnce(t *testing.T) {
	const refused = "redisinfo: WRONGPASS"
	s := Summarize(runOf())
	s.Measures = noMeasures("redis", refused)
	s.Measures["db.deadlocks"] = Measure{Value: 3, N: 1}
	s.Measures["db.rollbacks"] = Measure{Value: 3, N: 1}
	var demands []scenarios.Objective
	for _, text := range []string{"cache.evictions == 0", "db.deadlocks == 0", "cache.error_replies == 0", "cache.rejected_connections == 0", "cache.blocked_clients < 2", "db.rollbacks == 0", "?cache.memory_share < 80%", "?cache.clients_share < 80%"} {
		text, optional := strings.CutPrefix(text, "?")
		o, err := scenarios.ParseObjective(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Required = !optional
		demands = append(demands, o)
	}
	v := Judge(s, demands)
	if v.Results[4].Reason != refused {
		t.Errorf("the objective's own reason is %q", v.Results[4].Reason)
	}
	want := []string{
		"db.deadlocks == 0, db.rollbacks == 0: missed (3 counted in the judged time; demanded is == 0)",
		"cache.evictions == 0, cache.error_replies == 0 and 2 more: no data (redisinfo: WRONGPASS)",
		"not required: cache.memory_share < 80%, cache.clients_share < 80%: no data (redisinfo: WRONGPASS)",
	}
	var got []string
	for _, r := range v.Reasons {
		if strings.Contains(r, "(3 counted") || strings.Contains(r, refused) {
			got = append(got, strings.TrimPrefix(r, "as measured, which cannot be trusted: "))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}
