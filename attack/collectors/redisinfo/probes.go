package redisinfo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"arqload/analysis/observation"
)

// probe sees to it that each master with replicas is probed, and says which is not.
func (c *Collector) probe(begun time.Time, nodes []observation.RedisNode) (notes []string) {
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
		key := c.keyOf(s)
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
		case s.Cluster && len(c.slots) == 0:
			notes = append(notes, fmt.Sprintf("which keys the master %s holds is not known: %s", s.Address, c.untold))
			continue
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
func (c *Collector) keyOf(n observation.RedisNode) string {
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
		c.keys = probeKeys{slots: shape, by: spread(c.options.ProbeKey, c.slots)}
	}
	return c.keys.by[n.Address]
}

// tries bounds the search for a key of each master.
const tries = 20 * most

// spread finds a key in a slot of each master: the plan's key with a tag behind it.
func spread(key string, slots []redis.ClusterSlot) map[string]string {
	by, all := map[string]string{}, len(masters(slots))
	for i := 0; i < tries && len(by) < all; i++ {
		tagged := fmt.Sprintf("%s{probe-%d}", key, i)
		at := slotOf(tagged)
		for _, s := range slots {
			if s.Start <= at && at <= s.End && len(s.Nodes) > 0 && by[s.Nodes[0].Addr] == "" {
				by[s.Nodes[0].Addr] = tagged
			}
		}
	}
	return by
}

// slotOf is the slot of a key: CRC16 (XMODEM: polynomial 0x1021, from 0) modulo 16384 of
// what stands between its first { and the next }, or of all of it where that is nothing.
// Source: the Redis cluster specification, "Key distribution model" and "Hash tags". The
// driver's own function is internal, and its cluster client would connect to tell.
func slotOf(key string) int {
	if _, after, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(after, "}"); ok && tag != "" {
			key = tag
		}
	}
	crc := uint16(0)
	for _, b := range []byte(key) {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % 16384
}
