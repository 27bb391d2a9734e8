package analysis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// counters are the series that one counter of each node gives.
var counters = []struct {
	name string
	unit scenarios.Unit
	of   func(delta) float64
}{
	{"cache.ops_per_s", scenarios.UnitPerS, func(d delta) float64 { return float64(d.commands) }},
	{"cache.misses", scenarios.UnitCount, func(d delta) float64 { return float64(d.misses) }},
	{"cache.evictions", scenarios.UnitCount, func(d delta) float64 { return float64(d.evicted) }},
	{"cache.expired", scenarios.UnitCount, func(d delta) float64 { return float64(d.expired) }},
	{"cache.error_replies", scenarios.UnitCount, func(d delta) float64 { return float64(d.errors) }},
	{"cache.rejected_connections", scenarios.UnitCount, func(d delta) float64 { return float64(d.rejected) }},
}

// gauges are the series that one sample of each node gives; false: it has no such value.
var gauges = []struct {
	name string
	unit scenarios.Unit
	of   func(*observation.RedisNode) (float64, bool)
}{
	{"cache.used_memory", scenarios.UnitBytes, func(n *observation.RedisNode) (float64, bool) { return float64(n.UsedMemory), true }},
	{"cache.memory_share", scenarios.UnitShare, func(n *observation.RedisNode) (float64, bool) {
		return float64(n.UsedMemory-n.NotCounted) / float64(n.MaxMemory), n.MaxMemory > 0
	}},
	{"cache.clients", scenarios.UnitCount, func(n *observation.RedisNode) (float64, bool) { return float64(n.Clients), true }},
	{"cache.clients_share", scenarios.UnitShare, func(n *observation.RedisNode) (float64, bool) {
		return float64(n.Clients) / float64(n.MaxClients), n.MaxClients > 0
	}},
	{"cache.replication_offset_lag", scenarios.UnitBytes, offsetLag},
}

// cacheSeries are the series over the whole run, each node's own and those of all.
func cacheSeries(lines []*timeline, cuts []int) []Series {
	var all []Series
	add := func(name, of string, unit scenarios.Unit, points []Point) {
		if len(points) > 0 {
			all = append(all, Series{Name: name, Of: of, Source: "redis", Unit: unit, Points: points})
		}
	}
	add("cache_hit_ratio", "", scenarios.UnitShare, ratios(lines, cuts))
	add("cache.blocked_clients", "", scenarios.UnitCount, blocked(lines, cuts))
	for _, l := range lines {
		of := l.address
		if len(lines) == 1 {
			of = ""
		} else {
			add("cache_hit_ratio", of, scenarios.UnitShare, ratios([]*timeline{l}, l.read))
		}
		for _, c := range counters {
			add(c.name, of, c.unit, l.counted(c.of))
		}
		if l.tellsCPU() {
			add("cache.cpu_share", of, scenarios.UnitShare, l.busy())
		}
		for _, g := range gauges {
			var points []Point
			for _, i := range l.read {
				if v, ok := g.of(l.readings[i]); ok {
					points = append(points, Point{At: l.at[i], Value: v})
				}
			}
			add(g.name, of, g.unit, points)
		}
	}
	return all
}

// tellsCPU says whether the node tells the CPU time of its main thread: not before 6.2.
func (l *timeline) tellsCPU() bool {
	return slices.ContainsFunc(l.read, func(i int) bool { return l.readings[i].MainCPU > 0 })
}

// counted are what a node counted between each two of its readings.
func (l *timeline) counted(of func(delta) float64) []Point {
	var points []Point
	for k := 1; k < len(l.read); k++ {
		a, b := l.read[k-1], l.read[k]
		if d, whole := l.between(a, b); whole && d.length > 0 {
			points = append(points, Point{At: l.at[a], Length: d.length, Value: of(d)})
		}
	}
	return points
}

// busy are the seconds of CPU between each two readings of one life. CONFIG RESETSTAT does
// not clear them.
func (l *timeline) busy() []Point {
	var points []Point
	for k := 1; k < len(l.read); k++ {
		a, b := l.read[k-1], l.read[k]
		if length := l.at[b] - l.at[a]; length > 0 && l.broken[b] != gapLasting {
			used := max(0, l.readings[b].MainCPU-l.readings[a].MainCPU)
			points = append(points, Point{At: l.at[a], Length: length, Value: used.Duration().Seconds()})
		}
	}
	return points
}

// ratios are the hit ratios between each two samples, at the first one's instant. An
// interval without a read has none, nor has one that a node is missing from.
func ratios(lines []*timeline, cuts []int) []Point {
	var points []Point
	for k := 1; k < len(cuts); k++ {
		var hits, reads int64
		whole := true
		for _, l := range lines {
			d, all := l.between(cuts[k-1], cuts[k])
			whole = whole && all
			hits, reads = hits+d.hits, reads+d.hits+d.misses
		}
		if whole && reads > 0 {
			points = append(points, Point{At: lines[0].at[cuts[k-1]], Value: float64(hits) / float64(reads)})
		}
	}
	return points
}

// blocked are the sums over the nodes that were read, without the collector's own probes.
func blocked(lines []*timeline, cuts []int) []Point {
	var points []Point
	for _, i := range cuts {
		sum := int64(0)
		for _, l := range lines {
			if n := l.readings[i]; n != nil {
				sum += n.BlockedClients - n.OwnBlocked
			}
		}
		points = append(points, Point{At: lines[0].at[i], Value: float64(sum)})
	}
	return points
}

// nothing gives each metric of the catalogue the reason why there is no data.
func (c *Cache) nothing() {
	c.Measures = map[string]Measure{}
	for _, d := range scenarios.Definitions() {
		if strings.HasPrefix(d.Name, "cache.") {
			c.Measures[d.Name] = noMeasure(c.Reason)
		}
	}
}

// measure judges each metric of the catalogue by its rule. lacks is what is missing of all
// of them; c.Partial also what was reset, which is missing of counters alone.
func (c *Cache) measure(all []taken[observation.Redis], lines []*timeline, stretches []stretch, lacks string) {
	c.nothing()
	lost := lostReplicas(lines, stretches)
	c.Gaps = append(c.Gaps, lost...)
	if probing := c.probe(all, stretches, lost); !probing {
		delete(c.Measures, "cache.replication_lag") // the plan does not name a key
	}
	if c.Covered == 0 {
		return
	}
	named := func(name string) (some []Series) {
		for _, s := range c.Series {
			if s.Name == name {
				some = append(some, s)
			}
		}
		return some
	}
	// Counted from sample to sample: where one at an end is missing, from the next one
	// outside, which the points of a series within the judged time would lack.
	for name, n := range map[string][2]int64{"cache.evictions": {c.Evicted, c.besides.evicted}, "cache.rejected_connections": {c.Rejected, c.besides.rejected}, "cache.error_replies": {c.ErrorReplies, c.besides.errors}} {
		m := Measure{Partial: c.Partial, Value: float64(n[0] - n[1]), N: len(c.Intervals)}
		m.upTo(float64(n[1]))
		c.Measures[name] = m
	}
	seen := join(lacks, unread(all, lines, stretches))
	c.Measures["cache.blocked_clients"] = highest(stretches, seen, named("cache.blocked_clients")...)
	c.Measures["cache.memory_share"] = c.share(stretches, seen, named("cache.memory_share"), "maxmemory", "is 0 (unlimited)", func(n CacheNode) bool { return n.MaxMemory > 0 })
	c.Measures["cache.clients_share"] = c.share(stretches, seen, named("cache.clients_share"), "maxclients", "is not told", func(n CacheNode) bool { return n.MaxClients > 0 })
	c.Measures["cache.replication_offset_lag"] = lag(lines, stretches, join(seen, gapWords(lost)), named("cache.replication_offset_lag"))
	c.Measures["cache.cpu_share"] = cpu(all, lines, stretches, lacks, named("cache.cpu_share"))
}

// sampled says whether what was read at an instant is of the judged time: the samples that
// bound a stretch are taken a moment after its ends.
func sampled(stretches []stretch, at time.Duration) bool {
	return slices.ContainsFunc(stretches, func(s stretch) bool { return s.from-atEdge <= at && at <= s.to+atEdge })
}

// unread says how many samples of the judged time lack a node. What counters counted
// meanwhile is in the next one, what a gauge was is nowhere.
func unread(all []taken[observation.Redis], lines []*timeline, stretches []stretch) string {
	failed, n := 0, uint64(0)
	for i := range all {
		if !sampled(stretches, all[i].at) {
			continue
		}
		n++
		if all[i].err != "" || slices.ContainsFunc(lines, func(l *timeline) bool { return l.errs[i] != "" || l.blind(i) }) {
			failed++
		}
	}
	if failed == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %s failed", failed, plural(n, "sample"))
}

// share is the highest share of a limit, if every node has one.
func (c *Cache) share(stretches []stretch, partial string, series []Series, limit, lacks string, has func(CacheNode) bool) Measure {
	var without []string
	for _, n := range c.Nodes {
		if n.Version != "" && !has(n) { // it was read
			without = append(without, n.Address)
		}
	}
	if len(without) > 0 {
		text := fmt.Sprintf("%s %s on %s", limit, lacks, strings.Join(without, ", "))
		if len(series) == 0 {
			return noMeasure(fmt.Sprintf("%s %s", limit, lacks))
		}
		partial = join(partial, text)
	}
	return highest(stretches, partial, series...)
}

// join puts two reasons into one.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// cpu is the busiest main thread's share. An interval across an end of the judged time is
// not in it.
func cpu(all []taken[observation.Redis], lines []*timeline, stretches []stretch, partial string, parts []Series) Measure {
	var lacks []string
	instants := begun(all)
	for _, l := range lines {
		var at []time.Duration
		for _, i := range l.read {
			at = append(at, instants[i])
		}
		switch {
		case len(at) == 0: // a gap tells of it
		case !l.tellsCPU():
			lacks = append(lacks, l.address+" does not tell the CPU time of its main thread (Redis 6.2 and later do)")
		default:
			for _, what := range uncovered(stretches, at) {
				lacks = append(lacks, l.address+": "+what)
			}
		}
	}
	partial = join(partial, gapWords(lacks))
	if len(parts) == 0 {
		return noMeasure("Redis does not tell the CPU time of its main thread (6.2 and later do)")
	}
	wholes := make([]Series, len(parts))
	for i, s := range parts {
		for _, p := range s.Points {
			wholes[i].Points = append(wholes[i].Points, Point{At: p.At, Length: p.Length, Value: p.Length.Seconds()})
		}
	}
	return averaged(stretches, partial, false, parts, wholes)
}
