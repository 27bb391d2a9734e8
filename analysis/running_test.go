package analysis

import (
	"strings"
	"testing"
	"time"

	"arqload/analysis/observation"
)

// looked adds to each sample of postgres what ten looks a second have shown; calls are those
// that ended in the second before a sample.
func looked(calls map[int][]observation.ActiveCall, edit func(s int, a *observation.Activity)) func(int, *observation.Postgres) error {
	return func(s int, p *observation.Postgres) error {
		p.Activity = &observation.Activity{Polls: 10, Gap: observation.Seconds(105 * time.Millisecond), Floor: observation.Seconds(200 * time.Millisecond), Calls: calls[s]}
		if edit != nil {
			edit(s, p.Activity)
		}
		return nil
	}
}

func active(ago, seen, under float64, wait string) observation.ActiveCall {
	return observation.ActiveCall{Ago: observation.Seconds(ago * 1e9), Seen: observation.Seconds(seen * 1e9), Under: observation.Seconds(under * 1e9), Wait: wait}
}

func TestABracketCountsWhatWasSeenAndWhatCanHaveBeen(t *testing.T) {
	d := SummarizeDatabase(postgres(t, runOf(), looked(map[int][]observation.ActiveCall{
		9:  {active(2, 0.9, 1.0, "Lock/relation")},   // ended before the judged time
		11: {active(1.8, 0.9, 1.0, "Lock/relation")}, // began 0.79 s before it and ended in it: 9.21 to 10.21 s
		15: {active(0.9, 0.55, 0.65, "IPC/SyncRep"), active(0.7, 0.45, 0.55, ""), active(0.4, 0.3, 0.4, "")},
		21: {active(1.5, 0.6, 0.7, "")}, // began at 19.5 s and ended after the judged time
		23: {active(2, 1.9, 0, "")},     // began after it, and still runs
	}, nil)))
	// The sample at 21 s does not exist: postgres makes none between 20 and 23.
	low, high, ok := d.Running.bracket(500 * time.Millisecond)
	if !ok || low != 2 || high != 3 {
		t.Errorf("bracket of 500ms = %d..%d, %v; want 2 (the lock, SyncRep) to 3 (0.45..0.55 s may be one)", low, high, ok)
	}
	if w := d.Running.Waits(500 * time.Millisecond); len(w) != 2 || w[0].Event != "IPC/SyncRep" || w[0].Calls != 1 {
		t.Errorf("waits = %v", w)
	}
	if _, _, ok := d.Running.bracket(105 * time.Millisecond); ok {
		t.Error("a bracket of 105ms although looks were that far apart")
	}
	if _, _, ok := d.Running.bracket(150 * time.Millisecond); ok {
		t.Error("a bracket below the floor from which calls are listed")
	}
}

func TestWhatForbidsABracketIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(s int, a *observation.Activity)
		want string
	}{
		"a pause":        {func(s int, a *observation.Activity) { a.Gap = at(0.6) }, "not looked at for 610ms"},
		"too many calls": {func(s int, a *observation.Activity) { a.Dropped = 3 }, "over what a sample keeps"},
		"no look at all": {func(s int, a *observation.Activity) { a.Polls = 0 }, "were not looked at"},
	} {
		d := SummarizeDatabase(postgres(t, runOf(), looked(nil, c.edit)))
		// Evictions forbid the proof, so that the bracket is asked.
		d.doubts = []string{"planted"}
		q := d.Query(0.99, 500*time.Millisecond, false)
		if q.RunningOK || q.Decision != DecisionUndecided || !strings.Contains(q.Reason, c.want) {
			t.Errorf("%s: %s %s: %s; want it to say %q", name, q.Claim, q.Decision, q.Reason, c.want)
		}
	}
	d := SummarizeDatabase(postgres(t, runOf(), func(s int, p *observation.Postgres) error {
		if p.Settings != nil {
			p.Settings["pg_read_all_stats"] = "false"
		}
		return looked(nil, nil)(s, p)
	}))
	if _, _, ok := d.Running.bracket(time.Second); ok || !strings.Contains(d.Running.Reason, "GRANT pg_read_all_stats") {
		t.Errorf("a bracket by a role that sees only itself: %q", d.Running.Reason)
	}
}

func TestTheLadder(t *testing.T) {
	slow := func(n int) []observation.ActiveCall {
		var all []observation.ActiveCall
		for range n {
			all = append(all, active(0.9, 0.6, 0.7, "Lock/tuple"))
		}
		return all
	}
	for name, c := range map[string]struct {
		seen     int // slow calls seen running
		edit     func(s int, p *observation.Postgres)
		claim    Claim
		decision Decision
	}{
		"nothing slow": {0, nil, ClaimProved, DecisionMet},
		// 1 of 101 is allowed.
		"one that no row has":      {1, nil, ClaimProved, DecisionMet},
		"more than are allowed":    {3, nil, ClaimBracketed, DecisionMissed},
		"an eviction, none seen":   {0, func(s int, p *observation.Postgres) { p.DeallocAfter = int64(s + 9) }, ClaimBracketed, DecisionMet},
		"an eviction, many seen":   {9, func(s int, p *observation.Postgres) { p.DeallocAfter = int64(s + 9) }, ClaimEstimated, DecisionUndecided},
		"no extension, none seen":  {0, func(s int, p *observation.Postgres) { p.StatementsRead = false }, ClaimBracketed, DecisionMet},
		"no extension, some seen":  {2, func(s int, p *observation.Postgres) { p.StatementsRead = false }, ClaimUnknown, DecisionUndecided},
		"rollbacks, none seen":     {0, func(s int, p *observation.Postgres) { p.Database.Rollbacks = int64(9 * (s + 3)) }, ClaimProved, DecisionMet},
		"rolled back and all seen": {5, func(s int, p *observation.Postgres) { p.Database.Rollbacks = int64(max(0, min(5, s-10))) }, ClaimBracketed, DecisionMissed},
	} {
		d := SummarizeDatabase(postgres(t, runOf(), func(s int, p *observation.Postgres) error {
			if c.edit != nil {
				c.edit(s, p)
			}
			return looked(map[int][]observation.ActiveCall{15: slow(c.seen)}, nil)(s, p)
		}))
		q := d.Query(0.99, 500*time.Millisecond, false)
		if q.Claim != c.claim || q.Decision != c.decision {
			t.Errorf("%s: %s %s (%s), want %s %s", name, q.Claim, q.Decision, q.Reason, c.claim, c.decision)
		}
	}
}

func TestAnEstimateIsRightForALognormalAndNeverDecides(t *testing.T) {
	// Mean 1 and variance e-1: s² = 1, mu = -1/2; the 99th percentile is exp(-1/2 + 2.3263) = 6.21.
	got, ok := lognormalQuantile([]moments{{n: 1000, mean: 1, variance: 1.718281828, high: 100}}, 0.99)
	if !ok || got < 6200*time.Millisecond || got > 6220*time.Millisecond {
		t.Errorf("%v, want 6.21s", got)
	}
	// 1% at exactly 2 s, the rest at 1 s: the 0.99-quantile is 1 s.
	got, _ = lognormalQuantile([]moments{{n: 990, mean: 1, low: 1, high: 1}, {n: 10, mean: 2, low: 2, high: 2}}, 0.99)
	if got < 999*time.Millisecond || got > 1001*time.Millisecond {
		t.Errorf("two constants: %v, want 1s", got)
	}
	if _, ok := lognormalQuantile(nil, 0.99); ok {
		t.Error("an estimate of nothing")
	}
}
