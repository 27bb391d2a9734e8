package bundle

import (
	"encoding/json"
	"time"

	"pgregory.net/rapid"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
)

// call is one call of a Recorder.
type call func(observation.Recorder) error

var (
	names    = rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`) // as a plan allows them
	words    = rapid.String()                              // valid UTF-8 with everything in it
	counts   = rapid.Uint64Range(0, 1<<53)
	few      = rapid.Uint64Range(0, 100)
	instants = rapid.Custom(func(t *rapid.T) observation.Seconds {
		// A float of seconds holds each nanosecond of 2^21 s, which are 24 days.
		return observation.Seconds(rapid.Int64Range(-int64(time.Minute), int64(20*24*time.Hour)).Draw(t, "ns"))
	})
	dates = rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "unix"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()
	})
)

func genHeader(t *rapid.T) observation.Header {
	return observation.Header{
		Version: observation.Version, ID: words.Draw(t, "id"), Name: names.Draw(t, "name"), ToolVersion: words.Draw(t, "version"),
		StartedAt: dates.Draw(t, "started"), PlanSHA256: words.Draw(t, "plan"), Environment: rapid.MapOf(words, words).Draw(t, "environment"),
		Phases: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) observation.Phase {
			return observation.Phase{Name: names.Draw(t, "phase"), Judged: rapid.Bool().Draw(t, "judged"), Start: instants.Draw(t, "start"), End: instants.Draw(t, "end"),
				Shape: rapid.SampledFrom([]observation.Shape{"", observation.Constant, observation.Ramp, observation.Steps}).Draw(t, "shape")}
		}), 0, 3).Draw(t, "phases"),
		Lanes: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) observation.Lane {
			return observation.Lane{Scenario: names.Draw(t, "scenario"), Steps: rapid.SliceOfN(names, 0, 3).Draw(t, "steps"), RatePerS: rapid.Float64Range(0, 1e6).Draw(t, "rate"),
				InFlight: rapid.IntRange(1, 1e6).Draw(t, "slots"), PlannedRun: counts.Draw(t, "run"), PlannedJudg: counts.Draw(t, "judged")}
		}), 0, 3).Draw(t, "lanes"),
		Counters: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) observation.Counter {
			return observation.Counter{Scenario: names.Draw(t, "scenario"), Step: names.Draw(t, "step"), Over: words.Draw(t, "over"), Limit: instants.Draw(t, "limit"), Strict: rapid.Bool().Draw(t, "strict")}
		}), 0, 3).Draw(t, "counters"),
		Floor: rapid.Ptr(rapid.Custom(func(t *rapid.T) observation.Floor {
			return observation.Floor{RatePerS: rapid.Float64Range(0, 1e6).Draw(t, "rate"), Count: int64(few.Draw(t, "n")), P50: instants.Draw(t, "p50"), P95: instants.Draw(t, "p95"), P99: instants.Draw(t, "p99")}
		}), true).Draw(t, "floor"),
		Sources: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) observation.Source {
			return observation.Source{Collector: words.Draw(t, "collector"), Asked: rapid.Bool().Draw(t, "asked"), Error: words.Draw(t, "error")}
		}), 0, 3).Draw(t, "sources"),
		MaxLag: instants.Draw(t, "max lag"), Poisson: rapid.Bool().Draw(t, "poisson"), Seed: rapid.Uint64().Draw(t, "seed"),
	}
}

func genResults(t *rapid.T) observation.Results {
	return observation.Results{OK: counts.Draw(t, "ok"), Failed: counts.Draw(t, "failed"),
		Errors: rapid.MapOfN(rapid.SampledFrom(observation.Classes()), counts, 0, 4).Draw(t, "errors"),
		Over:   rapid.MapOfN(words, counts, 0, 3).Draw(t, "over")}
}

func genTally(t *rapid.T) observation.Tally {
	return observation.Tally{Planned: counts.Draw(t, "planned"), Sent: counts.Draw(t, "sent"), Shed: counts.Draw(t, "shed"),
		ShedSelf: counts.Draw(t, "shed self"), Canceled: counts.Draw(t, "canceled"), Results: genResults(t)}
}

// genSecond makes a second that begins at start and has histograms of its own.
func genSecond(t *rapid.T, start observation.Seconds) (observation.Second, []observation.Interval) {
	late := rapid.Custom(func(t *rapid.T) observation.Lateness {
		return observation.Lateness{Mean: instants.Draw(t, "mean"), Max: instants.Draw(t, "max")}
	})
	s := observation.Second{
		Start: start, Length: observation.Seconds(rapid.Int64Range(1, int64(time.Second)).Draw(t, "length")), Phase: words.Draw(t, "phase"), Judged: rapid.Bool().Draw(t, "judged"),
		Tally: genTally(t), Requests: counts.Draw(t, "requests"), CompletedOK: counts.Draw(t, "completed ok"), Completed: counts.Draw(t, "completed"),
		InFlight: rapid.IntRange(0, 1e6).Draw(t, "in flight"), InFlightMax: rapid.IntRange(0, 1e6).Draw(t, "in flight max"), Backlog: counts.Draw(t, "backlog"),
		SlotWait: late.Draw(t, "slot wait"), Lag: late.Draw(t, "lag"),
		Connections: observation.Connections{New: counts.Draw(t, "new"), Reused: counts.Draw(t, "reused"), Connect: instants.Draw(t, "connect"), TLS: instants.Draw(t, "tls"),
			ConnectMax: instants.Draw(t, "connect max"), TLSMax: instants.Draw(t, "tls max")},
		Scenarios: rapid.MapOfN(names, rapid.Custom(func(t *rapid.T) *observation.LaneSecond {
			return &observation.LaneSecond{Tally: genTally(t), Requests: counts.Draw(t, "requests"), CompletedOK: counts.Draw(t, "completed"),
				Steps: rapid.MapOfN(names, rapid.Custom(func(t *rapid.T) *observation.StepTally {
					return &observation.StepTally{Results: genResults(t), NotReached: counts.Draw(t, "not reached")}
				}), 0, 2).Draw(t, "steps")}
		}), 0, 2).Draw(t, "scenarios"),
	}
	intervals := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) observation.Interval {
		h := hist.New()
		for range rapid.IntRange(1, 8).Draw(t, "durations") {
			d := rapid.SampledFrom([]time.Duration{time.Microsecond, time.Millisecond, time.Second, time.Hour}).Draw(t, "unit")
			h.RecordN(min(time.Duration(rapid.Int64Range(0, 3000).Draw(t, "n"))*d, hist.Max), int64(few.Draw(t, "times")+1))
		}
		return observation.Interval{Hist: h, Series: observation.Series{
			// Few names, so that series meet again in other seconds.
			Scenario: rapid.SampledFrom([]string{"auth", "message", "A-b_9"}).Draw(t, "scenario"),
			Step:     rapid.SampledFrom([]string{observation.All, "send", "x"}).Draw(t, "step"),
			Outcome:  rapid.SampledFrom([]observation.Outcome{observation.OK, observation.Failed, observation.Started}).Draw(t, "outcome"),
			Clock:    rapid.SampledFrom([]observation.Clock{observation.Response, observation.Service, observation.Lag, observation.SlotWait}).Draw(t, "clock"),
		}}
	}), 0, 4).Draw(t, "intervals")
	return s, intervals
}

func genSample(t *rapid.T) observation.Sample {
	s := observation.Sample{Collector: words.Draw(t, "collector"), At: instants.Draw(t, "at"), Took: instants.Draw(t, "took"), Edge: words.Draw(t, "edge"), Error: words.Draw(t, "error")}
	if rapid.Bool().Draw(t, "has data") {
		s.Data, _ = json.Marshal(rapid.MapOfN(words, words, 0, 3).Draw(t, "data"))
	}
	return s
}

func genTimings(t *rapid.T) observation.Timings {
	return observation.Timings{Reused: rapid.Bool().Draw(t, "reused"), DNS: instants.Draw(t, "dns"), Connect: instants.Draw(t, "connect"), TLS: instants.Draw(t, "tls"), FirstByte: instants.Draw(t, "first byte")}
}

func genExample(t *rapid.T) observation.Example {
	return observation.Example{At: instants.Draw(t, "at"), Scenario: names.Draw(t, "scenario"), Step: names.Draw(t, "step"), Class: rapid.SampledFrom(observation.Classes()).Draw(t, "class"),
		Status: rapid.IntRange(0, 999).Draw(t, "status"), Message: words.Draw(t, "message"), Answer: words.Draw(t, "answer"), Timings: genTimings(t)}
}

func genSlow(t *rapid.T) observation.Slow {
	return observation.Slow{Planned: instants.Draw(t, "planned"), Scenario: names.Draw(t, "scenario"), Response: instants.Draw(t, "response"), SlotWait: instants.Draw(t, "slot wait"),
		Lag: instants.Draw(t, "lag"), OK: rapid.Bool().Draw(t, "ok"), Steps: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) observation.SlowStep {
			return observation.SlowStep{Step: names.Draw(t, "step"), Service: instants.Draw(t, "service"), Status: rapid.IntRange(0, 999).Draw(t, "status"), Address: words.Draw(t, "address"), Timings: genTimings(t)}
		}), 0, 2).Draw(t, "steps")}
}

func genFooter(t *rapid.T) observation.Footer {
	return observation.Footer{Ended: instants.Draw(t, "ended"), Interrupted: rapid.Bool().Draw(t, "interrupted"), StoppedAt: instants.Draw(t, "stopped"), ClockDrift: instants.Draw(t, "drift"),
		Addresses: rapid.MapOf(words, counts).Draw(t, "addresses"), Retried: counts.Draw(t, "retried"), Sessions: rapid.IntRange(0, 1e6).Draw(t, "sessions"),
		Renewals: observation.Renewals{OK: counts.Draw(t, "renewed"), Failed: counts.Draw(t, "not renewed")},
		Dropped:  observation.Dropped{Examples: counts.Draw(t, "examples"), Slowest: counts.Draw(t, "slowest"), OutOfRange: counts.Draw(t, "out of range")},
		Warnings: rapid.SliceOf(words).Draw(t, "warnings")}
}

// genCalls draws the calls of one run: Begin, a mixture, and End or none.
func genCalls(t *rapid.T) []call {
	h := genHeader(t)
	calls := []call{func(r observation.Recorder) error { return r.Begin(h) }}
	start := observation.Seconds(0)
	for range rapid.IntRange(0, 12).Draw(t, "calls") {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			s, intervals := genSecond(t, start)
			// Two seconds never begin in the same microsecond.
			// Half microseconds, where two ways of rounding would part.
			start += 500 * observation.Seconds(rapid.Int64Range(4, int64(2*time.Second)/500).Draw(t, "later"))
			calls = append(calls, func(r observation.Recorder) error { return r.Second(s, intervals) })
		case 1:
			s := genSample(t)
			calls = append(calls, func(r observation.Recorder) error { return r.Sample(s) })
		case 2:
			e := genExample(t)
			calls = append(calls, func(r observation.Recorder) error { return r.Example(e) })
		case 3:
			s := genSlow(t)
			calls = append(calls, func(r observation.Recorder) error { return r.Slow(s) })
		}
	}
	if rapid.Bool().Draw(t, "ends") {
		f := genFooter(t)
		calls = append(calls, func(r observation.Recorder) error { return r.End(f) })
	}
	return calls
}
