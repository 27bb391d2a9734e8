package pgstat

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"arqload/analysis/observation"
)

// truth is one call of one process: [from, to) in microseconds.
type truth struct{ from, to int64 }

// TestAWatchNeverContradictsTheTruth draws the calls of some processes and the instants of
// the looks, of which some fail, and holds what the watch says against what was drawn: each
// call that is handed on took at least Seen and less than Under, and for any limit above
// the gap as many calls took so long as the bracket says.
func TestAWatchNeverContradictsTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const ms = 1000
		processes := make([][]truth, rapid.IntRange(1, 4).Draw(t, "processes"))
		for p := range processes {
			at := rapid.Int64Range(0, 300*ms).Draw(t, "first")
			for at < 3000*ms {
				length := rapid.OneOf(rapid.Int64Range(1, 50*ms), rapid.Int64Range(1, 1500*ms)).Draw(t, "length")
				processes[p] = append(processes[p], truth{at, at + length})
				at += length + rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 200*ms)).Draw(t, "pause")
			}
		}
		base := time.Now()
		w := watch{lastAt: base}
		var last look
		for at := int64(0); at < 3500*ms; at += rapid.Int64Range(80*ms, 140*ms).Draw(t, "interval") {
			if rapid.IntRange(0, 9).Draw(t, "fails") == 0 {
				w.failed(errors.New("planted"))
				continue
			}
			// The snapshot is taken somewhere between the two readings of the clock.
			k := look{at: base.Add(time.Duration(at) * time.Microsecond), before: at, after: at + rapid.Int64Range(1, 20*ms).Draw(t, "took")}
			snapshot := rapid.Int64Range(k.before, k.after).Draw(t, "snapshot")
			for p, calls := range processes {
				for _, c := range calls {
					if c.from <= snapshot && snapshot < c.to {
						k.pids, k.begans = append(k.pids, int32(p)), append(k.begans, c.from)
						k.queries, k.waits = append(k.queries, 7), append(k.waits, "")
					}
				}
			}
			w.see(k)
			last = k
		}
		if last.pids == nil && last.before == 0 {
			return // not one look succeeded
		}
		gap := w.out.Gap.Duration() // until the last look: what came after it is not held against the truth
		now := base.Add(10 * time.Second)
		a := w.take(now, true, last)
		length := map[int64]time.Duration{} // by beginning; two processes may begin at once: the longer one
		for _, calls := range processes {
			for _, c := range calls {
				length[c.from] = max(length[c.from], time.Duration(c.to-c.from)*time.Microsecond)
			}
		}
		for _, c := range a.Calls {
			began := now.Add(-c.Ago.Duration()).Sub(base).Microseconds()
			l, ok := length[began]
			if !ok || c.Seen.Duration() > l {
				t.Fatalf("a call of %v that began at %d is said to have taken at least %v", l, began, c.Seen.Duration())
			}
		}
		for _, limit := range []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second} {
			if gap >= limit {
				continue
			}
			var low, high, actual int
			for _, c := range a.Calls {
				if c.Seen.Duration() >= limit {
					low++
				}
				if c.Under.Duration() > limit || c.Under == 0 {
					high++
				}
			}
			seenUntil := last.before
			for _, calls := range processes {
				for _, c := range calls {
					// A call that began after the last look, or went on after it, is not all there.
					if took := min(c.to, seenUntil) - c.from; took >= limit.Microseconds() {
						actual++
					}
				}
			}
			if actual < low || actual > high {
				t.Fatalf("%d calls took %v or longer, the bracket says %d..%d", actual, limit, low, high)
			}
		}
	})
}

func TestWhatIsOverTheCapIsCounted(t *testing.T) {
	now := time.Now()
	w := watch{lastAt: now}
	k := look{at: now, before: 1e6, after: 1e6 + 10}
	for i := range int32(callsKept + 5) {
		k.pids, k.begans, k.queries, k.waits = append(k.pids, i), append(k.begans, 0), append(k.queries, 0), append(k.waits, "")
	}
	w.see(k)
	w.see(look{at: now, before: 2e6, after: 2e6 + 10})
	a := w.take(now, false, k)
	if len(a.Calls) != callsKept || a.Dropped != 5 || a.Polls != 2 || a.Gap != observation.Seconds(1000011*time.Microsecond) {
		t.Errorf("%d calls, %d dropped, gap %v; want %d, 5 and 1.000011s", len(a.Calls), a.Dropped, a.Gap.Duration(), callsKept)
	}
}

// TestLooksThatFailAreAGapWhileTheyDo: at the beginning, in the middle and to the end.
func TestLooksThatFailAreAGapWhileTheyDo(t *testing.T) {
	base := time.Now()
	at := func(s int64) look {
		return look{at: base.Add(time.Duration(s) * time.Second), before: s * 1e6, after: s*1e6 + 1000}
	}
	w := watch{lastAt: base}
	w.failed(errors.New("planted"))
	if a := w.take(base.Add(time.Second), false, look{}); a.Gap.Duration() != time.Second || a.Failed != 1 {
		t.Errorf("%+v, want a gap of the second in which no look succeeded", a)
	}
	w.see(at(3))
	if a := w.take(base.Add(3*time.Second), false, at(3)); a.Gap.Duration() < 3*time.Second {
		t.Errorf("gap %v before the first look, want 3s", a.Gap.Duration())
	}
	w.see(at(4))
	if a := w.take(base.Add(4*time.Second), false, at(4)); a.Gap.Duration() != time.Second+time.Millisecond+time.Microsecond {
		t.Errorf("gap %v between two looks, want 1s and the length of the look", a.Gap.Duration())
	}
	w.failed(errors.New("planted"))
	if a := w.take(base.Add(9*time.Second), true, at(4)); a.Gap.Duration() != 5*time.Second {
		t.Errorf("gap %v since the last look, want 5s", a.Gap.Duration())
	}
}
