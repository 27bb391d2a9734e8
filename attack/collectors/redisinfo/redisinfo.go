// Package redisinfo samples Redis by INFO: hits, misses, commands, memory, evictions,
// clients and replication of each node, raw.
//
// From the nodes it is given it finds the others: the replicas of a primary, the primary of
// a replica, every node of a cluster. It reads them with INFO, in a cluster CLUSTER SLOTS,
// and LATENCY HISTOGRAM where that is allowed: neither CONFIG nor CLIENT, which managed
// services refuse. None of these counts as a hit or a miss, and what the server counts of
// them as commands is told in the sample.
//
// It writes nothing, unless [Options] name a key for probes: then each master with replicas
// gets ten times a second, on a connection of its own, SET of that key (it expires after a
// minute; in a cluster the key has a tag behind it, which makes it the master's own) and WAIT
// for the connected replicas, which times how long a write takes to reach all of them. SET
// replaces what stands under the key. [Open] sends one such pair ahead, to learn whether the
// user may.
package redisinfo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
)

const (
	// within bounds each step of an exchange with a node: connect, write, read.
	within = 2 * time.Second
	// patience bounds the reading of a node in a regular sample, so that one that hangs does
	// not keep the others from being read every second. The counters of a node that misses a
	// sample lose nothing by it; at a phase edge it gets longer.
	patience     = 800 * time.Millisecond
	edgePatience = 2 * time.Second
	// detailEvery is how often commandstats and its like are read between the edges.
	detailEvery = 10 * time.Second
	// rounds bounds the search: a node that was found may tell of others.
	rounds = 4
	// most bounds how many nodes are read.
	most = 500
)

// Options are what a plan may say beside the addresses.
type Options struct {
	// ProbeKey is a key that may be written to time how long a write takes to reach the
	// replicas; empty: nothing is written.
	ProbeKey string
	// CAFile names a PEM file of authorities to trust beside the system's; empty: none.
	CAFile string
}

// Collector reads the nodes it was opened with and those it found through them. One
// goroutine at a time may use it.
type Collector struct {
	options Options
	first   *redis.Options // its user, password and TLS are shared by the nodes found
	nodes   []*node
	detail  time.Time // of the last sample with commandstats
	slots   []redis.ClusterSlot
	probers map[string]*prober // by the master's address
	keys    probeKeys
	ended   observation.Redis // what probers had to say that have ended
	untold  string            // why the cluster's nodes may not all be known
	doubts  []string
}

// Open connects to one node, or to several whose addresses are separated by commas;
// addresses after the first may be host:port alone and then share the first one's user,
// password and TLS. It fails when any of them does not answer, unless the others tell of
// their whole cluster: a sum over a part of the nodes would look like the whole. A node
// that was only found may fail; it is then in each sample with its error. The error says
// what to do and holds no password.
func Open(ctx context.Context, urls string, o Options) (*Collector, error) {
	options, err := parse(urls, o.CAFile)
	if err != nil {
		return nil, err
	}
	quiet()
	c := &Collector{options: o, first: options[0], probers: map[string]*prober{}}
	for _, o := range options {
		c.nodes = append(c.nodes, newNode(o, ""))
	}
	c.detail = time.Now()
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("redisinfo: %w", err), c.Close(ctx))
	}
	return c, nil
}

func (c *Collector) open(ctx context.Context) error {
	s, err := c.read(ctx, edgePatience, true)
	if err != nil {
		return err
	}
	for _, got := range s.Nodes {
		n := c.node(got.Address)
		switch {
		case got.Error == "" || n.found != "":
		case len(c.slots) == 0:
			return errors.New(got.Error)
		case !c.inSlots(n.address): // a way into the cluster that leads nowhere
			n.left = true
		}
	}
	if c.options.ProbeKey != "" {
		c.doubts = c.doubt(ctx, s.Nodes)
	}
	return nil
}

// Doubts says what will not be measured of that which the options ask for, each with what
// to do about it.
func (c *Collector) Doubts() []string { return c.doubts }

// quiet keeps the driver from writing its own lines to stderr, in the middle of a report:
// what it has to say comes back as an error too. Its logger can only be set for the whole
// process.
var quiet = sync.OnceFunc(func() { redis.SetLogger(silent{}) })

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// Name is "redisinfo".
func (c *Collector) Name() string { return "redisinfo" }

// Close closes the connections and ends the probes.
func (c *Collector) Close(context.Context) error {
	var errs []error
	for _, p := range c.probers {
		p.stop()
	}
	for _, n := range c.nodes {
		if err := n.client.Close(); err != nil {
			errs = append(errs, n.explain(err))
		}
	}
	return errors.Join(errs...)
}

// Sample returns an [observation.Redis]. A node that does not answer has an error in place
// of its counters; when none answers, Sample returns the error.
func (c *Collector) Sample(ctx context.Context, tick collectors.Tick) (any, error) {
	begun := time.Now()
	edge := tick.Edge != "" || tick.Seq == 0 || tick.Final
	detailed, wait := edge || begun.Sub(c.detail) >= detailEvery, patience
	if edge {
		wait = edgePatience
	}
	s, err := c.read(ctx, wait, detailed)
	if detailed && err == nil {
		c.detail = begun
	}
	if c.options.ProbeKey == "" {
		return s, err
	}
	if s.Probing = true; err == nil {
		s.ProbeNotes = c.probe(begun, s.Nodes)
	}
	c.probed(&s, begun, tick.Final)
	if len(s.Probes) > 0 || s.Dropped > 0 { // they tell of just this time; each node has its own error
		return s, nil
	}
	return s, err
}

// reading is what became of asking one node.
type reading struct {
	observation.RedisNode
	err error
}

// read asks all nodes side by side, so that their counters are of one instant, then those
// that the answers tell of.
func (c *Collector) read(ctx context.Context, wait time.Duration, detailed bool) (observation.Redis, error) {
	got := map[*node]reading{}
	ask := slices.DeleteFunc(slices.Clone(c.nodes), func(n *node) bool { return n.left })
	for round := range rounds {
		if len(ask) == 0 {
			break
		}
		c.ask(ctx, wait, detailed, ask, got)
		if round == 0 && !anyRead(got) { // the ways in that were left aside may still lead somewhere
			back := slices.DeleteFunc(slices.Clone(c.nodes), func(n *node) bool { return !n.left })
			c.ask(ctx, wait, detailed, back, got)
			for _, n := range back {
				n.left = got[n].err != nil
			}
		}
		ask = c.discover(ctx, wait, got, round == 0)
	}
	c.once(got)
	var s observation.Redis
	if c.untold != "" {
		s.Notes = []string{c.untold}
	}
	var errs []error
	for _, n := range c.nodes {
		r, ok := got[n]
		if n.left || !ok {
			continue
		}
		if r.err != nil {
			errs = append(errs, r.err)
			r.RedisNode = observation.RedisNode{Address: n.address, Error: r.err.Error()}
		}
		r.Found = n.found
		s.Nodes = append(s.Nodes, r.RedisNode)
	}
	if len(errs) == len(s.Nodes) {
		return s, errors.Join(errs...)
	}
	return s, nil
}

func (c *Collector) ask(ctx context.Context, wait time.Duration, detailed bool, nodes []*node, got map[*node]reading) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	all := make([]reading, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			all[i].RedisNode, all[i].err = n.read(ctx, detailed)
		})
	}
	wg.Wait()
	for i, n := range nodes {
		got[n] = all[i]
	}
}

func anyRead(got map[*node]reading) bool {
	for _, r := range got {
		if r.err == nil {
			return true
		}
	}
	return false
}

// node returns the node at an address; nil: there is none.
func (c *Collector) node(address string) *node {
	if i := slices.IndexFunc(c.nodes, func(n *node) bool { return n.address == address }); i >= 0 {
		return c.nodes[i]
	}
	return nil
}
