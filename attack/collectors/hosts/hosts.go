// Package hosts samples the machines under test: CPU, memory and disks of this machine by
// its /proc, and of others by their Prometheus node exporters. Raw counters and gauges.
package hosts

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
	"arqload/attack/collectors/promtext"
)

// Local is the name of the machine that arqload runs on.
const Local = "local"

// Collector reads the hosts it was opened with.
type Collector struct {
	client *promtext.Client
	names  []string
	read   []func(context.Context) (observation.Host, error)
}

// Open takes a list of [Local] and URLs of node exporters; caFile is as in
// [promtext.New]. It fails when none of them answers: one that does not is an entry with
// an error in every sample, and may still come up.
func Open(ctx context.Context, hosts []string, caFile string) (*Collector, error) {
	client, err := promtext.New(caFile)
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	c := &Collector{client: client, names: names(hosts)}
	for _, h := range hosts {
		if h == Local {
			m := machine{proc: "/proc", sys: "/sys"}
			c.read = append(c.read, func(context.Context) (observation.Host, error) { return m.read() })
			continue
		}
		c.read = append(c.read, func(ctx context.Context) (observation.Host, error) { return exporter(ctx, client, h) })
	}
	if _, err := c.sample(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("hosts: %w", err)
	}
	return c, nil
}

// names are what the hosts are called in samples: host:port, with the path where several
// share it, as behind a gateway.
func names(hosts []string) []string {
	short := make([]string, len(hosts))
	count := map[string]int{}
	for i, h := range hosts {
		short[i] = h
		if u, err := url.Parse(h); err == nil && u.Host != "" {
			short[i] = u.Host
		}
		count[short[i]]++
	}
	for i, h := range hosts {
		if u, err := url.Parse(h); err == nil && count[short[i]] > 1 {
			short[i] = u.Host + u.RequestURI()
		}
	}
	return short
}

// Name is "hosts".
func (c *Collector) Name() string { return "hosts" }

// Close closes the connections.
func (c *Collector) Close(context.Context) error {
	c.client.Close()
	return nil
}

// Sample returns an [observation.Hosts]. A host that does not answer has an error in place
// of its counters; when none answers, Sample returns the errors.
func (c *Collector) Sample(ctx context.Context, _ collectors.Tick) (any, error) {
	return c.sample(ctx)
}

// sample reads all hosts side by side, so that their counters are of one instant and a slow
// one delays nobody.
func (c *Collector) sample(ctx context.Context) (observation.Hosts, error) {
	s := observation.Hosts{Hosts: make([]observation.Host, len(c.read))}
	errs := make([]error, len(c.read))
	var wg sync.WaitGroup
	for i, read := range c.read {
		wg.Go(func() { s.Hosts[i], errs[i] = read(ctx) })
	}
	wg.Wait()
	failed := 0
	for i, err := range errs {
		if err != nil {
			failed++
			s.Hosts[i] = observation.Host{Error: err.Error()}
		}
		s.Hosts[i].Name = c.names[i]
	}
	if failed == len(errs) {
		return observation.Hosts{}, errors.Join(errs...)
	}
	return s, nil
}
