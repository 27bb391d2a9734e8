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
}

// Lane is one scenario of the load.
type Lane struct {
	Scenario      string  `json:"scenario"`
	RatePerS      float64 `json:"rate_per_s"`
	InFlight      int     `json:"in_flight"`
	PlannedRun    uint64  `json:"planned_run"`
	PlannedJudged uint64  `json:"planned_judged"`
}

// Metric is one number of a run that can be compared.
type Metric struct {
	Scope string  `json:"scope"` // "" for all arrivals, a scenario, scenario/step, a statement's text, "cache", "database"
	Name  string  `json:"name"`  // p50, p95, p99, error_rate, ok_per_s, calls_per_arrival, hit_ratio, ...
	Unit  string  `json:"unit"`  // s, share, per_s, ...
	Value float64 `json:"value"`
	N     uint64  `json:"n"`     // arrivals, calls or reads that it stands for
	Lower bool    `json:"lower"` // smaller is better
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

// Change is one metric, compared. Ratios are new over baseline, of a metric where smaller is
// worse turned over, so that above 1 is always worse.
type Change struct {
	Metric   Metric  // of the new run
	Baseline float64 // geometric mean of the baseline's runs
	Ratio    float64
	Low      float64 // one-sided bounds on the ratio, each at Confidence
	High     float64
	Margin   float64 // the ratio from which a change matters
	Runs     int     // of the baseline, that have the metric
	P        float64 // that chance alone makes a ratio this high, before correction
	Adjusted float64 // after correction for the number of metrics (Holm)
	Verdict  Verdict
	Reason   string // in words
}

// Comparison is a run held against a baseline.
type Comparison struct {
	Baseline   string // its name
	Run        string // the new run's id
	Runs       []string
	Confidence float64
	Changes    []Change
	Regressed  bool
	Reasons    []string // what decides, in words
	Warnings   []string // another environment, too few runs
}
