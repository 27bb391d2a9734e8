// Package appmetrics samples the application's own metrics from its Prometheus text
// endpoints: the series that objectives name, and a few that every process tells of itself.
package appmetrics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
	"arqload/attack/collectors/promtext"
)

// maxSeries bounds what is kept of one metric of an endpoint: a sample is written every
// second, and an objective on more series than this is a slip of the labels.
const maxSeries = 200

// Wanted is what to keep: the series of a metric whose labels match; a nil Match takes
// all.
type Wanted struct {
	Name  string
	Match func(labels map[string]string) bool
}

// standard are told by the client libraries of most languages, under these names.
var standard = []Wanted{
	{Name: "process_resident_memory_bytes"}, {Name: "process_cpu_seconds_total"}, {Name: "process_open_fds"},
	{Name: "process_start_time_seconds"}, {Name: "go_goroutines"},
}

// Collector reads the endpoints it was opened with.
type Collector struct {
	client *promtext.Client
	urls   []string
	wanted []Wanted
}

// Open takes the URLs of the endpoints; caFile is as in [promtext.New]. It fails when none
// of them answers: one that does not is an entry with an error in every sample.
func Open(ctx context.Context, urls []string, wanted []Wanted, caFile string) (*Collector, error) {
	client, err := promtext.New(caFile)
	if err != nil {
		return nil, fmt.Errorf("appmetrics: %w", err)
	}
	c := &Collector{client: client, urls: urls, wanted: slices.Concat(standard, wanted)}
	if _, err := c.sample(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("appmetrics: %w", err)
	}
	return c, nil
}

// Name is "appmetrics".
func (c *Collector) Name() string { return "appmetrics" }

// Close closes the connections.
func (c *Collector) Close(context.Context) error {
	c.client.Close()
	return nil
}

// Sample returns an [observation.Application]. An endpoint that does not answer has an
// error in place of its metrics; when none answers, Sample returns the errors.
func (c *Collector) Sample(ctx context.Context, _ collectors.Tick) (any, error) {
	return c.sample(ctx)
}

func (c *Collector) sample(ctx context.Context) (observation.Application, error) {
	s := observation.Application{Endpoints: make([]observation.Endpoint, len(c.urls))}
	errs := make([]error, len(c.urls))
	var wg sync.WaitGroup
	for i, url := range c.urls {
		wg.Go(func() {
			f, err := c.client.Read(ctx, url)
			if errs[i] = err; err == nil {
				s.Endpoints[i] = c.keep(f)
			} else {
				s.Endpoints[i].Error = err.Error()
			}
			s.Endpoints[i].URL = url
		})
	}
	wg.Wait()
	if !slices.Contains(errs, nil) {
		return observation.Application{}, errors.Join(errs...)
	}
	return s, nil
}

// keep takes the wanted series of one reading, each once however often it is wanted.
func (c *Collector) keep(f promtext.Families) observation.Endpoint {
	e := observation.Endpoint{Metrics: []observation.AppMetric{}}
	done := map[string]bool{}
	for _, w := range c.wanted {
		if done[w.Name] {
			continue
		}
		done[w.Name] = true
		if t, n, ok := f.Family(w.Name); ok && (t == promtext.Histogram || t == promtext.Summary) {
			e.Metrics = append(e.Metrics, observation.AppMetric{Name: w.Name, Type: string(t), Value: observation.Number(n)})
			continue
		}
		var some []observation.AppMetric
		f.Each(w.Name, func(s promtext.Series) {
			if c.wants(s) && len(some) <= maxSeries {
				some = append(some, observation.AppMetric{Name: s.Name, Type: string(s.Type), Labels: s.Labels, Value: observation.Number(s.Value)})
			}
		})
		if len(some) > maxSeries {
			e.TooMany = append(e.TooMany, w.Name)
			continue
		}
		e.Metrics = append(e.Metrics, some...)
	}
	return e
}

func (c *Collector) wants(s promtext.Series) bool {
	return slices.ContainsFunc(c.wanted, func(w Wanted) bool {
		return w.Name == s.Name && (w.Match == nil || w.Match(s.Labels))
	})
}
