package reports

import (
	"fmt"

	"arqload/analysis"
)

// Cache is what Redis told about itself in the judged time.
type Cache struct {
	Available     bool     `json:"available"`
	Reason        string   `json:"reason"`
	Version       string   `json:"version"`
	Hits          int64    `json:"hits"`
	Misses        int64    `json:"misses"`
	HitRatio      *float64 `json:"hit_ratio"` // null: no read was counted
	OpsPerS       float64  `json:"ops_per_s"`
	UsedMemoryMax int64    `json:"used_memory_max_bytes"`
	Evicted       int64    `json:"evicted"`
	Expired       int64    `json:"expired"`
	Rejected      int64    `json:"rejected_connections"`
	ClientsMax    int64    `json:"clients_max"`
	Nodes         []Node   `json:"nodes"`
	SampleMeanS   float64  `json:"sample_mean_s"`
	SampleMaxS    float64  `json:"sample_max_s"`
	Samples       int      `json:"samples"`
	Gaps          []string `json:"gaps"`
}

// Node is one Redis node.
type Node struct {
	Address        string  `json:"address"`
	Role           string  `json:"role"`
	Version        string  `json:"version"`
	Hits           int64   `json:"hits"`
	Misses         int64   `json:"misses"`
	Evicted        int64   `json:"evicted"`
	OpsPerS        float64 `json:"ops_per_s"`
	UsedMemoryMax  int64   `json:"used_memory_max_bytes"`
	MaxMemoryBytes int64   `json:"maxmemory_bytes"` // 0: unlimited
	ClientsMax     int64   `json:"clients_max"`
	Keys           int64   `json:"keys"`
}

func cache(s *analysis.Summary) Cache {
	c := s.Cache
	out := Cache{
		Available: c.Available, Reason: c.Reason, Version: c.Version, Hits: c.Hits, Misses: c.Misses, OpsPerS: c.OpsPerS, UsedMemoryMax: c.UsedMemoryMax,
		Evicted: c.Evicted, Expired: c.Expired, Rejected: c.Rejected, ClientsMax: c.ClientsMax, Nodes: []Node{},
		SampleMeanS: c.SampleMean.Seconds(), SampleMaxS: c.SampleMax.Seconds(), Samples: c.Samples, Gaps: list(c.Gaps),
	}
	if c.OK {
		out.HitRatio = &c.HitRatio
	}
	for _, n := range c.Nodes {
		out.Nodes = append(out.Nodes, Node{Address: n.Address, Role: n.Role, Version: n.Version, Hits: n.Hits, Misses: n.Misses, Evicted: n.Evicted,
			OpsPerS: n.OpsPerS, UsedMemoryMax: n.UsedMemoryMax, MaxMemoryBytes: n.MaxMemory, ClientsMax: n.ClientsMax, Keys: n.Keys})
	}
	return out
}

func (t *text) cache() {
	c := t.r.Cache
	if !c.Available {
		t.heading("Cache: no data")
		t.paragraph("  ", c.Reason)
		t.gaps(c.Gaps)
		return
	}
	t.heading("Cache: Redis " + c.Version)
	ratio := "no read was counted"
	if c.HitRatio != nil {
		ratio = fmt.Sprintf("%.2f%% hits", *c.HitRatio*100)
	}
	t.entry("reads", "%s (%d hits, %d misses)", ratio, c.Hits, c.Misses)
	t.entry("work", "%.0f commands/s, %d evicted, %d expired, %d connections refused", c.OpsPerS, c.Evicted, c.Expired, c.Rejected)
	t.entry("memory", "%s at most; clients %d at most", bytes(c.UsedMemoryMax), c.ClientsMax)
	t.entry("sampling", "%d samples, %s each on average, %s at most", c.Samples, secs(c.SampleMeanS), secs(c.SampleMaxS))
	t.gaps(c.Gaps)
}
