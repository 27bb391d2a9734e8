package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// CacheProbes says what the replication probes of the judged time found.
type CacheProbes struct {
	Asked   bool // the plan names a key
	Reason  string
	Count   int // lost ones among them
	Lost    int
	P50     time.Duration // of those with a value; of one that had not ended what it had waited
	P99     time.Duration
	Max     time.Duration
	Masters int
}

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
	{"cache.cpu_share", scenarios.UnitShare, func(d delta) float64 { return d.cpu.Seconds() }}, // seconds of CPU in seconds
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

// offsetLag is how many bytes the slowest online replica of a master has not acknowledged.
func offsetLag(n *observation.RedisNode) (float64, bool) {
	lag, any := int64(0), false
	for _, r := range n.Replicas {
		if r.State == "online" {
			lag, any = max(lag, n.MasterOffset-r.Offset), true
		}
	}
	return float64(lag), any
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
			if c.name != "cache.cpu_share" || l.tellsCPU() {
				add(c.name, of, c.unit, l.counted(c.of))
			}
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

// measure judges each metric of the catalogue by its rule.
func (c *Cache) measure(all []taken[observation.Redis], lines []*timeline, stretches []stretch) {
	c.nothing()
	if probing := c.probe(all, stretches); !probing {
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
	for name, n := range map[string]int64{"cache.evictions": c.Evicted, "cache.rejected_connections": c.Rejected, "cache.error_replies": c.ErrorReplies} {
		c.Measures[name] = Measure{Partial: c.Partial, Value: float64(n), N: len(c.Intervals)}
	}
	c.Measures["cache.blocked_clients"] = highest(stretches, c.Partial, named("cache.blocked_clients")...)
	c.Measures["cache.memory_share"] = c.share(stretches, named("cache.memory_share"), "maxmemory", "is 0 (unlimited)", func(n CacheNode) bool { return n.MaxMemory > 0 })
	c.Measures["cache.clients_share"] = c.share(stretches, named("cache.clients_share"), "maxclients", "is not told", func(n CacheNode) bool { return n.MaxClients > 0 })
	c.Measures["cache.replication_offset_lag"] = c.lag(lines, stretches, named("cache.replication_offset_lag"))
	c.Measures["cache.cpu_share"] = c.cpu(stretches, lines, named("cache.cpu_share"))
}

// share is the highest share of a limit, if every node has one.
func (c *Cache) share(stretches []stretch, series []Series, limit, lacks string, has func(CacheNode) bool) Measure {
	var without []string
	for _, n := range c.Nodes {
		if n.Version != "" && !has(n) { // it was read
			without = append(without, n.Address)
		}
	}
	partial := c.Partial
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

// lag is the most that a replica lacked. One that is being filled is behind by all.
func (c *Cache) lag(lines []*timeline, stretches []stretch, series []Series) Measure {
	partial, any := c.Partial, false
	for _, l := range lines {
		for _, i := range l.read {
			for _, r := range l.readings[i].Replicas {
				any = true
				if r.State != "online" && holds(stretches, l.at[i]) && !strings.Contains(partial, r.Address+" was in state") {
					partial = join(partial, fmt.Sprintf("the replica %s was in state %s at %s", r.Address, r.State, duration(l.at[i])))
				}
			}
		}
	}
	if !any {
		return noMeasure("no node has a replica")
	}
	return highest(stretches, partial, series...)
}

// cpu is the busiest main thread's share.
func (c *Cache) cpu(stretches []stretch, lines []*timeline, parts []Series) Measure {
	partial := c.Partial
	for _, l := range lines {
		if len(l.read) > 0 && !l.tellsCPU() {
			partial = join(partial, l.address+" does not tell the CPU time of its main thread (Redis 6.2 and later do)")
		}
	}
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

// waits is WAIT's own limit in the collector: what has not ended by then is slow.
const waits = time.Second

// probe takes the replication probes of the judged time, and says whether the plan names
// a key for them.
func (c *Cache) probe(all []taken[observation.Redis], stretches []stretch) bool {
	m := Measure{}
	seconds := map[string]map[time.Duration]float64{}
	var masters, notes []string
	var values []time.Duration
	for _, t := range all {
		c.Probes.Asked = c.Probes.Asked || t.data.Probing
		if holds(stretches, t.at) {
			notes = append(notes, t.data.ProbeNotes...)
		}
		for _, p := range t.data.Probes {
			at := t.at - p.Ago.Duration()
			if !p.Lost {
				if seconds[p.Master] == nil {
					seconds[p.Master] = map[time.Duration]float64{}
					masters = append(masters, p.Master)
				}
				second := at.Truncate(time.Second)
				seconds[p.Master][second] = max(seconds[p.Master][second], p.Took.Duration().Seconds())
			}
			if !slices.ContainsFunc(stretches, func(s stretch) bool { return s.from <= at && at < s.to }) {
				continue
			}
			// One that had not ended after a short wait might have been fast or slow.
			one := Probe{At: at, Value: p.Took.Duration(), Lost: p.Lost || p.AtLeast && p.Took.Duration() < waits}
			if m.Probes = append(m.Probes, one); one.Lost {
				c.Probes.Lost++
			} else {
				values = append(values, one.Value)
			}
		}
	}
	slices.Sort(masters)
	for _, master := range masters {
		s := Series{Name: "cache.replication_lag", Source: "redis", Unit: scenarios.UnitSeconds}
		if len(masters) > 1 {
			s.Of = master
		}
		for at, v := range seconds[master] {
			s.Points = append(s.Points, Point{At: at, Value: v}) // the longest of those begun in the second
		}
		sortPoints(s.Points)
		c.Series = append(c.Series, s)
	}
	if !c.Probes.Asked {
		return false
	}
	slices.Sort(notes)
	notes = slices.Compact(notes)
	m.Partial = strings.Join(notes[:min(3, len(notes))], "; ")
	if m.N = len(m.Probes); m.N == 0 {
		m = noMeasure(join("there was no replication probe in the judged time", m.Partial))
	}
	c.Probes.Reason, c.Probes.Count, c.Probes.Masters = join(m.Reason, m.Partial), m.N, len(masters)
	if slices.Sort(values); len(values) > 0 {
		rank := func(q float64) time.Duration { return values[max(0, int(math.Ceil(q*float64(len(values))))-1)] }
		c.Probes.P50, c.Probes.P99, c.Probes.Max = rank(0.5), rank(0.99), values[len(values)-1]
	}
	c.Measures["cache.replication_lag"] = m
	return true
}
