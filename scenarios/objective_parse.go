package scenarios

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// comparison splits an objective at its comparison. All operators that people try are
// split off, so that the wrong ones can be named.
var comparison = regexp.MustCompile(`^([^<>=!]*)([<>=!]+)(.*)$`)

// metricNames are the metrics in the words of a plan, for the messages.
var metricNames = []string{"throughput", "p50", "p95", "p99", "error_rate", "availability", "cache_hit_ratio", "db_query_p99"}

// quantileName is p99 or db_query_p99.9.
var quantileName = regexp.MustCompile(`^(db_query_)?p((?:0|[1-9][0-9]*)(?:\.[0-9]+)?)$`)

// scopeName is a scenario, or a scenario and its step.
var scopeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)?$`)

// ParseObjective parses one objective as a plan writes it:
//
//	[scenario[/step].]metric comparison limit
//
// such as "throughput >= 1000/s", "message.p99.9 < 2s" or "availability > 99.95%". The
// objective is Required. Whether its scope exists is for the plan to say.
func ParseObjective(text string) (Objective, error) {
	m := comparison.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return Objective{}, errors.New("no comparison: write a metric, a comparison and a limit, such as p99 < 2s")
	}
	name, op := strings.TrimSpace(m[1]), Op(m[2])
	limit := strings.Join(strings.Fields(m[3]), "")
	o := Objective{Op: op, Required: true}
	if err := o.setMetric(name); err != nil {
		return Objective{}, err
	}
	if err := o.checkOp(); err != nil {
		return Objective{}, err
	}
	if limit == "" {
		return Objective{}, fmt.Errorf("no limit: write %s %s %s", name, op, o.exampleLimit())
	}
	if err := o.setLimit(limit); err != nil {
		return Objective{}, err
	}
	o.Text = fmt.Sprintf("%s %s %s", name, op, limit)
	return o, nil
}

// setMetric reads [scope.]metric. A quantile may hold a dot of its own, so the whole name
// is tried as a metric before a scope is split off.
func (o *Objective) setMetric(name string) error {
	if name == "" {
		return fmt.Errorf("no metric: write one before the comparison: %s", strings.Join(metricNames, ", "))
	}
	metric := name
	if !o.lookUp(metric) {
		if scope, rest, ok := strings.Cut(name, "."); ok {
			o.Scope, metric = scope, rest
			if !scopeName.MatchString(scope) {
				return fmt.Errorf("%q is no scope: write scenario.%s or scenario/step.%s", scope, rest, rest)
			}
		}
		if !o.lookUp(metric) {
			return fmt.Errorf("unknown metric %q%s: the metrics are %s", metric, didYouMean(metric, metricNames), strings.Join(metricNames, ", "))
		}
	}
	o.Name = metric
	if (o.Metric == MetricQuantile || o.Metric == MetricDBQuery) && !(o.Quantile > 0 && o.Quantile < 1) {
		return fmt.Errorf("%s is no quantile%s: write a number above 0 and below 100, such as p99 or p99.9", metric, meantQuantile(metric))
	}
	if o.Scope != "" && (o.Metric == MetricCacheHits || o.Metric == MetricDBQuery) {
		return fmt.Errorf("%s belongs to the whole system, not to %s: write %s alone", metric, o.Scope, metric)
	}
	return nil
}

// meantQuantile guesses p99.9 for p999, as other tools write it.
func meantQuantile(name string) string {
	i := strings.LastIndexByte(name, 'p') + 1
	if digits := name[i:]; len(digits) > 2 && digits[0] == '9' && !strings.Contains(digits, ".") {
		return " (did you mean " + name[:i] + digits[:2] + "." + digits[2:] + "?)"
	}
	return ""
}

// lookUp sets the metric that name stands for.
func (o *Objective) lookUp(name string) bool {
	switch Metric(name) {
	case MetricThroughput, MetricErrorRate, MetricAvailability, MetricCacheHits:
		o.Metric = Metric(name)
		return true
	}
	m := quantileName.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	o.Metric = MetricQuantile
	if m[1] != "" {
		o.Metric = MetricDBQuery
	}
	o.Quantile, _ = parseDecimal(m[2], -2)
	return true
}

// smallerIsBetter says on which side of its limit the metric is good.
func (o *Objective) smallerIsBetter() bool {
	return o.Metric == MetricQuantile || o.Metric == MetricDBQuery || o.Metric == MetricErrorRate
}

func (o *Objective) checkOp() error {
	good := []Op{Greater, GreaterEqual}
	if o.smallerIsBetter() {
		good = []Op{Less, LessEqual}
	}
	switch o.Op {
	case good[0], good[1]:
		return nil
	case Less, LessEqual, Greater, GreaterEqual:
		return fmt.Errorf("%s %s asks for a bad result: write %s or %s", o.Name, o.Op, good[0], good[1])
	}
	return fmt.Errorf("%q is no comparison of a measurement, which never equals its limit: write %s or %s", string(o.Op), good[0], good[1])
}

// exampleLimit is a limit in the right unit.
func (o *Objective) exampleLimit() string {
	switch o.Metric {
	case MetricThroughput:
		return "1000/s"
	case MetricErrorRate:
		return "0.05%"
	case MetricAvailability:
		return "99.95%"
	case MetricCacheHits:
		return "85%"
	}
	return "500ms"
}

// maxLimit is a day: a latency limit beyond it is a slip of the unit.
const maxLimit = 24 * time.Hour

func (o *Objective) setLimit(limit string) error {
	v, bare := parseDecimal(limit, 0)
	switch o.Metric {
	case MetricThroughput:
		if bare {
			return fmt.Errorf("the limit %s has no unit: write %s/s", limit, limit)
		}
		if count, _, _ := strings.Cut(limit, "/"); isZero(count) {
			return fmt.Errorf("the limit %s is reached by a system that does nothing: write a rate such as 1000/s", limit)
		}
		rate, err := parseRate(limit)
		if err != nil {
			return fmt.Errorf("the limit %q %w", limit, err)
		}
		o.Limit = rate
	case MetricQuantile, MetricDBQuery:
		if strings.HasSuffix(limit, "%") {
			return fmt.Errorf("the limit %s is a share, but %s is a time: write it as %s", limit, o.Name, o.exampleLimit())
		}
		d, err := parsePositiveDuration(maxLimit)(limit)
		if err != nil {
			return fmt.Errorf("the limit %q %w", limit, err)
		}
		o.Limit = d.Seconds()
	default:
		if bare && v < 1 {
			percent, _ := parseDecimal(limit, 2)
			return fmt.Errorf("the limit %s has no unit: write %s%% if it is a fraction of 1, else %s%%", limit, formatFloat(percent), limit)
		}
		if bare {
			return fmt.Errorf("the limit %s has no unit: write %s%%", limit, limit)
		}
		share, ok := parseDecimal(strings.TrimSuffix(limit, "%"), -2)
		if !ok || !strings.HasSuffix(limit, "%") {
			return fmt.Errorf("the limit %q is no percentage: write it as %s", limit, o.exampleLimit())
		}
		if !(share > 0 && share < 1) {
			return fmt.Errorf("the limit %s cannot be shown by counting: write a percentage above 0%% and below 100%%, such as %s", limit, o.exampleLimit())
		}
		o.Limit = share
	}
	return nil
}

func isZero(s string) bool {
	v, ok := parseDecimal(s, 0)
	return ok && v == 0
}
