package analysis

import (
	"fmt"
	"slices"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// Application is what the application told of itself over its Prometheus endpoints in the
// judged time.
type Application struct {
	Asked     bool // the plan names endpoints
	Available bool // one of them at least gave a sample in the judged time
	Reason    string
	Endpoints []EndpointUse // in the plan's order
	Gaps      []string

	Samples    int // in the judged time
	Failed     int // of these, those in which an endpoint did not answer
	SampleMean time.Duration
	SampleMax  time.Duration

	Series []Series

	stretches []stretch

	metrics  []appSeries
	families map[string]string // histograms and summaries, by name
	tooMany  []string          // metrics of which more series matched than are kept
	absent   map[string]string // why an endpoint's samples are not all there, by URL
}

// EndpointUse is what every process tells of itself, where it does. A nil has no value.
type EndpointUse struct {
	URL           string
	MemoryMax     *float64 // resident bytes
	CPUMean       *float64 // seconds of CPU time a second: 1 is one CPU
	OpenFilesMax  *float64
	GoroutinesMax *float64
	Restarts      int // in the judged time
	Answers       int // in the judged time
}

// appSeries is one series of one endpoint.
type appSeries struct {
	Series
	selector scenarios.Selector // its name and all of its labels
	counter  bool
	at       []time.Duration // samples in which it is known
	partial  []string
}

// SummarizeApplication reads the samples of appmetrics. Of a gauge the samples are kept;
// of a counter the differences between consecutive ones. A counter that is lower than it
// was began anew with its process: what it had counted until then is not known.
func SummarizeApplication(run *observation.Run) Application {
	var a Application
	a.Asked, a.Reason = asked(run, "appmetrics", "metrics")
	if a.Reason != "" {
		return a
	}
	stretches := judgedStretches(run)
	if len(stretches) == 0 {
		a.Reason = "the run reached no judged phase"
		return a
	}
	all := samples[observation.Application](run, "appmetrics")
	a.Samples, a.Failed, a.SampleMean, a.SampleMax = sampling(all, stretches, func(d *observation.Application) bool {
		return slices.ContainsFunc(d.Endpoints, func(e observation.Endpoint) bool { return e.Error != "" })
	})
	a.stretches = stretches
	a.families, a.absent = map[string]string{}, map[string]string{}
	var urls []string
	for _, t := range all {
		for _, e := range t.data.Endpoints {
			if !slices.Contains(urls, e.URL) {
				urls = append(urls, e.URL)
			}
		}
	}
	for _, url := range urls {
		a.endpoint(url, endpointSamples(all, url), stretches)
	}
	if len(urls) == 0 {
		a.Gaps = failures(all)
	}
	for _, m := range a.metrics {
		if len(m.Points) > 0 {
			a.Series = append(a.Series, m.Series)
		}
	}
	if a.Available = a.Samples > 0 && len(a.metrics) > 0; !a.Available {
		a.Reason = "no endpoint of the application gave a metric in the judged time"
		if len(a.Gaps) > 0 {
			a.Reason += ": " + a.Gaps[len(a.Gaps)-1]
		}
	}
	return a
}

// endpointSamples are those of one endpoint.
func endpointSamples(all []taken[observation.Application], url string) []taken[observation.Endpoint] {
	out := make([]taken[observation.Endpoint], len(all))
	for i, t := range all {
		out[i] = taken[observation.Endpoint]{at: t.at, took: t.took, err: t.err}
		if t.err != "" {
			continue
		}
		j := slices.IndexFunc(t.data.Endpoints, func(e observation.Endpoint) bool { return e.URL == url })
		if j < 0 {
			out[i].err = "it is not in the sample"
			continue
		}
		out[i].data, out[i].err = t.data.Endpoints[j], t.data.Endpoints[j].Error
	}
	return out
}

// endpoint adds one endpoint by its samples.
func (a *Application) endpoint(url string, all []taken[observation.Endpoint], stretches []stretch) {
	for _, g := range failures(all) {
		a.Gaps = append(a.Gaps, url+": "+g)
	}
	lost, judged := 0, 0
	for _, t := range all {
		if holds(stretches, t.at) {
			judged++
			if t.err != "" {
				lost++
			}
		}
	}
	if lost > 0 {
		a.absent[url] = fmt.Sprintf("%s: %d of %s in the judged time are missing", url, lost, plural(uint64(judged), "sample"))
	}
	some, _ := good(all, nil)
	at := begun(some)
	l := life{url: url, stretches: stretches, samples: some, at: at, series: map[string]*appSeries{}}
	for i := range some {
		l.read(i)
	}
	for _, t := range some {
		for _, m := range t.data.Metrics {
			if m.Type == observation.AppHistogram || m.Type == observation.AppSummary {
				a.families[m.Name] = m.Type
			}
		}
		for _, name := range t.data.TooMany {
			if !slices.Contains(a.tooMany, name) {
				a.tooMany = append(a.tooMany, name)
			}
		}
	}
	a.Gaps = append(a.Gaps, l.gaps...)
	found := l.found()
	a.metrics = append(a.metrics, found...)
	use := useOf(url, found, l.restarts, stretches)
	use.Answers = countJudged(stretches, at)
	a.Endpoints = append(a.Endpoints, use)
}

// useOf takes the standard metrics of a process.
func useOf(url string, all []appSeries, restarts int, stretches []stretch) EndpointUse {
	u := EndpointUse{URL: url, Restarts: restarts}
	for _, m := range all {
		if len(m.selector.Labels) > 0 {
			continue
		}
		value := highest(stretches, "", m.Series)
		if value.Reason != "" {
			continue
		}
		switch m.selector.Name {
		case "process_resident_memory_bytes":
			u.MemoryMax = &value.Value
		case "process_open_fds":
			u.OpenFilesMax = &value.Value
		case "go_goroutines":
			u.GoroutinesMax = &value.Value
		case "process_cpu_seconds_total":
			var length, used float64
			for _, p := range m.judged(stretches) {
				length, used = length+p.Length.Seconds(), used+p.Value
			}
			if length > 0 {
				u.CPUMean = ptr(used / length)
			}
		}
	}
	return u
}
