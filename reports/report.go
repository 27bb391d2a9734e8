// Package reports writes a finished judgement for people and machines; it judges nothing.
package reports

import (
	"encoding/json"
	"io"
	"math"
	"time"

	"arqload/analysis"
	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

// Schema is the name of the JSON report's form. Fields may be added, not renamed.
const Schema = "arqload.report/1"

// Report is the JSON report. Seconds are floats whose names end in _s, shares fractions,
// other numbers have their unit in the name. All numbers cover the judged phases, except
// those under whole_run. A value without data is null, never 0.
type Report struct {
	Schema      string               `json:"schema"`
	Run         Run                  `json:"run"`
	Verdict     analysis.Judgement   `json:"verdict"`
	ExitCode    int                  `json:"exit_code"`
	Reasons     []string             `json:"reasons"`
	Generator   Generator            `json:"generator"`
	Objectives  []Objective          `json:"objectives"`
	Total       Population           `json:"total"`
	Failures    []Failure            `json:"failures"` // by class, in judged time
	Scenarios   map[string]*Scenario `json:"scenarios"`
	Phases      []Phase              `json:"phases"`
	Transport   Transport            `json:"transport"`
	Database    Database             `json:"database"`
	Cache       Cache                `json:"cache"`
	Hosts       Hosts                `json:"hosts"`
	Application Application          `json:"application"`
	Movement    Movement             `json:"movement"`
	Steadiness  []PhaseSteadiness    `json:"steadiness"` // did what was judged hold still?
	Trends      []Trend              `json:"trends"`     // of the series it stands on
	Warnings    []string             `json:"warnings"`

	errors []observation.Example
	lanes  []observation.Lane // in the plan's order
}

// Run says which run this is.
type Run struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	StartedAt   string            `json:"started_at"` // RFC 3339
	DurationS   float64           `json:"duration_s"`
	JudgedS     float64           `json:"judged_s"`
	ToolVersion string            `json:"tool_version"`
	PlanSHA256  string            `json:"plan_sha256"`
	Environment map[string]string `json:"environment"`
	Interrupted bool              `json:"interrupted"`
	Partial     bool              `json:"partial"`
	// Gate says that a verdict was looked for every second: bounds hold at every look.
	Gate bool `json:"gate"`
	// Who ended the run before its plan's end, when and why; empty, null, empty: it went to it.
	StoppedBy  observation.Stop `json:"stopped_by"`
	StoppedAtS *float64         `json:"stopped_at_s"`
	StoppedWhy string           `json:"stopped_why"`
	Sessions   Sessions         `json:"sessions"`
}

// Sessions counts what was prepared and kept alive beside the load, in no judged number.
type Sessions struct {
	Prepared       int    `json:"prepared"`
	Renewed        uint64 `json:"renewed"`
	RenewalsFailed uint64 `json:"renewals_failed"`
}

// Generator says how well the schedule was kept, and by whose fault it was not.
type Generator struct {
	Valid           bool     `json:"valid"`
	Planned         uint64   `json:"planned"`
	Sent            uint64   `json:"sent"`
	Shed            uint64   `json:"shed"`
	ShedByGenerator uint64   `json:"shed_by_generator"`
	Canceled        uint64   `json:"canceled"`
	Lag             Lateness `json:"lag"`
	SlotWait        Lateness `json:"slot_wait"`
	Heartbeat       Lateness `json:"heartbeat"` // lateness of a fixed tick in the generator's process
	LagLimitS       float64  `json:"lag_limit_s"`
	CPUShare        *float64 `json:"cpu_share"` // the highest over any 5 s judged; null: not measured
	SchedDelayP99S  *float64 `json:"scheduling_delay_p99_s"`
	Throttled       int64    `json:"throttled"`
	GCPauseS        float64  `json:"gc_pause_s"`
	RSSMaxBytes     uint64   `json:"rss_max_bytes"`
	OpenFilesMax    int      `json:"open_files_max"`
	MaxFiles        uint64   `json:"max_files"`
	InFlightMax     int      `json:"in_flight_max"`
	BacklogMax      uint64   `json:"backlog_max"`
	Whole           Whole    `json:"whole_run"`
	Floor           *Floor   `json:"floor"` // null: not measured
}

// Floor is what this machine alone adds to a response time: the plan's highest rate for a
// second, before the load, against a server in the generator's own process.
type Floor struct {
	RatePerS float64 `json:"rate_per_s"`
	Count    int64   `json:"count"` // successes
	P50      float64 `json:"p50_s"`
	P95      float64 `json:"p95_s"`
	P99      float64 `json:"p99_s"`
}

// Whole is the generator's part over the whole run.
type Whole struct {
	Planned  uint64   `json:"planned"`
	Sent     uint64   `json:"sent"`
	Shed     uint64   `json:"shed"`
	Canceled uint64   `json:"canceled"`
	OK       uint64   `json:"ok"`
	Failed   uint64   `json:"failed"`
	Lag      Lateness `json:"lag"`
	SlotWait Lateness `json:"slot_wait"`
}

// Lateness is a distribution of waiting, null where no arrival was started.
type Lateness struct {
	P50 *float64 `json:"p50_s"`
	P99 *float64 `json:"p99_s"`
	Max *float64 `json:"max_s"`
}

// Objective is one objective, judged. A null has no value; Reason says why. The bad share
// is that of arrivals, calls or reads: of throughput there is none.
type Objective struct {
	Text           string   `json:"text"`
	Metric         string   `json:"metric"`
	Scope          string   `json:"scope"`
	Comparison     string   `json:"comparison"`
	Limit          float64  `json:"limit"`
	Required       bool     `json:"required"`
	Observed       *float64 `json:"observed"`
	Low            *float64 `json:"low"`
	High           *float64 `json:"high"`
	Bad            uint64   `json:"bad"`
	BadShare       *float64 `json:"bad_share"`
	BadShareLow    *float64 `json:"bad_share_low"`
	BadShareHigh   *float64 `json:"bad_share_high"`
	Phi            float64  `json:"phi"`
	Confidence     float64  `json:"confidence"`
	Samples        uint64   `json:"samples"`
	Cluster        uint64   `json:"cluster_max"`     // a proof about a share holds if bad ones come in clusters of at most so many; 0: it does not depend on it
	EpisodeS       float64  `json:"episode_max_s"`   // a proof holds if no stretch of another level is longer; 0: it does not depend on it
	MissingSeconds float64  `json:"missing_s"`       // how much longer the run would have to be; 0: not known
	MissingSamples uint64   `json:"missing_samples"` // likewise, of samples
	// The largest true share of bad samples with which as many of them prove the objective 9
	// times in 10, and the smallest with which they disprove it; null: they cannot, or it is
	// not about a share of samples.
	Provable    *float64         `json:"provable_share"`
	Disprovable *float64         `json:"disprovable_share"`
	Verdict     analysis.Outcome `json:"verdict"`
	Reason      string           `json:"reason"`

	kind scenarios.Metric
	unit scenarios.Unit
}

// Population is a set of arrivals, or of one step's calls.
type Population struct {
	Planned      uint64                       `json:"planned"`
	Requests     uint64                       `json:"requests"`
	OK           uint64                       `json:"ok"`
	Failed       uint64                       `json:"failed"`
	Shed         uint64                       `json:"shed"`
	Canceled     uint64                       `json:"canceled"`
	NotReached   uint64                       `json:"not_reached,omitempty"` // of a step, whose planned are those reached
	ArrivalsPerS *float64                     `json:"arrivals_per_s"`
	OKPerS       *float64                     `json:"ok_per_s"`
	ErrorRate    *float64                     `json:"error_rate"`
	Availability *float64                     `json:"availability"`
	ResponseTime *Latency                     `json:"response_time,omitempty"` // not of a step
	ServiceTime  *Latency                     `json:"service_time"`
	Errors       map[observation.Class]uint64 `json:"errors"`
}

// Failure says when arrivals failed in one way: by the seconds of their planned start.
type Failure struct {
	Class      observation.Class `json:"class"`
	Count      uint64            `json:"count"`
	FirstS     float64           `json:"first_s"` // begin of the first second that has some
	LastS      float64           `json:"last_s"`  // end of the last one
	WorstS     float64           `json:"worst_s"` // begin of the one that has most
	WorstCount uint64            `json:"worst_count"`
}

func failures(p *analysis.Population) []Failure {
	out := []Failure{}
	spans := p.Spans()
	for _, c := range observation.Classes() {
		if s, ok := spans[c]; ok {
			out = append(out, Failure{Class: c, Count: s.Count, FirstS: s.First.Seconds(), LastS: s.Last.Seconds(), WorstS: s.Worst.Seconds(), WorstCount: s.WorstCount})
		}
	}
	return out
}

// Scenario is one scenario and its steps.
type Scenario struct {
	Population
	Steps map[string]*Population `json:"steps"`
}

// Latency is a distribution of successes. All but Count are null where it is empty.
type Latency struct {
	Count int64    `json:"count"`
	Min   *float64 `json:"min_s"`
	Mean  *float64 `json:"mean_s"`
	P50   *float64 `json:"p50_s"`
	P90   *float64 `json:"p90_s"`
	P95   *float64 `json:"p95_s"`
	P99   *float64 `json:"p99_s"`
	P999  *float64 `json:"p999_s"`
	Max   *float64 `json:"max_s"`
}

// Phase is one phase, judged or not.
type Phase struct {
	Name    string  `json:"name"`
	Judged  bool    `json:"judged"`
	StartS  float64 `json:"start_s"`
	EndS    float64 `json:"end_s"`
	Planned uint64  `json:"planned"`
	OK      uint64  `json:"ok"`
	Failed  uint64  `json:"failed"`
	Shed    uint64  `json:"shed"`
	// Canceled are, of Failed, those that the end of the run cut off.
	Canceled uint64   `json:"canceled"`
	OKPerS   *float64 `json:"ok_per_s"` // null: not reached
}

// Transport says what connections the judged requests used. Addresses cover the whole run;
// they are null where the process died before it could say them.
type Transport struct {
	NewConnections    uint64            `json:"new_connections"`
	ReusedConnections uint64            `json:"reused_connections"`
	ConnectMeanS      *float64          `json:"connect_mean_s"` // null: no new connection
	ConnectMaxS       *float64          `json:"connect_max_s"`
	TLSMeanS          *float64          `json:"tls_mean_s"` // null: no handshake
	TLSMaxS           *float64          `json:"tls_max_s"`
	Addresses         map[string]uint64 `json:"addresses"`
}

// New puts a report together from a summary and its verdict.
func New(s *analysis.Summary, v analysis.Verdict, objectives []scenarios.Objective) *Report {
	h := s.Header
	r := &Report{
		Schema: Schema, Verdict: v.Judgement, ExitCode: v.ExitCode, Reasons: v.Reasons, Warnings: s.Warnings,
		Run: Run{ID: h.ID, Name: h.Name, StartedAt: h.StartedAt.Format(time.RFC3339Nano), DurationS: s.Duration.Seconds(), JudgedS: s.Judged.Seconds(),
			ToolVersion: h.ToolVersion, PlanSHA256: h.PlanSHA256, Environment: h.Environment, Interrupted: s.Interrupted, Partial: s.Partial,
			Sessions: Sessions{Prepared: s.Sessions, Renewed: s.Renewals.OK, RenewalsFailed: s.Renewals.Failed}},
		Generator: generator(s, objectives),
		Total:     population(&s.Total, s.Judged, false),
		Failures:  failures(&s.Total),
		Scenarios: map[string]*Scenario{},
		Database:  database(s, objectives), Cache: cache(s), Hosts: hosts(s), Application: application(s), Movement: movement(s),
		Steadiness: steadiness(s), Trends: trends(s),
		Objectives: []Objective{}, Phases: []Phase{},
		errors: s.Errors, lanes: h.Lanes,
	}
	r.Run.Gate, r.Run.StoppedBy, r.Run.StoppedWhy = h.Gate, s.StoppedBy, s.StoppedWhy
	if s.StoppedBy != "" {
		r.Run.StoppedAtS = ptr(s.StoppedAt.Seconds())
	}
	r.Warnings, r.Reasons = list(r.Warnings), list(r.Reasons)
	if r.Run.Environment == nil {
		r.Run.Environment = map[string]string{}
	}
	for _, res := range v.Results {
		r.Objectives = append(r.Objectives, objective(res))
	}
	for _, l := range h.Lanes {
		sc := s.Scenarios[l.Scenario]
		out := &Scenario{Population: population(&sc.Population, s.Judged, false), Steps: map[string]*Population{}}
		for name, p := range sc.Steps {
			step := population(p, s.Judged, true)
			out.Steps[name] = &step
		}
		r.Scenarios[l.Scenario] = out
	}
	for _, p := range s.Phases {
		out := Phase{Name: p.Name, Judged: p.Judged, StartS: seconds(p.Start), EndS: seconds(p.End),
			Planned: p.Planned, OK: p.OK, Failed: p.Failed, Shed: p.Shed, Canceled: p.Errors[observation.Canceled]}
		if p.Planned > 0 || p.OKPerS > 0 {
			out.OKPerS = &p.OKPerS
		}
		r.Phases = append(r.Phases, out)
	}
	c := s.Connections
	r.Transport = Transport{NewConnections: c.New, ReusedConnections: c.Reused, Addresses: s.Addresses}
	if c.New > 0 {
		r.Transport.ConnectMeanS, r.Transport.ConnectMaxS = ptr(seconds(c.Connect)/float64(c.New)), ptr(seconds(c.ConnectMax))
	}
	if c.New > 0 && c.TLS > 0 {
		r.Transport.TLSMeanS, r.Transport.TLSMaxS = ptr(seconds(c.TLS)/float64(c.New)), ptr(seconds(c.TLSMax))
	}
	return r
}

// WriteJSON writes the JSON report.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

func generator(s *analysis.Summary, objectives []scenarios.Objective) Generator {
	g := s.Generator
	out := Generator{
		Valid: len(s.Invalid(objectives)) == 0, Planned: g.Planned, Sent: g.Sent, Shed: g.Shed, ShedByGenerator: g.ShedSelf, Canceled: g.Canceled,
		Lag: lateness(g.Lag), SlotWait: lateness(g.SlotWait), Heartbeat: lateness(g.Heartbeat), LagLimitS: analysis.LagLimit(objectives).Seconds(),
		InFlightMax: g.InFlightMax, BacklogMax: g.BacklogMax,
		Whole: Whole{Planned: g.Whole.Planned, Sent: g.Whole.Sent, Shed: g.Whole.Shed, Canceled: g.Whole.Canceled, OK: g.Whole.OK, Failed: g.Whole.Failed,
			Lag: lateness(g.WholeLag), SlotWait: lateness(g.WholeSlotWait)},
	}
	if f := s.Header.Floor; f != nil {
		out.Floor = &Floor{RatePerS: f.RatePerS, Count: f.Count, P50: seconds(f.P50), P95: seconds(f.P95), P99: seconds(f.P99)}
	}
	if self := s.Self; self.Available {
		delay := self.SchedDelayP99.Seconds()
		out.CPUShare, out.SchedDelayP99S = &self.CPUShare, &delay
		out.Throttled, out.GCPauseS = self.Throttled, self.GCPauseTotal.Seconds()
		out.RSSMaxBytes, out.OpenFilesMax, out.MaxFiles = self.RSSMax, self.OpenFilesMax, self.MaxFiles
	}
	return out
}

func objective(r analysis.Result) Objective {
	o := r.Objective
	out := Objective{
		Text: o.Text, Metric: o.Name, Scope: o.Scope, Comparison: string(o.Op), Limit: o.Limit, Required: o.Required,
		Observed: r.Observed, Low: r.Low, High: r.High, Bad: r.Bad,
		Phi: r.Phi, Confidence: analysis.Confidence, Samples: r.Samples, Cluster: r.Cluster, EpisodeS: r.Episode.Seconds(), Verdict: r.Outcome, Reason: r.Reason,
		MissingSeconds: r.MissingSeconds, MissingSamples: r.MissingSamples, Provable: r.ProvableShare, Disprovable: r.DisprovableShare,
		kind: o.Metric, unit: o.Unit(),
	}
	counted, bounded := r.Samples > 0 && r.Outcome != analysis.NoData, true
	switch o.Metric {
	case scenarios.MetricThroughput, scenarios.MetricApplication:
		counted = false
	case scenarios.MetricSampled: // of these only probes can be bad
		d, _ := scenarios.Define(o.Name)
		counted = counted && d.Rule == scenarios.RuleP99
	case scenarios.MetricCacheHits:
		bounded = r.Low != nil
	case scenarios.MetricDBQuery:
		// Undecided with no slow call known: nothing was proved of any.
		counted = counted && (r.Outcome != analysis.Unproven || r.Bad > 0)
	}
	if counted {
		out.BadShare = &r.BadShare
	}
	if counted && bounded {
		out.BadShareLow, out.BadShareHigh = &r.BadLow, &r.BadHigh
	}
	return out
}

func population(p *analysis.Population, judged time.Duration, isStep bool) Population {
	out := Population{
		Planned: p.Planned, Requests: p.Requests, OK: p.OK, Failed: p.Failed, Shed: p.Shed, Canceled: p.Canceled, NotReached: p.NotReached,
		ServiceTime: latency(p.Service), Errors: p.Errors,
	}
	n := p.OK + p.Failed
	if !isStep {
		out.ResponseTime = latency(p.Response)
	}
	if out.Errors == nil {
		out.Errors = map[observation.Class]uint64{}
	}
	if s := judged.Seconds(); s > 0 {
		out.ArrivalsPerS, out.OKPerS = ptr(float64(n)/s), ptr(float64(p.CompletedOK)/s)
	}
	if n > 0 {
		out.ErrorRate = ptr(float64(p.Failed) / float64(n))
		out.Availability = ptr(1 - float64(p.Unavailable())/float64(n))
	}
	return out
}

func latency(h *hist.Histogram) *Latency {
	if h == nil {
		return &Latency{}
	}
	q := func(q float64) *float64 { return known(h.Quantile(q)) }
	return &Latency{Count: h.Count(), Min: known(h.Min()), Mean: known(h.Mean()), P50: q(0.5), P90: q(0.9), P95: q(0.95), P99: q(0.99), P999: q(0.999), Max: known(h.Max())}
}

func lateness(h *hist.Histogram) Lateness {
	return Lateness{P50: known(h.Quantile(0.5)), P99: known(h.Quantile(0.99)), Max: known(h.Max())}
}

// known returns a duration in seconds, nil where there is none.
func known(d time.Duration, ok bool) *float64 {
	if !ok {
		return nil
	}
	return ptr(d.Seconds())
}

func ptr(v float64) *float64 { return &v }

func seconds(s observation.Seconds) float64 { return math.Round(s.Duration().Seconds()*1e9) / 1e9 }
