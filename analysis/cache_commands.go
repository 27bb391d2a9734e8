package analysis

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
)

// CacheCommand is what clients had done of one command between the first and the last
// reading of commandstats in the judged time, over all nodes: a write is counted on its
// master and once more on each replica. Times are the server's own execution: neither
// queue nor network is in them.
type CacheCommand struct {
	Name             string
	Calls            int64 // without the collector's own
	CallsPerS        float64
	Total, Mean      time.Duration // the collector's own calls among them
	Rejected, Failed int64
	// P50 and P99 are what the quantiles of these calls are at most: the ends of buckets
	// each about twice as wide as the one before. nil: the server tells no histogram.
	P50, P99 *time.Duration
	// Lifetime is the highest p99 that a node told: since its start or reset, not of this
	// run. 0: none did.
	Lifetime time.Duration
}

// tallied is one command on its way to a CacheCommand.
type tallied struct {
	calls, own, rejected, failed int64
	time                         time.Duration
	buckets                      map[time.Duration]int64
	unknown                      bool // some of the calls are in no bucket
	lifetime                     time.Duration
}

// commands compares the detailed readings at the ends of the judged time.
func (c *Cache) commands(lines []*timeline, stretches []stretch) {
	by, errors := map[string]*tallied{}, map[string]int64{}
	var span time.Duration // the longest time that is known of a node
	for _, l := range lines {
		var covered time.Duration
		for _, s := range stretches {
			some := l.detailed(s)
			for k := 1; k < len(some); k++ {
				a, b := l.readings[some[k-1]], l.readings[some[k]]
				if l.brokenIn(some[k-1], some[k]) {
					continue // a gap tells of it
				}
				covered += l.at[some[k]] - l.at[some[k-1]]
				tally(by, a, b)
				for kind, n := range b.Errors {
					if d := n - a.Errors[kind]; d > 0 {
						errors[kind] += d
					}
				}
			}
		}
		span = max(span, covered)
	}
	if span == 0 {
		return
	}
	c.Errors = errors
	for name, t := range by {
		n := t.calls - t.own
		if n <= 0 && t.rejected == 0 {
			continue
		}
		cmd := CacheCommand{Name: name, Calls: max(0, n), CallsPerS: float64(max(0, n)) / span.Seconds(), Total: t.time,
			Rejected: t.rejected, Failed: t.failed, Lifetime: t.lifetime}
		if !t.unknown {
			cmd.P50, cmd.P99 = upper(t.buckets, 0.5), upper(t.buckets, 0.99)
		}
		if t.calls > 0 {
			cmd.Mean = t.time / time.Duration(t.calls)
		}
		c.Commands = append(c.Commands, cmd)
	}
	slices.SortFunc(c.Commands, func(a, b CacheCommand) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name))
	})
}

// detailed are the samples of a stretch with commandstats of the node: from its start to
// its end, or as far as there are any.
func (l *timeline) detailed(s stretch) []int {
	var some []int
	var at []time.Duration
	for _, i := range l.read {
		if l.readings[i].Detailed {
			some, at = append(some, i), append(at, l.at[i])
		}
	}
	if from, to, _, reason := s.ends(at); reason == "" {
		return some[from : to+1]
	}
	var inside []int
	for k, i := range some {
		if at[k] >= s.from-atEdge && at[k] <= s.to+atEdge {
			inside = append(inside, i)
		}
	}
	return inside
}

// grew says whether no command was counted lower: a reset that the other counters have
// outgrown again shows here.
func grew(a, b *observation.RedisNode) bool {
	for name, before := range a.Calls {
		if b.Calls[name].Calls < before.Calls {
			return false
		}
	}
	return true
}

// tally adds the difference of two readings.
func tally(by map[string]*tallied, a, b *observation.RedisNode) {
	for name, now := range b.Calls {
		t := by[name]
		if t == nil {
			t = &tallied{buckets: map[time.Duration]int64{}}
			by[name] = t
		}
		before := a.Calls[name]
		t.calls += now.Calls - before.Calls
		t.own += b.OwnCalls[name] - a.OwnCalls[name]
		t.rejected, t.failed = t.rejected+now.Rejected-before.Rejected, t.failed+now.Failed-before.Failed
		t.time += (now.Time - before.Time).Duration()
		t.lifetime = max(t.lifetime, b.Latency[name].P99.Duration())
		if a.Buckets == nil || b.Buckets == nil {
			t.unknown = t.unknown || now.Calls > before.Calls
			continue
		}
		counts := each(b.Buckets[name])
		for upper, n := range each(a.Buckets[name]) {
			counts[upper] -= n
		}
		for upper, n := range counts {
			t.buckets[upper] += n
		}
	}
}

// each are the counts of the buckets themselves, of cumulative ones.
func each(buckets []observation.RedisBucket) map[time.Duration]int64 {
	counts, below := map[time.Duration]int64{}, int64(0)
	for _, b := range buckets {
		counts[b.Upper.Duration()] += b.Calls - below
		below = b.Calls
	}
	return counts
}

// upper is the end of the bucket that holds the quantile: of n calls the one of
// [hist.Rank]. nil: there is no histogram, or it contradicts itself.
func upper(buckets map[time.Duration]int64, q float64) *time.Duration {
	var all int64
	for _, n := range buckets {
		if n < 0 {
			return nil
		}
		all += n
	}
	rank := hist.Rank(q, all)
	for _, end := range slices.Sorted(maps.Keys(buckets)) {
		if rank -= buckets[end]; rank <= 0 && all > 0 {
			return &end
		}
	}
	return nil
}
