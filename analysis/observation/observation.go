// Package observation is the record of what happened in a run: plain, versioned data
// that can be saved, read back and judged again. It draws no conclusions.
//
// All instants are offsets from the run's epoch on Go's monotonic clock; an "arrival"
// belongs to the second and the phase of its planned start, an "event" (a completion, a
// new connection) to the second in which it happened.
package observation

import (
	"encoding/json"
	"math"
	"time"

	"arqload/analysis/hist"
)

// Version is the version of the record's form.
const Version = 1

// Seconds is a duration that is saved as a number of seconds.
type Seconds time.Duration

// Duration returns s as a time.Duration.
func (s Seconds) Duration() time.Duration { return time.Duration(s) }

// MarshalJSON writes seconds as a float; nanoseconds survive the round trip up to 24 days.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(s).Seconds())
}

// UnmarshalJSON reads seconds, rounded to the nanosecond.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*s = Seconds(math.Round(f * 1e9))
	return nil
}

// Run is one whole record.
type Run struct {
	Header  Header
	Seconds []Second
	// Latency holds one histogram a series over the judged phases, merged from the
	// seconds' own, and Whole the same over the whole run.
	Latency Latency
	Whole   Latency
	// PerSecond holds the judged successes' histograms second by second, by the second's
	// start: a limit that was not counted can still be judged by them.
	PerSecond map[Series]map[Seconds]*hist.Histogram
	Samples   []Sample
	Errors    []Example
	Slowest   []Slow
	// Footer is what was known at the end; nil means that the record is partial: the
	// process died before it could write it.
	Footer *Footer
	// Warnings says what was wrong with the record itself when it was read back.
	Warnings []string
}

// Header is known before the first arrival.
type Header struct {
	Version     int               `json:"version"`
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	ToolVersion string            `json:"tool_version"`
	StartedAt   time.Time         `json:"started_at"` // wall time of the epoch
	PlanSHA256  string            `json:"plan_sha256"`
	Environment map[string]string `json:"environment"`
	Phases      []Phase           `json:"phases"`
	Lanes       []Lane            `json:"lanes"`
	Counters    []Counter         `json:"counters"`
	// Sources names the collectors that the plan asked for, whether or not they could be opened.
	Sources []Source `json:"sources"`
	MaxLag  Seconds  `json:"max_lag_s"`
	Poisson bool     `json:"poisson"` // arrivals are random: the schedule's counts are expectations
	Seed    uint64   `json:"seed,omitempty"`
	// Gate says that a verdict was looked for every second, and that the run ended as soon as
	// there was one: what is judged must hold at every look.
	Gate bool `json:"gate,omitempty"`
	// Uneven says that the judged load changes, or comes in parts with other load between them:
	// what was seen of it says nothing about what was still to come.
	Uneven bool   `json:"uneven,omitempty"`
	Floor  *Floor `json:"floor,omitempty"` // nil: not measured
}

// Floor is what this machine alone adds to a response time: the same load for a moment against
// a server in the generator's own process.
type Floor struct {
	RatePerS float64 `json:"rate_per_s"`
	Count    int64   `json:"count"` // successes
	P50      Seconds `json:"p50_s"`
	P95      Seconds `json:"p95_s"`
	P99      Seconds `json:"p99_s"`
}

// Stop says who ended a run before its plan's end.
type Stop string

// Who may end a run early.
const (
	ByPerson Stop = "person"
	ByGate   Stop = "gate"      // the verdict was known
	ByGuard  Stop = "stop_when" // a guard of the plan was breached
)

// Phase is a stretch of the schedule, [Start, End).
type Phase struct {
	Name   string  `json:"name"`
	Judged bool    `json:"judged"`
	Start  Seconds `json:"start_s"`
	End    Seconds `json:"end_s"`
	Shape  Shape   `json:"shape,omitempty"` // "": recorded before it was kept
}

// Shape says how a phase's rate goes.
type Shape string

// The shapes of a phase.
const (
	Constant Shape = "constant"
	Ramp     Shape = "ramp"
	Steps    Shape = "steps"
)

// Lane is one load line: one scenario with its attacker and its slots.
type Lane struct {
	Scenario    string   `json:"scenario"`
	Steps       []string `json:"steps"`
	RatePerS    float64  `json:"rate_per_s"`
	InFlight    int      `json:"in_flight"`
	PlannedRun  uint64   `json:"planned_run"`    // arrivals the whole schedule holds
	PlannedJudg uint64   `json:"planned_judged"` // of these, in judged phases
}

// Counter is a latency limit that is counted exactly beside the histogram.
type Counter struct {
	Scenario string  `json:"scenario"` // "" counts in every lane
	Step     string  `json:"step"`     // "" counts arrivals (response time), else the step (service time)
	Over     string  `json:"over"`     // the key in Tally.Over: ">=2s" for a limit "< 2s", ">2s" for "<= 2s"
	Limit    Seconds `json:"limit_s"`
	Strict   bool    `json:"strict"` // true counts > limit, false >= limit
}

// Key is the name under which a counter for this limit stands in Tally.Over.
func Key(limit time.Duration, strict bool) string {
	if strict {
		return ">" + limit.String()
	}
	return ">=" + limit.String()
}

// Source is a collector and what became of it at its opening.
type Source struct {
	Collector string `json:"collector"`
	Asked     bool   `json:"asked"`           // the plan names a system for it
	Error     string `json:"error,omitempty"` // why it could not be opened
	// Doubts are what it said at its opening that it will not be able to see, with what to do.
	Doubts []string `json:"doubts,omitempty"`
}

// StepTally counts a step's calls: ok + failed were sent.
type StepTally struct {
	Results
	// NotReached counts the arrivals in which an earlier step had failed.
	NotReached uint64 `json:"not_reached"`
	// CompletedOK counts successes by the second in which they ended, unlike the others.
	CompletedOK uint64 `json:"completed_ok"`
}

// Second is one closed second (or the shorter rest of a phase). Its histograms are kept apart.
type Second struct {
	Start  Seconds `json:"t_s"`
	Length Seconds `json:"length_s"`
	Phase  string  `json:"phase"` // "" after the schedule's end
	Judged bool    `json:"judged"`
	// Tally sums the scenarios' arrivals planned in this second.
	Tally
	Requests    uint64 `json:"requests"`     // HTTP requests of those arrivals, sent
	CompletedOK uint64 `json:"completed_ok"` // successful HTTP responses that ended in this second
	Completed   uint64 `json:"completed"`    // HTTP requests that ended in this second, however
	InFlight    int    `json:"in_flight"`    // arrivals in flight at the second's end
	InFlightMax int    `json:"in_flight_max"`
	Backlog     uint64 `json:"backlog"` // arrivals due but not started at the second's end
	// SlotWait and Lag sum and bound the two halves of lateness of the arrivals planned here.
	SlotWait    Lateness    `json:"slot_wait"`
	Lag         Lateness    `json:"lag"`
	Connections Connections `json:"connections"`
	// Response is of the successful arrivals planned here, of all scenarios together.
	Response  Quantiles              `json:"response"`
	Scenarios map[string]*LaneSecond `json:"scenarios"`
}

// Quantiles are those of a second's response times; all are 0 where Count is.
type Quantiles struct {
	Count int64   `json:"count"`
	P50   Seconds `json:"p50_s"`
	P95   Seconds `json:"p95_s"`
	P99   Seconds `json:"p99_s"`
}

// LaneSecond is one scenario's part of a second.
type LaneSecond struct {
	Tally
	Requests    uint64                `json:"requests"`
	CompletedOK uint64                `json:"completed_ok"`
	Steps       map[string]*StepTally `json:"steps,omitempty"`
}

// Lateness sums what arrivals waited.
type Lateness struct {
	Mean Seconds `json:"mean_s"`
	Max  Seconds `json:"max_s"`
}

// Connections counts what the transport did in a second.
type Connections struct {
	New        uint64  `json:"new"`
	Reused     uint64  `json:"reused"`
	Connect    Seconds `json:"connect_sum_s"` // summed over New: TCP connect
	TLS        Seconds `json:"tls_sum_s"`     // summed over New: TLS handshake
	ConnectMax Seconds `json:"connect_max_s"`
	TLSMax     Seconds `json:"tls_max_s"`
}

// Clock names what a histogram measures.
type Clock string

// The clocks.
const (
	Response Clock = "response"  // completion minus planned start
	Service  Clock = "service"   // completion minus actual start
	Lag      Clock = "lag"       // lateness that is the generator's own
	SlotWait Clock = "slot_wait" // lateness because every slot was busy
	Beat     Clock = "heartbeat" // lateness of a clock tick in the generator, under no load of its own
)

// Outcome splits a series.
type Outcome string

// The outcomes. Started holds every arrival that reached its start, shed or sent: the
// population of lag and slot wait.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"
	Started Outcome = "started"
)

// All is the step name of a whole arrival.
const All = "all"

// Series names one histogram. Its tag in an interval log is scenario/step/outcome/clock.
type Series struct {
	Scenario string
	Step     string // All for the arrival
	Outcome  Outcome
	Clock    Clock
}

// Heartbeat is the one series that no scenario has.
var Heartbeat = Series{Scenario: "generator", Step: All, Outcome: Started, Clock: Beat}

// Tag is the series' name in an interval log.
func (s Series) Tag() string {
	return s.Scenario + "/" + s.Step + "/" + string(s.Outcome) + "/" + string(s.Clock)
}

// Latency is one histogram a series.
type Latency map[Series]*hist.Histogram

// Interval is one series' histogram of one second.
type Interval struct {
	Series Series
	Hist   *hist.Histogram
}

// Sample is one reading of one collector: raw counters and gauges, or the error that
// stood in their place.
type Sample struct {
	Collector string          `json:"collector"`
	At        Seconds         `json:"t_s"`             // when the reading began
	Took      Seconds         `json:"took_s"`          // how long it took
	Edge      string          `json:"edge,omitempty"`  // the phase edge it was taken at: "start of steady", "end of steady", "final"
	Error     string          `json:"error,omitempty"` // why there is no data
	Data      json.RawMessage `json:"data,omitempty"`
}

// Example is a failed request kept for people. Nothing in it is secret.
type Example struct {
	At       Seconds `json:"t_s"`
	Scenario string  `json:"scenario"`
	Step     string  `json:"step"`
	Class    Class   `json:"class"`
	Status   int     `json:"status,omitempty"`
	Message  string  `json:"message"`
	Answer   string  `json:"answer,omitempty"` // the beginning of the body, redacted
	Timings  Timings `json:"timings"`
}

// Slow is one of the slowest arrivals of a second.
type Slow struct {
	Planned  Seconds    `json:"planned_s"`
	Scenario string     `json:"scenario"`
	Response Seconds    `json:"response_s"`
	SlotWait Seconds    `json:"slot_wait_s"`
	Lag      Seconds    `json:"lag_s"`
	OK       bool       `json:"ok"`
	Steps    []SlowStep `json:"steps"`
}

// SlowStep is one step of a slow arrival.
type SlowStep struct {
	Step    string  `json:"step"`
	Service Seconds `json:"service_s"`
	Status  int     `json:"status,omitempty"`
	Address string  `json:"address,omitempty"`
	Timings Timings `json:"timings"`
}

// Timings are a request's phases, each zero where it did not happen.
type Timings struct {
	Reused    bool    `json:"reused"`
	DNS       Seconds `json:"dns_s,omitempty"`
	Connect   Seconds `json:"connect_s,omitempty"`
	TLS       Seconds `json:"tls_s,omitempty"`
	FirstByte Seconds `json:"first_byte_s,omitempty"` // from the send to the first byte of the answer
}

// Footer is known after the last sample.
type Footer struct {
	Ended       Seconds           `json:"ended_s"`     // when the last arrival ended
	Interrupted bool              `json:"interrupted"` // stopped by a person before the schedule's end
	StoppedAt   Seconds           `json:"stopped_at_s,omitempty"`
	StoppedBy   Stop              `json:"stopped_by,omitempty"` // "" for a run that went to its end; records of older versions say interrupted alone
	StoppedWhy  string            `json:"stopped_why,omitempty"`
	Breach      string            `json:"breach,omitempty"` // what a guard of the plan saw, whoever ended the run
	ClockDrift  Seconds           `json:"clock_drift_s"`    // wall clock minus monotonic clock, over the run
	Addresses   map[string]uint64 `json:"addresses"`        // requests by remote address
	Retried     uint64            `json:"retried"`          // requests that net/http sent again by itself
	Sessions    int               `json:"sessions"`
	Renewals    Renewals          `json:"renewals"`
	Dropped     Dropped           `json:"dropped"`
	Warnings    []string          `json:"warnings"`
}

// Early says who ended the run before its plan's end; "" for one that went to its end.
func (f *Footer) Early() Stop {
	if f.Interrupted {
		return ByPerson
	}
	return f.StoppedBy
}

// Renewals counts what kept the sessions alive during the run.
type Renewals struct {
	OK     uint64 `json:"ok"`
	Failed uint64 `json:"failed"`
}

// Dropped counts what the record could not hold, so that nothing is missing in silence.
type Dropped struct {
	Examples   uint64 `json:"examples"` // failures beyond the cap of errors.ndjson
	Slowest    uint64 `json:"slowest"`
	OutOfRange uint64 `json:"out_of_range"` // durations longer than a histogram holds
}
