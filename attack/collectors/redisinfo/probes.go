package redisinfo

import (
	"context"
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
		if !c.holds(s) {
			c.end(p, begun) // it holds nothing
			continue
		}
		key, keyless := c.keyOf(s)
		if p != nil && p.key != key {
			c.end(p, begun)
			p = nil
		}
		replicas := online(s)
		switch {
		case keyless != "":
			notes = append(notes, keyless)
			continue
		case replicas == 0:
			notes = append(notes, fmt.Sprintf("the master %s has no connected replica to wait for", s.Address))
		case p == nil:
			p = newProber(c.node(s.Address), key)
			c.probers[s.Address] = p
		}
		if p != nil {
			p.replicas.Store(replicas)
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
	p.take(&c.ended, begun, true)
}

// probed puts into a sample what became of the probes since the one before.
func (c *Collector) probed(s *observation.Redis, begun time.Time, last bool) {
	s.Probes, s.ProbeNotes, s.Dropped = c.ended.Probes, append(s.ProbeNotes, c.ended.ProbeNotes...), c.ended.Dropped
	c.ended = observation.Redis{}
	for _, p := range c.probers {
		if last {
			p.cancel()
		}
		p.take(s, begun, last)
	}
}

// online is how many replicas a master sees.
func online(master observation.RedisNode) (n int64) {
	for _, r := range master.Replicas {
		if r.State == "online" {
			n++
		}
	}
	return n
}

// doubt tries what the probes will do, with a WAIT for nobody, at a master that has replicas:
// a refusal is better known before the load than after it.
func (c *Collector) doubt(ctx context.Context, nodes []observation.RedisNode) (doubts []string) {
	var alone []string
	masters, tried := 0, false
	for _, s := range nodes {
		if s.Error != "" || s.Role != "master" || !c.holds(s) {
			continue
		}
		masters++
		switch key, keyless := c.keyOf(s); {
		case keyless != "":
			doubts = append(doubts, keyless)
		case online(s) == 0:
			alone = append(alone, s.Address)
		case !tried:
			tried = true
			ctx, cancel := context.WithTimeout(ctx, edgePatience)
			n := c.node(s.Address)
			if _, err := n.write(ctx, n.client.Pipeline(), key, 0, 0, time.Millisecond); err != nil {
				doubts = append(doubts, n.probeFailed(err, key))
			}
			cancel()
		}
	}
	if n := len(alone); n > 0 {
		text := strings.Join(alone[:min(n, 3)], ", ")
		if n > 3 {
			text += fmt.Sprintf(" and %d more", n-3)
		}
		doubts = append(doubts, "cache.replication_lag: no replica is connected to "+text+": nothing to measure there")
	}
	if masters == 0 {
		doubts = append(doubts, "cache.replication_lag: no master could be read: nothing to measure")
	}
	return doubts
}

// holds says whether a master has slots, or need not have any.
func (c *Collector) holds(s observation.RedisNode) bool {
	return !s.Cluster || len(c.slots) == 0 || slices.Contains(masters(c.slots), s.Address)
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

// keyOf returns the key to write at a master, or why there is none.
func (c *Collector) keyOf(n observation.RedisNode) (key, keyless string) {
	switch {
	case !n.Cluster:
		return c.options.ProbeKey, ""
	case len(c.slots) == 0:
		return "", fmt.Sprintf("which keys the master %s holds is not known: %s", n.Address, c.untold)
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
	if key = c.keys.by[n.Address]; key == "" {
		keyless = fmt.Sprintf("the master %s has no key that begins with the probe key: leave out its {tag}", n.Address)
	}
	return key, keyless
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
