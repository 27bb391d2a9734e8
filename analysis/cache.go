package analysis

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"arqload/analysis/observation"
)

// Cache is what Redis told about itself in the judged time, summed over its nodes.
type Cache struct {
	Asked     bool // the plan names a Redis
	Available bool // its counters of the whole judged time are known, of every node
	Reason    string
	// Partial says what is missing where the figures stand for a part of the judged time or
	// of the nodes: Reason once more, but only where there are figures.
	Partial string
	Version string

	// Hits and Misses are those of all clients: Redis counts a read by its key, whoever
	// asks. HitRatio is Hits by both where OK; without a read there is no ratio.
	Hits, Misses  int64
	HitRatio      float64
	OK            bool
	OpsPerS       float64 // commands, without the collector's own; replicas repeat the writes of their master
	Evicted       int64
	Expired       int64
	Rejected      int64 // connections over maxclients
	ErrorReplies  int64 // without the collector's own
	UsedMemoryMax int64 // bytes: the largest sum over the nodes
	ClientsMax    int64 // likewise
	Cluster       bool
	Covered       time.Duration // between the samples that were compared

	Series   []Series
	Measures map[string]Measure // of the catalogue

	besides delta // what was counted next to the judged time

	Nodes      []CacheNode
	Commands   []CacheCommand // most time first
	Errors     map[string]int64
	Probes     CacheProbes
	Intervals  []CacheInterval
	Gaps       []string
	Samples    int // in the judged time
	Failed     int // of these, those in which a node did not answer
	SampleMean time.Duration
	SampleMax  time.Duration
}

// CacheNode is one node's part.
type CacheNode struct {
	Address       string
	Found         string // through which node it was found; empty: the plan names it
	Role          string // at the last sample
	Version       string
	Partial       string // what is missing of it
	Hits, Misses  int64
	HitRatio      float64
	OK            bool // it counted a read
	Evicted       int64
	OpsPerS       float64
	CPUShare      float64 // of the thread that runs the commands; negative: not told
	UsedMemoryMax int64   // bytes
	RSSMax        int64   // bytes
	MaxMemory     int64   // bytes; 0: unlimited
	Policy        string
	Fragmentation float64 // at the last sample; means nothing where little memory is used
	ClientsMax    int64
	MaxClients    int64
	Keys          int64 // at the last sample
	KeysBefore    int64 // at the first judged one
	Intervals     []CacheInterval
	commands      int64
	cpu, covered  time.Duration
}

// CacheInterval is what happened between two consecutive samples, over all nodes or of one.
type CacheInterval struct {
	At, Length   time.Duration // At is the first sample's offset from the epoch
	Hits, Misses int64
	Partial      bool // a node, or a part of this one, is not in it
}

// SummarizeCache reads the samples of redisinfo. Its counters are immediate: what was
// counted in the judged time is the difference of the samples at its two ends, of each
// node. What a node counted while it was restarted, reset, replaced or out of reach is not
// known: the rest is kept, as a part.
func SummarizeCache(run *observation.Run) Cache {
	var c Cache
	c.Asked, c.Reason = asked(run, "redisinfo", "redis")
	if !c.Asked {
		return c
	}
	stretches := judgedStretches(run)
	if c.Reason == "" && len(stretches) == 0 {
		c.Reason = "the run reached no judged phase"
	}
	if c.Reason != "" {
		c.nothing()
		return c
	}
	all := samples[observation.Redis](run, "redisinfo")
	lines := timelines(all, stretches)
	c.Gaps = failures(all)
	for _, l := range lines {
		c.Nodes = append(c.Nodes, CacheNode{Address: l.address, CPUShare: -1})
		for _, g := range l.gaps {
			c.Gaps = append(c.Gaps, g.text)
		}
	}
	c.look(all, lines, stretches)
	usable, at := cuts(all, lines)
	var partial, resets []string
	for _, s := range stretches {
		some, reasons := judgedCuts(all, s, usable, at, &c.Gaps)
		more, cleared := c.sum(all, lines, some, s)
		partial, resets = append(append(partial, reasons...), more...), append(resets, cleared...)
	}
	partial = append(partial, untold(all)...)
	c.finish(append(slices.Clone(partial), resets...))
	c.Series = cacheSeries(lines, usable)
	c.commands(lines, stretches)
	c.measure(all, lines, stretches, gapWords(partial))
	return c
}

// gapWords joins a few reasons, and says where there are more.
func gapWords(all []string) string {
	all = slices.Clone(all)
	slices.Sort(all)
	all = slices.Compact(all)
	text := strings.Join(all[:min(len(all), 3)], "; ")
	if len(all) > 3 {
		text += "; and more gaps"
	}
	return text
}

// finish makes ratios and rates of the sums, and says what they lack.
func (c *Cache) finish(partial []string) {
	slices.Sort(partial)
	partial = slices.Compact(partial)
	c.Available = len(partial) == 0
	if len(partial) > 0 {
		c.Reason = gapWords(partial)
		c.Gaps = append(c.Gaps, slices.DeleteFunc(partial, func(p string) bool { return slices.Contains(c.Gaps, p) })...)
	}
	if !c.Available && c.Covered > 0 {
		c.Partial = c.Reason
	}
	if reads := c.Hits + c.Misses; reads > 0 {
		c.HitRatio, c.OK = float64(c.Hits)/float64(reads), true
	}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if reads := n.Hits + n.Misses; reads > 0 {
			n.HitRatio, n.OK = float64(n.Hits)/float64(reads), true
		}
		if n.covered > 0 {
			n.OpsPerS = float64(n.commands) / n.covered.Seconds()
			if n.cpu > 0 {
				n.CPUShare = n.cpu.Seconds() / n.covered.Seconds()
			}
		}
		c.OpsPerS += n.OpsPerS
	}
	if !c.Available && c.Covered == 0 { // what gauges there are must not look like a record
		c.Nodes, c.UsedMemoryMax, c.ClientsMax = nil, 0, 0
	}
}

// look takes the gauges and the cost of sampling.
func (c *Cache) look(all []taken[observation.Redis], lines []*timeline, stretches []stretch) {
	var cost time.Duration
	for i, t := range all {
		if !holds(stretches, t.at) {
			continue
		}
		c.Samples++
		cost += t.took
		c.SampleMax = max(c.SampleMax, t.took)
		var used, clients int64
		failed := t.err != ""
		for j, l := range lines {
			n := l.readings[i]
			if n == nil {
				failed = failed || l.errs[i] != ""
				continue
			}
			used, clients = used+n.UsedMemory, clients+n.Clients
			of := &c.Nodes[j]
			if of.Version == "" {
				of.KeysBefore = n.Keys
			}
			of.Role, of.Version, of.MaxMemory, of.Policy, of.Found = n.Role, n.Version, n.MaxMemory, n.Policy, n.Found
			of.MaxClients, of.Keys, of.Fragmentation = n.MaxClients, n.Keys, n.Fragmentation
			of.UsedMemoryMax, of.RSSMax, of.ClientsMax = max(of.UsedMemoryMax, n.UsedMemory), max(of.RSSMax, n.RSS), max(of.ClientsMax, n.Clients)
			c.Version, c.Cluster = cmp.Or(n.Version, c.Version), c.Cluster || n.Cluster
		}
		if failed {
			c.Failed++
		}
		c.UsedMemoryMax, c.ClientsMax = max(c.UsedMemoryMax, used), max(c.ClientsMax, clients)
	}
	if c.Samples > 0 {
		c.SampleMean = cost / time.Duration(c.Samples)
	}
}

// sum adds the differences between each two of the samples at some indices, and says what
// is missing in them: resets clear only counters.
func (c *Cache) sum(all []taken[observation.Redis], lines []*timeline, some []int, s stretch) (partial, resets []string) {
	for k := 1; k < len(some); k++ {
		a, b := some[k-1], some[k]
		v, known := CacheInterval{At: all[a].at, Length: all[b].at - all[a].at}, false
		for j, l := range lines {
			d, whole := l.between(a, b)
			n := &c.Nodes[j]
			if !whole {
				v.Partial = true
				for _, g := range l.why(a, b) {
					if n.Partial = g.text; g.kind == gapReset {
						resets = append(resets, g.text)
					} else {
						partial = append(partial, g.text)
					}
				}
			}
			if text := l.changed(a, b); text != "" {
				n.Partial = text
				partial = append(partial, text)
			}
			if d.length == 0 {
				continue
			}
			known = true
			n.Intervals = append(n.Intervals, CacheInterval{At: v.At, Length: v.Length, Hits: d.hits, Misses: d.misses, Partial: !whole})
			n.Hits, n.Misses, n.Evicted = n.Hits+d.hits, n.Misses+d.misses, n.Evicted+d.evicted
			n.commands, n.cpu, n.covered = n.commands+d.commands, n.cpu+d.cpu, n.covered+d.length
			v.Hits, v.Misses = v.Hits+d.hits, v.Misses+d.misses
			c.Evicted, c.Expired = c.Evicted+d.evicted, c.Expired+d.expired
			c.Rejected, c.ErrorReplies = c.Rejected+d.rejected, c.ErrorReplies+d.errors
			if !s.surely(all[a].at, all[b].read()) {
				c.besides.evicted, c.besides.rejected, c.besides.errors = c.besides.evicted+d.evicted, c.besides.rejected+d.rejected, c.besides.errors+d.errors
			}
		}
		if !known {
			continue
		}
		c.Hits, c.Misses = c.Hits+v.Hits, c.Misses+v.Misses
		c.Intervals = append(c.Intervals, v)
		c.Covered += v.Length
	}
	return partial, resets
}

// untold are the collector's own words on what may be missing.
func untold(all []taken[observation.Redis]) (notes []string) {
	for _, t := range all {
		notes = append(notes, t.data.Notes...)
	}
	return notes
}
