package redisinfo

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// discover adds the nodes that the answers tell of and returns them. A cluster is asked
// once a sample for its slots; its nodes' INFO tells nothing more.
func (c *Collector) discover(ctx context.Context, wait time.Duration, got map[*node]reading, first bool) (added []*node) {
	add := func(address, by string) {
		if c.node(address) != nil || len(c.nodes) >= most {
			return
		}
		n := newNode(like(c.first, address), by)
		c.nodes = append(c.nodes, n)
		added = append(added, n)
	}
	mapped := !first && len(c.slots) > 0
	for _, n := range slices.Clone(c.nodes) {
		r, ok := got[n]
		if !ok || r.err != nil {
			continue
		}
		if r.Cluster {
			if mapped {
				continue
			}
			if first && c.untold == "" {
				slots, err := n.clusterSlots(ctx, wait)
				if err == nil {
					mapped, c.slots = true, slots
					for _, s := range slots {
						for _, member := range s.Nodes {
							add(member.Addr, n.address)
						}
					}
					continue
				}
				if forbidden(err) { // and will be tomorrow
					c.untold = fmt.Sprintf("not all nodes of the cluster may be known: %s", err)
				}
			}
		}
		for _, replica := range r.Replicas {
			add(replica.Address, n.address)
		}
		if r.Master != "" {
			add(r.Master, n.address)
		}
	}
	return added
}

// clusterSlots asks which nodes hold which slots. An endpoint that the node does not know
// is that of the node itself.
func (n *node) clusterSlots(ctx context.Context, wait time.Duration) ([]redis.ClusterSlot, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	//lint:ignore SA1019 CLUSTER SHARDS, which is to replace it, needs Redis 7.0
	slots, err := n.client.ClusterSlots(ctx).Result()
	if err != nil {
		n.note(err)
		if forbidden(err) {
			return nil, fmt.Errorf("%s: %w (let the user run CLUSTER SLOTS: ACL SETUSER %s +cluster|slots)", n.address, err, n.user)
		}
		return nil, fmt.Errorf("%s: %w", n.address, err)
	}
	n.tally.did("cluster|slots")
	ownHost, ownPort, err := net.SplitHostPort(n.address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.address, err)
	}
	for i := range slots {
		for j := range slots[i].Nodes {
			host, port, err := net.SplitHostPort(slots[i].Nodes[j].Addr)
			if err != nil {
				return nil, fmt.Errorf("%s: CLUSTER SLOTS tells the address %q: %w", n.address, slots[i].Nodes[j].Addr, err)
			}
			if host == "" || host == "?" {
				host = ownHost
			}
			if port == "0" {
				port = ownPort
			}
			slots[i].Nodes[j].Addr = net.JoinHostPort(host, port)
		}
	}
	return slots, nil
}

func (c *Collector) inSlots(address string) bool {
	return slices.ContainsFunc(c.slots, func(s redis.ClusterSlot) bool {
		return slices.ContainsFunc(s.Nodes, func(n redis.ClusterNode) bool { return n.Addr == address })
	})
}

// once leaves aside all but one of the addresses under which the same process answered:
// its counters would be summed twice. In a cluster the address that the cluster knows
// stays, since a service's common address may lead to another node tomorrow; elsewhere the
// one that stands first in the plan.
func (c *Collector) once(got map[*node]reading) {
	by := map[string]*node{}
	for _, n := range c.nodes {
		r, ok := got[n]
		if !ok || r.err != nil || n.left || r.RunID == "" {
			continue
		}
		other := by[r.RunID]
		if other == nil {
			by[r.RunID] = n
			continue
		}
		leave, stay := n, other
		if r.Cluster && c.inSlots(n.address) && !c.inSlots(other.address) {
			leave, stay = other, n
		}
		by[r.RunID], leave.left = stay, true
	}
}
