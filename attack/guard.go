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
	ring  []bool        // bad or not: the last Over arrivals that ended
	next  int
	ended int // arrivals seen, up to Over
	bad   int // of those in the ring
}

func newGuard(g scenarios.Guard) *guard {
	return &guard{Guard: g, limit: g.LimitDuration(), least: leastBad(g), ring: make([]bool, g.Over)}
}

// leastBad is how many bad ones of Over breach a guard. The q-quantile by rank ceil(q*n) is
// beyond a limit exactly where more than (1-q)*n values are, so for a quantile the comparison
// is in what counts as bad, and more than that share must be.
func leastBad(g scenarios.Guard) int {
	share := g.Limit
	if g.Metric == scenarios.MetricQuantile {
		share = 1 - g.Quantile
	}
	n := share * float64(g.Over)
	slack := 1e-9 * float64(g.Over) // a decimal share times n may come out beside the whole number it is
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
func (g *guard) add(bad bool) bool {
	if g.ring[g.next] {
		g.bad--
	}
	g.ring[g.next] = bad
	if bad {
		g.bad++
	}
	g.next = (g.next + 1) % len(g.ring)
	g.ended = min(g.ended+1, len(g.ring))
	return g.ended == len(g.ring) && g.bad >= g.least
}

// guard shows an arrival that ended to the guards; the first breach ends the run. What was
// given up by a stop, or by the generator's own lateness, says nothing about the system.
func (b *book) guard(a *arrival) {
	if len(b.guards) == 0 || a.class == observation.Canceled || a.class == observation.Shed && a.lag > a.slotWait {
		return
	}
	for _, g := range b.guards {
		if g.add(g.counts(a)) && b.stopLocked(a.end, observation.ByGuard) {
			b.breached(fmt.Sprintf("%s: %d of the last %d arrivals %s", g.Text, g.bad, len(g.ring), g.words()))
		}
	}
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
