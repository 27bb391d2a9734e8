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
		var w watch
		base := time.Now()
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
		gap := w.out.Gap.Duration()
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
	var w watch
	k := look{at: time.Now(), before: 1e6, after: 1e6 + 10}
	for i := range int32(callsKept + 5) {
		k.pids, k.begans, k.queries, k.waits = append(k.pids, i), append(k.begans, 0), append(k.queries, 0), append(k.waits, "")
	}
	w.see(k)
	w.see(look{at: time.Now(), before: 2e6, after: 2e6 + 10})
	a := w.take(time.Now(), false, k)
	if len(a.Calls) != callsKept || a.Dropped != 5 || a.Polls != 2 || a.Gap != observation.Seconds(1000011*time.Microsecond) {
		t.Errorf("%d calls, %d dropped, gap %v; want %d, 5 and 1.000011s", len(a.Calls), a.Dropped, a.Gap.Duration(), callsKept)
	}
}
