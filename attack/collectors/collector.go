// Package collectors samples the systems under load from inside: the [Collector]
// interface and the [Sampler] that runs collectors side by side on the run's clock.
package collectors

import (
	"context"
	"time"
)

// Collector reads one system: raw cumulative counters and gauges, never conclusions.
// Each collector is used by one goroutine; a slow or failing one delays nobody else.
type Collector interface {
	// Name is the collector's name in samples: pgstat, redisinfo, hosts, appmetrics, selfhealth.
	Name() string
	// Sample reads the source once. data is one of the observation package's sample types
	// and is encoded at once. An error stands in the record in place of the data; the
	// collector is asked again at the next tick and reconnects by itself.
	Sample(ctx context.Context, at Tick) (data any, err error)
	// Close releases what the collector holds.
	Close(ctx context.Context) error
}

// Tick says why a sample is taken.
type Tick struct {
	Seq   int    // 0 for the first sample
	Edge  string // the phase edge: "start of steady", "end of steady", "final"; empty for a sample of the interval
	Final bool   // the last sample, after the drain
}

// Every is the interval between samples, and Settle how long after the drain the last
// one is taken: PostgreSQL publishes a session's counters up to a second late.
const (
	Every  = time.Second
	Settle = 2 * time.Second
)
