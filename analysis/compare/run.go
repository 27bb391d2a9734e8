// Package compare says whether a difference from the baseline is more than noise.
package compare

// Schema is the form in which a run is kept in a baseline.
const Schema = "arqload.baseline/1"

// Run is what a comparison needs to know of one run: small enough to be kept in git.
type Run struct {
	Schema      string `json:"schema"`
	ID          string `json:"id"`
	Name        string `json:"name"`
	StartedAt   string `json:"started_at"` // RFC 3339
	PlanSHA256  string `json:"plan_sha256"`
	ToolVersion string `json:"tool_version"`
	// Load must be the same for a comparison to mean anything.
	Load Load `json:"load"`
	// Environment is what may explain a difference: host, server versions, data volume. Another
	// one is a warning.
	Environment map[string]string `json:"environment"`
	Metrics     []Metric          `json:"metrics"`
	// Watched are the sources whose metrics are whole: a statement that is not in the metrics of
	// a run that watched "statements" was not called in it.
	Watched []string `json:"watched"`
}

// Load is what was sent: when, how much and of what.
type Load struct {
	Arrivals string  `json:"arrivals"` // constant or poisson
	Phases   []Phase `json:"phases"`
	Lanes    []Lane  `json:"lanes"`
}

// Phase is a stretch of the schedule.
type Phase struct {
	Name      string  `json:"name"`
	Judged    bool    `json:"judged"`
	DurationS float64 `json:"duration_s"`
	// Rate is how the rate goes, in words: "50% to 150%". The number of arrivals does not tell a
	// ramp from a constant rate. "": not known.
	Rate string `json:"rate,omitempty"`
}

// Lane is one scenario of the load.
type Lane struct {
	Scenario      string   `json:"scenario"`
	Steps         []string `json:"steps"`
	RatePerS      float64  `json:"rate_per_s"`
	InFlight      int      `json:"in_flight"`
	PlannedRun    uint64   `json:"planned_run"`
	PlannedJudged uint64   `json:"planned_judged"`
}

// Unit is what a metric's value counts.
type Unit string

// The units.
const (
	UnitSeconds    Unit = "s"
	UnitShare      Unit = "share" // a fraction
	UnitPerS       Unit = "per_s"
	UnitPerArrival Unit = "per_arrival"
)

// The scopes that are no scenario and no step.
const (
	ScopeAll      = ""
	ScopeDatabase = "database"
	ScopeCache    = "cache"
)

// The names that are looked for.
const (
	callsPerArrival = "calls_per_arrival"
	meanTime        = "mean" // of a statement
)

// What Run.Watched may hold.
const (
	watchedStatements = "statements"
	watchedCache      = "cache"
)

// Kind is what a metric's scope is.
type Kind string

// The kinds.
const (
	KindAll       Kind = "all" // all arrivals
	KindScenario  Kind = "scenario"
	KindStep      Kind = "step"
	KindDatabase  Kind = "database"
	KindStatement Kind = "statement"
	KindCache     Kind = "cache"
)

// Metric is one number of a run that can be compared.
type Metric struct {
	Kind  Kind    `json:"kind"`
	Scope string  `json:"scope"` // "" for all arrivals, a scenario, scenario/step, a statement's text, "cache", "database"
	Name  string  `json:"name"`  // p50, p95, p99, error_rate, ok_per_s, calls_per_arrival, hit_ratio, ...
	Unit  Unit    `json:"unit"`
	Value float64 `json:"value"`
	N     uint64  `json:"n"`     // arrivals, calls or reads that it stands for
	Lower bool    `json:"lower"` // smaller is better
	// SE is the standard error of the value's logarithm that comes from the run's own seconds;
	// 0: not known.
	SE float64 `json:"se,omitempty"`
	// LagS is the generator's own lag at the same quantile as the value's, over all arrivals.
	LagS float64 `json:"lag_s,omitempty"`
	// AmongFailures says that a quantile's rank lies among the failures, which are slower than any
	// answer: it has no value, and Value is 0.
	AmongFailures bool `json:"among_failures,omitempty"`
	// Phi is by how much the events of a share come together; 0 is 1: independent ones.
	Phi float64 `json:"phi,omitempty"`
}

// Verdict is what is said of one metric.
type Verdict string

// The verdicts on a metric.
const (
	Regressed    Verdict = "regressed"
	Same         Verdict = "same" // not worse by more than the margin
	Improved     Verdict = "improved"
	Inconclusive Verdict = "inconclusive"
)

// Change is one metric, compared. Change, its bounds and the margin are positive where the new
// run is worse. They are relative (0.29: 29% more of what is better small, or the baseline 29%
// above the new run of what is better large) or, where a value may be 0, Absolute: differences
// in the metric's own unit.
type Change struct {
	Metric   Metric  // of the new run
	Baseline float64 // mean of the baseline's runs on the metric's scale
	Absolute bool
	Change   float64
	Low      float64 // one-sided bounds, each at Confidence; infinite where nothing is known
	High     float64
	Margin   float64 // from which a change matters
	Runs     int     // of the baseline, that have the metric
	P        float64 // that chance alone makes a change this bad, before correction; NaN: not known
	Adjusted float64 // after correction for the number of metrics (Holm)
	Decides  bool    // it counts for the comparison's verdict; the others are only shown
	Verdict  Verdict
	Reason   string // in words

	better float64 // P of a change this good
	df     float64 // degrees of freedom of the t distribution; 0: not known
	sd     float64 // of the prediction on the metric's scale
}

// Comparison is a run held against a baseline.
type Comparison struct {
	Baseline   string // its name
	Run        string // the new run's id
	Runs       []string
	Paired     bool // two systems in alternating slices
	Confidence float64
	Family     int      // metrics that decide
	Changes    []Change // the worst first
	Regressed  bool
	Reasons    []string // what decides, in words
	Warnings   []string // another environment, too few runs
}
