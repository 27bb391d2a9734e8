package attack

import (
	"testing"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// What the generator's own lateness did to an arrival is no breach of the system's.
func TestAGuardDoesNotBlameTheSystemForTheGenerator(t *testing.T) {
	breached := func(text string, a arrival) bool {
		g, err := scenarios.ParseGuard(text)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		b := &book{open: []*second{{}}, guards: []*guard{newGuard(g)}, breached: func(string) { found = true }}
		for range 50 {
			b.guard(&a)
		}
		return found
	}
	const s = time.Second
	for _, c := range []struct {
		name, guard string
		a           arrival
		want        bool
	}{
		{"slow", "p50 > 5s over 20 requests", arrival{end: 7 * s, start: 1 * s}, true},
		{"waited for a slot", "p50 > 5s over 20 requests", arrival{end: 7 * s, start: 6 * s, slotWait: 6 * s}, true},
		{"late by the generator", "p50 > 5s over 20 requests", arrival{end: 7 * s, start: 6 * s, lag: 6 * s}, false},
		{"given up by the system's fault", "error_rate > 50% over 20 requests", arrival{class: observation.Shed, slotWait: 11 * s, lag: s}, true},
		{"given up by the generator's", "error_rate > 50% over 20 requests", arrival{class: observation.Shed, slotWait: s, lag: 11 * s}, false},
		{"canceled", "error_rate > 50% over 20 requests", arrival{class: observation.Canceled}, false},
	} {
		if got := breached(c.guard, c.a); got != c.want {
			t.Errorf("%s: breached %v, want %v", c.name, got, c.want)
		}
	}
}

// So many bad ones of the last ones are needed; the products are decimal.
func TestTheLeastBadOnesOfAGuard(t *testing.T) {
	for text, want := range map[string]int{
		"error_rate > 50% over 200 requests":      101,
		"error_rate >= 50% over 200 requests":     100,
		"error_rate > 0.1% over 20 requests":      1,
		"error_rate >= 0.1% over 20 requests":     1,
		"error_rate > 99.9% over 20 requests":     20,
		"p50 > 5s over 500 requests":              251,
		"p90 > 5s over 100 requests":              11, // (1-0.9)*100 is 9.999999999999998
		"p99 >= 5s over 1000 requests":            11, // (1-0.99)*1000 is 10.000000000000009
		"p99.9 > 5s over 100000 requests":         101,
		"p10 > 5s over 100 requests":              91,
		"error_rate >= 29% over 100 requests":     29, // 0.29*100 is 28.999999999999996
		"error_rate > 7% over 100000 requests":    7001,
		"error_rate >= 7.001% over 1000 requests": 71,
	} {
		g, err := scenarios.ParseGuard(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := leastBad(g, float64(g.Over)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestAGuardAllocatesNothing(t *testing.T) {
	g, err := scenarios.ParseGuard("p50 > 5s over 100000 requests")
	if err != nil {
		t.Fatal(err)
	}
	b := &book{open: []*second{{}}, guards: []*guard{newGuard(g)}}
	a := arrival{end: time.Second}
	if n := testing.AllocsPerRun(1000, func() { b.guard(&a) }); n > 0 {
		t.Errorf("%v allocations an arrival", n)
	}
}
