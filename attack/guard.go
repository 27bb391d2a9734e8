package attack

import (
	"fmt"
	"math"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// guard watches the last arrivals that ended, in whatever phase, for a breach of one line of
// stop_when.
type guard struct {
	scenarios.Guard
	limit time.Duration // of a quantile
	least int           // so many bad ones of Over are a breach
	ring  []past        // the last Over arrivals that ended
	next  int
	ended int // arrivals seen, up to Over
	bad   int // of those in the ring
}

// past is an arrival that ended.
type past struct {
	planned time.Duration
	bad     bool
}

func newGuard(g scenarios.Guard) *guard {
	return &guard{Guard: g, limit: g.LimitDuration(), least: leastBad(g, float64(g.Over)), ring: make([]past, g.Over)}
}

// leastBad is how many bad ones of so many breach a guard. The q-quantile by rank ceil(q*n) is
// beyond a limit exactly where more than (1-q)*n values are, so for a quantile the comparison
// is in what counts as bad, and more than that share must be.
func leastBad(g scenarios.Guard, of float64) int {
	share := g.Limit
	if g.Metric == scenarios.MetricQuantile {
		share = 1 - g.Quantile
	}
	n := share * of
	slack := 1e-9 * of // a decimal share times n may come out beside the whole number it is
	if g.Metric == scenarios.MetricErrorRate && g.Op == scenarios.GreaterEqual {
		return max(1, int(math.Ceil(n-slack)))
	}
	return int(math.Floor(n+slack)) + 1
}

// counts says whether an arrival is bad. The generator's own lag is no part of its time.
func (g *guard) counts(a *arrival) bool {
	if a.class != "" || g.Metric == scenarios.MetricErrorRate {
		return a.class != ""
	}
	took := a.end - a.planned - a.lag
	return took > g.limit || took == g.limit && g.Op == scenarios.GreaterEqual
}

// add counts an arrival's end and reports whether the guard is breached.
func (g *guard) add(planned time.Duration, bad bool) bool {
	if g.ring[g.next].bad {
		g.bad--
	}
	g.ring[g.next] = past{planned, bad}
	if bad {
		g.bad++
	}
	g.next = (g.next + 1) % len(g.ring)
	g.ended = min(g.ended+1, len(g.ring))
	return g.ended == len(g.ring) && g.bad >= g.least
}

// guard shows an arrival that ended to the guards; the first breach ends the run, and is
// kept where a gate ended it before. What was
// given up by a stop, or by the generator's own lateness, says nothing about the system.
func (b *book) guard(a *arrival) {
	if len(b.guards) == 0 || a.class == observation.Canceled || a.class == observation.Shed && a.lag > a.slotWait {
		return
	}
	for _, g := range b.guards {
		if !g.add(a.planned, g.counts(a)) || b.breach != "" || b.stoppedBy == observation.ByPerson || b.misled(g, a.end) {
			continue
		}
		b.breach = fmt.Sprintf("%s: %d of the last %d arrivals %s", g.Text, g.bad, len(g.ring), g.words())
		if b.stopLocked(a.end, observation.ByGuard) {
			b.breached(b.breach)
		}
	}
}

// misled says that a breach is none. Where the load falls, in a ramp, in a pause or in the drain,
// the slow ones end last and among themselves, and the last that ended are no picture of the
// system. They must then be as many of all that were planned from the first of them to the last.
func (b *book) misled(g *guard, now time.Duration) bool {
	first, last := g.ring[0].planned, g.ring[0].planned
	for _, p := range g.ring {
		first, last = min(first, p.planned), max(last, p.planned)
	}
	if !b.falls(first, now) {
		return false
	}
	planned := 1.0
	for _, l := range b.lanes {
		planned += l.shape.Expected(first, last)
	}
	return g.bad < leastBad(g.Guard, max(planned, float64(len(g.ring))))
}

// falls says whether the load fell between two instants.
func (b *book) falls(from, to time.Duration) bool {
	const points = 64
	highest := 0.0
	for i := range points + 1 {
		at, rate := from+(to-from)*time.Duration(i)/points, 0.0
		for _, l := range b.lanes {
			if b.stopped == 0 || at < b.stopped {
				rate += l.shape.Rate(at)
			}
		}
		if rate < 0.99*highest {
			return true
		}
		highest = max(highest, rate)
	}
	return false
}

// words say what the bad ones did.
func (g *guard) words() string {
	switch {
	case g.Metric == scenarios.MetricErrorRate:
		return "failed"
	case g.Op == scenarios.GreaterEqual:
		return fmt.Sprintf("took %s or longer, or failed", g.limit)
	}
	return fmt.Sprintf("took longer than %s, or failed", g.limit)
}
