package reports

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"arqload/analysis"
)

// Cache is what Redis told about itself in the judged time. Where it is not available but
// partial, its figures stand for a part of the time or of the nodes only.
type Cache struct {
	Available     bool             `json:"available"`
	Reason        string           `json:"reason"`
	Partial       string           `json:"partial"` // what is missing; empty: nothing, or there are no figures
	Version       string           `json:"version"`
	Cluster       bool             `json:"cluster"`
	Hits          int64            `json:"hits"`
	Misses        int64            `json:"misses"`
	HitRatio      *float64         `json:"hit_ratio"` // null: no read was counted
	OpsPerS       float64          `json:"ops_per_s"`
	UsedMemoryMax int64            `json:"used_memory_max_bytes"`
	Evicted       int64            `json:"evicted"`
	Expired       int64            `json:"expired"`
	Rejected      int64            `json:"rejected_connections"`
	ErrorReplies  int64            `json:"error_replies"`
	Errors        map[string]int64 `json:"errors"` // error replies by their first word
	ClientsMax    int64            `json:"clients_max"`
	Nodes         []Node           `json:"nodes"`
	Commands      []Command        `json:"commands"` // most time first
	Probes        *CacheProbes     `json:"probes"`   // null: the plan names no key for them
	Intervals     []CacheInterval  `json:"intervals"`
	SampleMeanS   float64          `json:"sample_mean_s"`
	SampleMaxS    float64          `json:"sample_max_s"`
	Samples       int              `json:"samples"`
	SamplesFailed int              `json:"samples_failed"`
	Gaps          []string         `json:"gaps"`
}

// Node is one Redis node.
type Node struct {
	Address        string   `json:"address"`
	FoundThrough   string   `json:"found_through"` // empty: the plan names it
	Role           string   `json:"role"`
	Version        string   `json:"version"`
	Partial        string   `json:"partial"`
	Hits           int64    `json:"hits"`
	Misses         int64    `json:"misses"`
	HitRatio       *float64 `json:"hit_ratio"`
	Evicted        int64    `json:"evicted"`
	OpsPerS        float64  `json:"ops_per_s"`
	CPUShare       *float64 `json:"cpu_share"` // of the main thread; null: not told
	UsedMemoryMax  int64    `json:"used_memory_max_bytes"`
	RSSMax         int64    `json:"used_memory_rss_max_bytes"`
	MaxMemoryBytes int64    `json:"maxmemory_bytes"` // 0: unlimited
	Policy         string   `json:"maxmemory_policy"`
	Fragmentation  float64  `json:"fragmentation_ratio"` // of RSS to used memory, at the last sample
	ClientsMax     int64    `json:"clients_max"`
	MaxClients     int64    `json:"maxclients"`
	Keys           int64    `json:"keys"`
	// Intervals are empty of a single node, whose are those of the cache, and where there are
	// more than nodeIntervals over all nodes: the samples of the bundle hold them.
	Intervals []NodeInterval `json:"intervals"`
}

// NodeInterval is what a node counted between two samples.
type NodeInterval struct {
	AtS     float64 `json:"at_s"`
	LengthS float64 `json:"length_s"`
	Hits    int64   `json:"hits"`
	Misses  int64   `json:"misses"`
	Partial bool    `json:"partial"` // the node was restarted or reset in it, or not read
}

// nodeIntervals bounds the intervals of all nodes: ten minutes of a cluster of six, in a file
// that people open.
const nodeIntervals = 3600

// Command is one Redis command over all nodes. Its times are the server's own execution.
type Command struct {
	Name         string   `json:"name"`
	Calls        int64    `json:"calls"`
	CallsPerS    float64  `json:"calls_per_s"`
	TotalS       float64  `json:"total_s"`
	MeanS        float64  `json:"mean_s"`
	Rejected     int64    `json:"rejected"`
	Failed       int64    `json:"failed"`
	P50MaxS      *float64 `json:"p50_at_most_s"` // null: the server tells no histogram
	P99MaxS      *float64 `json:"p99_at_most_s"`
	LifetimeP99S *float64 `json:"lifetime_p99_s"` // since the server's start or reset
}

// CacheProbes are the timed writes to the replicas that were planned in the judged time.
type CacheProbes struct {
	Count   int      `json:"count"`
	Lost    int      `json:"lost"`
	Masters int      `json:"masters"`
	P50S    *float64 `json:"p50_s"`
	P99S    *float64 `json:"p99_s"`
	MaxS    *float64 `json:"max_s"`
	Reason  string   `json:"reason"` // why there are none, or not of every master
	// Worst is the master that the objective is judged by; the figures above are of all.
	Worst     string   `json:"worst"`
	WorstP99S *float64 `json:"worst_p99_s"`
}

// CacheInterval is what all nodes counted between two samples.
type CacheInterval struct {
	AtS      float64  `json:"at_s"`
	LengthS  float64  `json:"length_s"`
	Hits     int64    `json:"hits"`
	Misses   int64    `json:"misses"`
	HitRatio *float64 `json:"hit_ratio"`
	Partial  bool     `json:"partial"` // a node is missing from it
}

func cache(s *analysis.Summary) Cache {
	c := s.Cache
	out := Cache{
		Available: c.Available, Reason: c.Reason, Partial: c.Partial, Version: c.Version, Cluster: c.Cluster, Hits: c.Hits, Misses: c.Misses, OpsPerS: c.OpsPerS,
		UsedMemoryMax: c.UsedMemoryMax, Evicted: c.Evicted, Expired: c.Expired, Rejected: c.Rejected, ErrorReplies: c.ErrorReplies, Errors: c.Errors,
		ClientsMax: c.ClientsMax, Nodes: []Node{}, Commands: []Command{}, Intervals: []CacheInterval{},
		SampleMeanS: c.SampleMean.Seconds(), SampleMaxS: c.SampleMax.Seconds(), Samples: c.Samples, SamplesFailed: c.Failed, Gaps: list(c.Gaps),
	}
	if c.OK {
		out.HitRatio = &c.HitRatio
	}
	if out.Errors == nil {
		out.Errors = map[string]int64{}
	}
	total := 0
	for _, n := range c.Nodes {
		total += len(n.Intervals)
	}
	for _, n := range c.Nodes {
		o := Node{Address: n.Address, FoundThrough: n.Found, Role: n.Role, Version: n.Version, Partial: n.Partial, Hits: n.Hits, Misses: n.Misses, Evicted: n.Evicted,
			OpsPerS: n.OpsPerS, UsedMemoryMax: n.UsedMemoryMax, RSSMax: n.RSSMax, MaxMemoryBytes: n.MaxMemory, Policy: n.Policy, Fragmentation: n.Fragmentation,
			ClientsMax: n.ClientsMax, MaxClients: n.MaxClients, Keys: n.Keys, Intervals: []NodeInterval{}}
		if n.OK {
			o.HitRatio = &n.HitRatio
		}
		if n.CPUShare >= 0 {
			o.CPUShare = &n.CPUShare
		}
		if len(c.Nodes) > 1 && total <= nodeIntervals {
			for _, i := range n.Intervals {
				o.Intervals = append(o.Intervals, NodeInterval{AtS: i.At.Seconds(), LengthS: i.Length.Seconds(), Hits: i.Hits, Misses: i.Misses, Partial: i.Partial})
			}
		}
		out.Nodes = append(out.Nodes, o)
	}
	for _, cmd := range c.Commands {
		o := Command{Name: cmd.Name, Calls: cmd.Calls, CallsPerS: cmd.CallsPerS, TotalS: cmd.Total.Seconds(), MeanS: cmd.Mean.Seconds(),
			Rejected: cmd.Rejected, Failed: cmd.Failed, P50MaxS: inSeconds(cmd.P50), P99MaxS: inSeconds(cmd.P99)}
		if cmd.Lifetime > 0 {
			o.LifetimeP99S = inSeconds(&cmd.Lifetime)
		}
		out.Commands = append(out.Commands, o)
	}
	for _, i := range c.Intervals {
		o := CacheInterval{AtS: i.At.Seconds(), LengthS: i.Length.Seconds(), Hits: i.Hits, Misses: i.Misses, Partial: i.Partial}
		if reads := i.Hits + i.Misses; reads > 0 {
			ratio := float64(i.Hits) / float64(reads)
			o.HitRatio = &ratio
		}
		out.Intervals = append(out.Intervals, o)
	}
	if p := c.Probes; p.Asked {
		out.Probes = &CacheProbes{Count: p.Count, Lost: p.Lost, Masters: p.Masters, Reason: p.Reason, Worst: p.Worst}
		if p.Count > p.Lost {
			out.Probes.P50S, out.Probes.P99S, out.Probes.MaxS = inSeconds(&p.P50), inSeconds(&p.P99), inSeconds(&p.Max)
		}
		if p.WorstP99 > 0 {
			out.Probes.WorstP99S = inSeconds(&p.WorstP99)
		}
	}
	return out
}

func inSeconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	s := d.Seconds()
	return &s
}

// commandsShown, nodesShown and errorsShown bound what the terminal shows.
const (
	commandsShown = 5
	nodesShown    = 12
	errorsShown   = 3
)

func (t *text) cache() {
	c := t.r.Cache
	if !c.Available && c.Partial == "" {
		t.heading("Cache: no data")
		t.paragraph("  ", c.Reason)
		t.gaps(c.Gaps)
		return
	}
	title := "Cache: Redis " + c.Version
	if c.Cluster {
		title += ", a cluster"
	}
	if !c.Available {
		title += ": a part of it only"
	}
	t.heading(title)
	ratio := "no read was counted"
	if c.HitRatio != nil {
		ratio = fmt.Sprintf("%.2f%% hits", *c.HitRatio*100)
	}
	t.entry("reads", "%s (%d hits, %d misses)", ratio, c.Hits, c.Misses)
	t.entry("work", "%.0f commands/s%s, %d evicted, %d expired, %d connections refused%s", c.OpsPerS, c.replicated(), c.Evicted, c.Expired, c.Rejected, c.errorWords())
	t.entry("memory", "%s at most; clients %d at most", bytes(c.UsedMemoryMax), c.ClientsMax)
	if p := c.Probes; p != nil {
		t.entry("replicas", "%s", p.words())
	}
	t.entry("sampling", "%d samples (%d failed), %s each on average, %s at most", c.Samples, c.SamplesFailed, secs(c.SampleMeanS), secs(c.SampleMaxS))
	if len(c.Nodes) > 1 {
		t.cacheNodes(c.Nodes)
	}
	if len(c.Commands) > 0 {
		tab := t.table("RRRRc", "calls", "mean", "p99", "total", "command (execution alone)")
		for _, cmd := range c.Commands[:min(commandsShown, len(c.Commands))] {
			tab.row(fmt.Sprint(cmd.Calls), secs(cmd.MeanS), atMost(cmd.P99MaxS), secs(cmd.TotalS), cmd.Name)
		}
		tab.render()
	}
	t.gaps(c.Gaps)
}

func (t *text) cacheNodes(nodes []Node) {
	tab := t.table("wLRRRR", "node", "role", "commands/s", "hits", "main CPU", "memory")
	for _, n := range nodes[:min(nodesShown, len(nodes))] {
		ratio, cpu := "-", "-"
		if n.HitRatio != nil {
			ratio = fmt.Sprintf("%.2f%%", *n.HitRatio*100)
		}
		if n.CPUShare != nil {
			cpu = fmt.Sprintf("%.1f%%", *n.CPUShare*100)
		}
		name := n.Address
		if n.Partial != "" {
			name += " (a part)"
		}
		tab.row(name, role(n.Role), fmt.Sprintf("%.0f", n.OpsPerS), ratio, cpu, bytes(n.UsedMemoryMax))
	}
	tab.render()
	if n := len(nodes) - nodesShown; n > 0 {
		t.paragraph("  ", fmt.Sprintf("and %d more in report.json", n))
	}
}

// role is a node's role; what others may have written there has no room in the table.
func role(of string) string {
	switch of {
	case "master":
		return of
	case "slave":
		return "replica"
	}
	return "-"
}

// replicated reminds of what a sum over primaries and replicas holds twice.
func (c *Cache) replicated() string {
	if slices.ContainsFunc(c.Nodes, func(n Node) bool { return n.Role == "slave" }) {
		return " (replicas repeat the writes)"
	}
	return ""
}

// errorWords are the error replies, the most frequent kinds first.
func (c *Cache) errorWords() string {
	if c.ErrorReplies == 0 {
		return ""
	}
	kinds := slices.SortedFunc(maps.Keys(c.Errors), func(a, b string) int {
		if d := c.Errors[b] - c.Errors[a]; d != 0 {
			return int(d)
		}
		return strings.Compare(a, b)
	})
	var words []string
	for _, k := range kinds[:min(errorsShown, len(kinds))] {
		words = append(words, fmt.Sprintf("%d %s", c.Errors[k], k))
	}
	if len(words) == 0 {
		return fmt.Sprintf(", %d error replies", c.ErrorReplies)
	}
	return fmt.Sprintf(", %d error replies (%s)", c.ErrorReplies, strings.Join(words, ", "))
}

func (p *CacheProbes) words() string {
	text := fmt.Sprintf("a write reached them in p50 %s, p99 %s, max %s; %d probes, %d lost", opt(p.P50S), opt(p.P99S), opt(p.MaxS), p.Count, p.Lost)
	if p.Masters > 1 && p.WorstP99S != nil {
		text += fmt.Sprintf("; from %s, the slowest, p99 %s", p.Worst, secs(*p.WorstP99S))
	}
	if p.P50S == nil {
		text = "no write to them was timed"
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

func atMost(v *float64) string {
	if v == nil {
		return "-"
	}
	return "<=" + secs(*v)
}
