package redisinfo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"arqload/analysis/observation"
)

// probe sees to it that each master with replicas is probed, and says which is not.
func (c *Collector) probe(ctx context.Context, begun time.Time, nodes []observation.RedisNode) (notes []string) {
	for _, s := range nodes {
		if s.Error != "" {
			continue
		}
		p := c.probers[s.Address]
		if s.Role != "master" {
			c.end(p, begun) // it lost its office
			continue
		}
		if s.Cluster && len(c.slots) > 0 && !slices.Contains(masters(c.slots), s.Address) {
			c.end(p, begun) // it holds nothing
			continue
		}
		key := c.keyOf(ctx, s)
		if p != nil && p.key != key {
			c.end(p, begun)
			p = nil
		}
		online := int64(0)
		for _, r := range s.Replicas {
			if r.State == "online" {
				online++
			}
		}
		switch {
		case key == "":
			notes = append(notes, fmt.Sprintf("the master %s has no key that begins with the probe key: leave out its {tag}", s.Address))
			continue
		case online == 0:
			notes = append(notes, fmt.Sprintf("the master %s has no connected replica to wait for", s.Address))
		case p == nil:
			p = newProber(c.node(s.Address), key)
			c.probers[s.Address] = p
		}
		if p != nil {
			p.replicas.Store(online)
		}
	}
	return notes
}

// end takes a prober away; what it has to say is kept for the sample.
func (c *Collector) end(p *prober, begun time.Time) {
	if p == nil {
		return
	}
	delete(c.probers, p.node.address)
	p.stop()
	probes, notes := p.take(begun, true)
	c.ended.Probes, c.ended.ProbeNotes = append(c.ended.Probes, probes...), append(c.ended.ProbeNotes, notes...)
}

// probed returns what became of the probes since the sample before.
func (c *Collector) probed(begun time.Time, last bool) ([]observation.RedisProbe, []string) {
	all, notes := c.ended.Probes, c.ended.ProbeNotes
	c.ended = observation.Redis{}
	for _, p := range c.probers {
		if last {
			p.cancel()
		}
		probes, more := p.take(begun, last)
		all, notes = append(all, probes...), append(notes, more...)
	}
	return all, notes
}

// probeKeys are the keys that the probes of a cluster write.
type probeKeys struct {
	slots string            // of which map they were made
	by    map[string]string // by the master's address
}

// masters are the nodes that hold slots.
func masters(slots []redis.ClusterSlot) []string {
	var all []string
	for _, s := range slots {
		if len(s.Nodes) > 0 && !slices.Contains(all, s.Nodes[0].Addr) {
			all = append(all, s.Nodes[0].Addr)
		}
	}
	return all
}

// keyOf returns the key to write at a master; empty: no key of this name can be its own.
func (c *Collector) keyOf(ctx context.Context, n observation.RedisNode) string {
	if !n.Cluster {
		return c.options.ProbeKey
	}
	shape := ""
	for _, s := range c.slots {
		if len(s.Nodes) > 0 {
			shape += fmt.Sprintln(s.Start, s.End, s.Nodes[0].Addr)
		}
	}
	if shape != c.keys.slots {
		c.keys = probeKeys{slots: shape, by: spread(ctx, c.options.ProbeKey, c.slots)}
	}
	return c.keys.by[n.Address]
}

// tries bounds the search for a key of each master.
const tries = 20 * most

// spread finds a key in a slot of each master: the plan's key with a tag behind it. The
// driver computes slots; it is given the map and connects to nobody.
func spread(ctx context.Context, key string, slots []redis.ClusterSlot) map[string]string {
	all := masters(slots)
	var numbered []redis.ClusterSlot
	for _, s := range slots {
		if len(s.Nodes) > 0 {
			at := fmt.Sprintf("%d.invalid:1", slices.Index(all, s.Nodes[0].Addr))
			numbered = append(numbered, redis.ClusterSlot{Start: s.Start, End: s.End, Nodes: []redis.ClusterNode{{Addr: at}}})
		}
	}
	mapped := redis.NewClusterClient(&redis.ClusterOptions{
		ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) { return numbered, nil },
	})
	defer mapped.Close()
	by := map[string]string{}
	for i := 0; i < tries && len(by) < len(all); i++ {
		tagged := fmt.Sprintf("%s{probe-%d}", key, i)
		client, err := mapped.MasterForKey(ctx, tagged)
		if err != nil { // a slot that nobody holds
			continue
		}
		var at int
		if _, err := fmt.Sscanf(client.Options().Addr, "%d.invalid:1", &at); err == nil && by[all[at]] == "" {
			by[all[at]] = tagged
		}
	}
	return by
}
