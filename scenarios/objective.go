package scenarios

import (
	"strings"
	"time"
)

// Metric names what an objective is about.
type Metric string

// The metrics. A latency quantile is MetricQuantile with Objective.Quantile set.
const (
	MetricQuantile     Metric = "quantile"        // p50, p95, p99.9: limit in seconds
	MetricErrorRate    Metric = "error_rate"      // share of arrivals that failed
	MetricAvailability Metric = "availability"    // share of arrivals without transport error, timeout, 5xx or shedding
	MetricThroughput   Metric = "throughput"      // successful HTTP responses completed per second
	MetricCacheHits    Metric = "cache_hit_ratio" // hits / (hits + misses) in Redis over the judged window
	MetricDBQuery      Metric = "db_query"        // a quantile of statement execution time in PostgreSQL (db_query_p99): limit in seconds
	MetricSampled      Metric = "sampled"         // one of the [Definitions], which Name names: limit in its unit
	MetricApplication  Metric = "application"     // a series of the application's own metrics: metric("name"){label="value"}; Name is the whole selector
)

// Op is a comparison.
type Op string

// The comparisons.
const (
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
	Equal        Op = "==" // of counts
	NotEqual     Op = "!=" // of the application's own metrics
)

// Objective is one demand.
type Objective struct {
	Text     string // as written, spaces normalised: "message.p99 < 2s"
	Scope    string // "" for all, a scenario, or scenario/step
	Name     string // the metric as written, without scope: "p99"
	Metric   Metric
	Quantile float64 // in (0,1), for MetricQuantile and MetricDBQuery
	Op       Op
	Limit    float64 // seconds, a fraction, bytes, or per second, as the metric says
	Required bool    // false: reported, not decisive
}

// Unit is that of Limit and of the values that are held against it. Of the application's
// own metrics it is the one in which the limit was written.
func (o Objective) Unit() Unit {
	switch o.Metric {
	case MetricQuantile, MetricDBQuery:
		return UnitSeconds
	case MetricThroughput:
		return UnitPerS
	case MetricSampled:
		d, _ := Define(o.Name)
		return d.Unit
	case MetricApplication:
		return limitUnit(o.Text[strings.LastIndexByte(o.Text, ' ')+1:])
	}
	return UnitShare
}

// Target splits the scope into scenario and step; both are empty for all arrivals.
func (o Objective) Target() (scenario, step string) {
	scenario, step, _ = strings.Cut(o.Scope, "/")
	return scenario, step
}

// LimitDuration returns the limit of a latency objective.
func (o Objective) LimitDuration() time.Duration {
	return time.Duration(o.Limit*float64(time.Second) + 0.5)
}
