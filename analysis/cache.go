package analysis

import (
	"fmt"
	"slices"
	"time"

	"arqload/analysis/observation"
)

// Cache is what Redis told about itself in the judged time, summed over its nodes.
type Cache struct {
	Asked     bool // the plan names a Redis
	Available bool // its counters of the whole judged time are known, of every node
	Reason    string
	Version   string

	// Hits and Misses are those of all clients: Redis counts a read by its key, whoever
	// asks. HitRatio is Hits by both where OK; without a read there is no ratio.
	Hits, Misses  int64
	HitRatio      float64
	OK            bool
	OpsPerS       float64 // commands, without the collector's own
	Evicted       int64
	Expired       int64
	Rejected      int64 // connections over maxclients
	ErrorReplies  int64
	UsedMemoryMax int64         // bytes: the largest sum over the nodes
	ClientsMax    int64         // likewise
	Covered       time.Duration // between the samples that were compared

	Series   []Series
	Measures map[string]Measure // of the catalogue

	Nodes      []CacheNode
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
	Role          string
	Version       string
	Hits, Misses  int64
	Evicted       int64
	OpsPerS       float64
	UsedMemoryMax int64 // bytes
	MaxMemory     int64 // bytes; 0: unlimited
	Policy        string
	ClientsMax    int64
	MaxClients    int64
	Keys          int64 // at the last sample
}

// CacheInterval is what happened between two consecutive samples.
type CacheInterval struct {
	At, Length   time.Duration // At is the first sample's offset from the epoch
	Hits, Misses int64
}

// SummarizeCache reads the samples of redisinfo. Its counters are immediate: what was
// counted in the judged time is the difference of the samples at its two ends. A node that
// was restarted, reset or lost in between makes that difference meaningless, and the
// cache unavailable.
func SummarizeCache(run *observation.Run) Cache {
	var c Cache
	c.Asked, c.Reason = asked(run, "redisinfo", "redis")
	if c.Reason != "" {
		return c
	}
	stretches := judgedStretches(run)
	if len(stretches) == 0 {
		c.Reason = "the run reached no judged phase"
		return c
	}
	all := samples[observation.Redis](run, "redisinfo")
	for i := range all { // a sample that lacks a node is no sample of the whole
		for _, n := range all[i].data.Nodes {
			if n.Error != "" && all[i].err == "" {
				all[i].err = n.Error
			}
		}
	}
	c.Gaps = failures(all)
	c.look(all, stretches)
	some, at := good(all, nil)
	for _, s := range stretches {
		from, to, notes, reason := s.ends(at)
		if reason == "" {
			c.Gaps = append(c.Gaps, notes...)
			reason = c.sum(some[from : to+1])
		}
		if reason != "" {
			if len(c.Gaps) > 0 && c.Failed > 0 {
				reason += "; " + c.Gaps[len(c.Gaps)-1]
			}
			// No part of the sums may be taken for the whole.
			return Cache{Asked: true, Reason: reason, Version: c.Version, Gaps: append(c.Gaps, reason),
				Samples: c.Samples, Failed: c.Failed, SampleMean: c.SampleMean, SampleMax: c.SampleMax}
		}
	}
	c.Available = true
	if reads := c.Hits + c.Misses; reads > 0 {
		c.HitRatio, c.OK = float64(c.Hits)/float64(reads), true
	}
	perSecond := func(n float64) float64 { return n / c.Covered.Seconds() }
	c.OpsPerS = perSecond(c.OpsPerS)
	for i := range c.Nodes {
		c.Nodes[i].OpsPerS = perSecond(c.Nodes[i].OpsPerS)
	}
	return c
}

// look takes the gauges and the cost of sampling.
func (c *Cache) look(all []taken[observation.Redis], stretches []stretch) {
	var cost time.Duration
	for _, t := range all {
		if !holds(stretches, t.at) {
			continue
		}
		c.Samples++
		cost += t.took
		c.SampleMax = max(c.SampleMax, t.took)
		if t.err != "" {
			c.Failed++
			continue
		}
		var used, clients int64
		for _, n := range t.data.Nodes {
			used, clients = used+n.UsedMemory, clients+n.Clients
			of := c.node(n.Address)
			of.Role, of.Version, of.MaxMemory, of.Policy = n.Role, n.Version, n.MaxMemory, n.Policy
			of.MaxClients, of.Keys = n.MaxClients, n.Keys
			of.UsedMemoryMax, of.ClientsMax = max(of.UsedMemoryMax, n.UsedMemory), max(of.ClientsMax, n.Clients)
			c.Version = n.Version
		}
		c.UsedMemoryMax, c.ClientsMax = max(c.UsedMemoryMax, used), max(c.ClientsMax, clients)
	}
	if c.Samples > 0 {
		c.SampleMean = cost / time.Duration(c.Samples)
	}
}

// node returns the sums of the node with an address.
func (c *Cache) node(address string) *CacheNode {
	i := slices.IndexFunc(c.Nodes, func(n CacheNode) bool { return n.Address == address })
	if i < 0 {
		i = len(c.Nodes)
		c.Nodes = append(c.Nodes, CacheNode{Address: address})
	}
	return &c.Nodes[i]
}

// sum adds the differences of each two consecutive samples, or says why one cannot be
// taken. OpsPerS holds commands until they are divided by the time.
func (c *Cache) sum(some []taken[observation.Redis]) (reason string) {
	for i := 1; i < len(some); i++ {
		a, b := some[i-1], some[i]
		v := CacheInterval{At: a.at, Length: b.at - a.at}
		if len(a.data.Nodes) != len(b.data.Nodes) {
			return fmt.Sprintf("the set of Redis nodes changed, noticed at %s", duration(b.at))
		}
		for j, now := range b.data.Nodes {
			before := a.data.Nodes[j]
			switch {
			case now.Address != before.Address:
				return fmt.Sprintf("the set of Redis nodes changed, noticed at %s", duration(b.at))
			case now.RunID != before.RunID:
				return fmt.Sprintf("Redis at %s was restarted or is another one, noticed at %s", now.Address, duration(b.at))
			case wentBack(before, now):
				return fmt.Sprintf("the counters of Redis at %s were reset, noticed at %s", now.Address, duration(b.at))
			}
			ops := float64(now.Commands - before.Commands - (now.Own - before.Own))
			n := c.node(now.Address)
			n.Hits, n.Misses = n.Hits+now.Hits-before.Hits, n.Misses+now.Misses-before.Misses
			n.Evicted, n.OpsPerS = n.Evicted+now.Evicted-before.Evicted, n.OpsPerS+max(0, ops)
			v.Hits, v.Misses = v.Hits+now.Hits-before.Hits, v.Misses+now.Misses-before.Misses
			c.OpsPerS += max(0, ops)
			c.Evicted += now.Evicted - before.Evicted
			c.Expired += now.Expired - before.Expired
			c.Rejected += now.Rejected - before.Rejected
			c.ErrorReplies += now.ErrorReplies - before.ErrorReplies
		}
		c.Hits, c.Misses = c.Hits+v.Hits, c.Misses+v.Misses
		c.Intervals = append(c.Intervals, v)
		c.Covered += v.Length
	}
	return ""
}

// wentBack says whether any counter is lower than it was: CONFIG RESETSTAT leaves run_id
// and uptime alone.
func wentBack(a, b observation.RedisNode) bool {
	return b.Hits < a.Hits || b.Misses < a.Misses || b.Commands < a.Commands || b.Expired < a.Expired ||
		b.Evicted < a.Evicted || b.Rejected < a.Rejected || b.ErrorReplies < a.ErrorReplies
}
