package analysis

import (
	"errors"
	"math"
	"strings"
	"testing"

	"arqload/analysis/observation"
)

const one, two = "http://one/metrics", "http://two/metrics"

// gauge, counter and others are as a sample has them.
func metric(name, kind string, v float64, labels ...string) observation.AppMetric {
	m := observation.AppMetric{Name: name, Type: kind, Value: observation.Number(v)}
	for i := 0; i < len(labels); i += 2 {
		if m.Labels == nil {
			m.Labels = map[string]string{}
		}
		m.Labels[labels[i]] = labels[i+1]
	}
	return m
}

// application makes a run with two endpoints, sampled each second from -2 s to 23 s. Each
// counts 10 requests a second with code 200, uses 100 MiB and one more each second, half a
// CPU, and 40 and 60 of its pools' connections.
func application(t *testing.T, edit func(second int, one, two *observation.Endpoint) error) *observation.Run {
	t.Helper()
	run := runOf()
	for s := -2; s <= 23; s++ {
		done := float64(s + 100)
		var a observation.Application
		for _, url := range []string{one, two} {
			a.Endpoints = append(a.Endpoints, observation.Endpoint{URL: url, Metrics: []observation.AppMetric{
				metric("process_start_time_seconds", observation.AppGauge, 1000),
				metric("process_resident_memory_bytes", observation.AppGauge, (100+float64(s))*(1<<20)),
				metric("process_cpu_seconds_total", observation.AppCounter, done/2),
				metric("http_requests_total", observation.AppCounter, 10*done, "code", "200"),
				metric("pool_in_use", observation.AppUntyped, 40, "pool", "main"),
				metric("pool_in_use", observation.AppUntyped, 60, "pool", "side"),
				metric("wait_seconds", observation.AppHistogram, 1),
				metric("gc_seconds", observation.AppSummary, 1),
			}})
		}
		var err error
		if edit != nil {
			err = edit(s, &a.Endpoints[0], &a.Endpoints[1])
		}
		put(t, run, "appmetrics", float64(s), a, err)
	}
	return run
}

func TestApplicationObjectives(t *testing.T) {
	s := Summarize(application(t, nil))
	if a := s.Application; !a.Available || len(a.Gaps) > 0 || a.Samples != 10 || len(a.Endpoints) != 2 {
		t.Fatalf("application = %+v, want all of it, two endpoints and 10 samples", a)
	}
	// Judged are 10 s to 20 s: 11 samples (the last one 10 ms late), memory up to 120 MiB.
	u := s.Application.Endpoints[0]
	if !nearly(u.MemoryMax, 120<<20) || !nearly(u.CPUMean, 0.5) || u.OpenFilesMax != nil || u.Restarts != 0 {
		t.Errorf("endpoint = %+v, want 120 MiB at most, half a CPU, no open files", u)
	}
	for text, want := range map[string]struct {
		outcome  Outcome
		observed float64
		reason   string
	}{
		`metric("process_resident_memory_bytes") < 512MiB`:  {Met, 120 << 20, "120.0 MiB at 20s, the highest of 11 samples, process_resident_memory_bytes of http://one/metrics (the worst of 2 series); demanded is < 512.0 MiB"},
		`metric("process_resident_memory_bytes") < 120MiB`:  {Missed, 120 << 20, ""},
		`metric("process_resident_memory_bytes") <= 120MiB`: {Met, 120 << 20, ""},
		`metric("process_resident_memory_bytes") > 110MiB`:  {Missed, 110 << 20, "110.0 MiB at 10s, the lowest of 11 samples"},
		`metric("process_resident_memory_bytes") >= 110MiB`: {Met, 110 << 20, ""},
		`metric("http_requests_total") == 100`:              {Met, 100, `100 counted in the judged time, http_requests_total{code="200"} of`},
		`metric("http_requests_total"){code="200"} != 100`:  {Missed, 100, ""},
		`metric("http_requests_total"){code="200"} > 99`:    {Met, 100, ""},
		`metric("pool_in_use") < 50`:                        {Missed, 60, `pool_in_use{pool="side"} of http://one/metrics (the worst of 4 series)`},
		`metric("pool_in_use"){pool="main"} < 50`:           {Met, 40, "(the worst of 2 series)"},
		`metric("pool_in_use"){pool="main"} == 40`:          {Met, 40, ""},
		`metric("pool_in_use") == 40`:                       {Missed, 60, "the farthest from the limit"},
		`metric("pool_in_use") != 60`:                       {Missed, 60, "the nearest to the limit"},
		`metric("pool_in_use") != 50`:                       {Met, 40, ""},
	} {
		r := judged(t, s, text)
		if r.Outcome != want.outcome || !nearly(r.Observed, want.observed) || !strings.Contains(r.Reason, want.reason) {
			t.Errorf("%s: %s, %s; want %s at %v, %s", text, r.Outcome, r.Reason, want.outcome, want.observed, want.reason)
		}
	}
	for text, want := range map[string]string{
		`metric("wait_seconds") < 1s`:             `wait_seconds is a histogram, which is many numbers: write metric("wait_seconds_count"), metric("wait_seconds_sum") or metric("wait_seconds_bucket"){le="0.5"}`,
		`metric("gc_seconds") < 1s`:               `write metric("gc_seconds_count") or metric("gc_seconds_sum")`,
		`metric("pool_in_use"){pool="x"} < 50`:    "answered in the judged time and have no series that matches it",
		`metric("http_requests_total"){x=""} < 5`: "answered in the judged time and have no series that matches it",
	} {
		if r := judged(t, s, text); r.Outcome != NoData || !strings.Contains(r.Reason, want) || r.Observed != nil {
			t.Errorf("%s: %s, %s; want no data, %s", text, r.Outcome, r.Reason, want)
		}
	}
}

func TestWhatIsMissingOfAnApplicationProvesNothing(t *testing.T) {
	const (
		requests = `metric("http_requests_total"){code="200"} < 200`
		failures = `metric("http_requests_total"){code="500"} == 0`
		memory   = `metric("process_resident_memory_bytes") < 512MiB`
	)
	set := func(e *observation.Endpoint, name string, v float64) {
		for i := range e.Metrics {
			if e.Metrics[i].Name == name {
				e.Metrics[i].Value = observation.Number(v)
			}
		}
	}
	for name, c := range map[string]struct {
		edit func(s int, one, two *observation.Endpoint) error
		want map[string]Outcome
		why  string // in some reason
	}{
		"restarted": {func(s int, one, _ *observation.Endpoint) error {
			if s >= 15 {
				set(one, "process_start_time_seconds", 1200)
				set(one, "http_requests_total", float64(10*s))
				set(one, "process_cpu_seconds_total", float64(s))
			}
			return nil
		}, map[string]Outcome{requests: Unproven, memory: Met}, one + " was restarted between 14s and 15s"},
		"restarted without telling its start": {func(s int, one, _ *observation.Endpoint) error {
			set(one, "process_start_time_seconds", math.NaN())
			if s >= 15 {
				set(one, "http_requests_total", float64(s))
			}
			return nil
		}, map[string]Outcome{requests: Unproven, memory: Met}, "http_requests_total is lower than it was"},
		"restarted before the judged time": {func(s int, one, _ *observation.Endpoint) error {
			if s >= 5 {
				set(one, "process_start_time_seconds", 1200)
			}
			return nil
		}, map[string]Outcome{requests: Met, memory: Met}, ""},
		// Counters go on at the next sample; a gauge between them is not known.
		"a sample lost": {func(s int, one, _ *observation.Endpoint) error {
			if s == 15 {
				*one = observation.Endpoint{URL: one.URL, Error: "connection refused"}
			}
			return nil
		}, map[string]Outcome{requests: Met, memory: Unproven}, one + ": 1 of 10 samples in the judged time are missing"},
		"lost across the end": {func(s int, one, _ *observation.Endpoint) error {
			if s >= 15 {
				*one = observation.Endpoint{URL: one.URL, Error: "connection refused"}
			}
			return nil
		}, map[string]Outcome{requests: Unproven, memory: Unproven}, "no sample of the judged time's end"},
		"one endpoint never answers": {func(s int, one, _ *observation.Endpoint) error {
			*one = observation.Endpoint{URL: one.URL, Error: "connection refused"}
			return nil
		}, map[string]Outcome{requests: Unproven, memory: Unproven}, "10 of 10 samples"},
		"no endpoint answers": {func(int, *observation.Endpoint, *observation.Endpoint) error { return errors.New("connection refused") },
			map[string]Outcome{requests: NoData, memory: NoData}, "connection refused"},
		"a gauge that is no number for a while": {func(s int, one, _ *observation.Endpoint) error {
			if s == 15 {
				set(one, "process_resident_memory_bytes", math.NaN())
			}
			return nil
		}, map[string]Outcome{requests: Met, memory: Unproven}, "it is in 9 of 10 answers alone"},
		"a gauge that is infinite": {func(s int, one, _ *observation.Endpoint) error {
			if s == 15 {
				set(one, "process_resident_memory_bytes", math.Inf(1))
			}
			return nil
		}, map[string]Outcome{requests: Met, memory: Missed}, "+Inf at 15s"},
		// A client library makes a counter at its first use: 3 failures, not 2.
		"a counter that appears": {func(s int, one, _ *observation.Endpoint) error {
			if s >= 15 {
				one.Metrics = append(one.Metrics, metric("http_requests_total", observation.AppCounter, float64(min(s-14, 3)), "code", "500"))
			}
			return nil
		}, map[string]Outcome{requests: Met, failures: Missed, `metric("http_requests_total"){code="500"} == 3`: Met}, "3 counted in the judged time"},
		"a counter that disappears": {func(s int, one, two *observation.Endpoint) error {
			if s < 15 {
				one.Metrics = append(one.Metrics, metric("http_requests_total", observation.AppCounter, 5, "code", "500"))
			}
			return nil
		}, map[string]Outcome{failures: Unproven}, "it is in 5 of 10 answers alone"},
		"too many series": {func(s int, one, _ *observation.Endpoint) error {
			one.TooMany = []string{"http_requests_total"}
			return nil
		}, map[string]Outcome{requests: NoData, memory: Met}, "select fewer by their labels"},
	} {
		s := Summarize(application(t, c.edit))
		var all []string
		for text, want := range c.want {
			r := judged(t, s, text)
			all = append(all, r.Reason)
			if r.Outcome != want {
				t.Errorf("%s: %s: %s, %s; want %s", name, text, r.Outcome, r.Reason, want)
			}
			if r.Observed != nil && math.IsInf(*r.Observed, 0) {
				t.Errorf("%s: observed is infinite, which no report can hold", name)
			}
		}
		if !strings.Contains(strings.Join(all, "\n"), c.why) {
			t.Errorf("%s: reasons %q, want %q", name, all, c.why)
		}
	}
}

// 10 requests a second, and a restart between 14 s and 15 s: 4 intervals before it and 5
// after it are known.
func TestNothingIsCountedAcrossARestartOfTheApplication(t *testing.T) {
	s := Summarize(application(t, func(s int, one, two *observation.Endpoint) error {
		for _, e := range []*observation.Endpoint{one, two} {
			if s >= 15 {
				e.Metrics[0].Value += 200   // process_start_time_seconds
				e.Metrics[3].Value += 50000 // http_requests_total
			}
		}
		return nil
	}))
	r := judged(t, s, `metric("http_requests_total") < 200`)
	if r.Outcome != Unproven || !nearly(r.Observed, 90) || r.Samples != 2*9 {
		t.Errorf("%s, %v over %d intervals: %s; want unproven, 90 over 18", r.Outcome, *r.Observed, r.Samples, r.Reason)
	}
	if u := s.Application.Endpoints[0]; u.Restarts != 1 || !nearly(u.CPUMean, 0.5) {
		t.Errorf("endpoint = %+v, want 1 restart, half a CPU", u)
	}
}

func TestAnApplicationThatWasNotAskedOrNotOpenedSaysWhy(t *testing.T) {
	run := runOf()
	const text = `metric("up") == 1`
	if r := judged(t, Summarize(run), text); r.Outcome != NoData || !strings.Contains(r.Reason, "set system.metrics") {
		t.Errorf("%s: %s; want no data, set system.metrics", r.Outcome, r.Reason)
	}
	run.Header.Sources = []observation.Source{{Collector: "appmetrics", Asked: true, Error: "appmetrics: refused"}}
	if r := judged(t, Summarize(run), text); r.Outcome != NoData || r.Reason != "appmetrics: refused" {
		t.Errorf("%s: %s; want no data for the reason of the opening", r.Outcome, r.Reason)
	}
}

// 10 requests a second are counted by each endpoint, and the first was restarted between 14 s
// and 15 s: its 90 may be 100 or more, the other's 100 are all.
func TestAPartOfACounterMayStillBecomeTheLimit(t *testing.T) {
	s := Summarize(application(t, func(sec int, e, _ *observation.Endpoint) error {
		if sec >= 15 {
			e.Metrics[0].Value += 200
			e.Metrics[3].Value += 50000
		}
		return nil
	}))
	for text, want := range map[string]Outcome{
		`metric("http_requests_total") == 100`: Unproven, // 90 may be 100
		`metric("http_requests_total") >= 95`:  Unproven,
		`metric("http_requests_total") != 90`:  Unproven,
		`metric("http_requests_total") == 95`:  Missed, // the other's 100 are not, though 90 may be
		`metric("http_requests_total") == 89`:  Missed,
		`metric("http_requests_total") > 100`:  Missed, // by the other
		`metric("http_requests_total") < 90`:   Missed,
	} {
		if r := judged(t, s, text); r.Outcome != want {
			t.Errorf("%s: %s, %s; want %s", text, r.Outcome, r.Reason, want)
		}
	}
	if r := judged(t, s, `metric("http_requests_total") == 95`); !nearly(r.Observed, 100) {
		t.Errorf("observed %v, want the 100 that disprove it: %s", *r.Observed, r.Reason)
	}
}
