package scenarios

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
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
//	metric("name"){label="value"} comparison limit
//
// such as "throughput >= 1000/s", "message.p99.9 < 2s" or "availability > 99.95%"; the
// second form is of the application's own metrics, which a [Selector] selects. The
// objective is Required. Whether its scope exists is for the plan to say.
func ParseObjective(text string) (Objective, error) {
	text = strings.TrimSpace(text)
	if application.MatchString(text) {
		return parseApplication(text)
	}
	if scopedApplication.MatchString(text) {
		return Objective{}, errors.New(`metric("...") belongs to the whole system: write it without a scenario before it`)
	}
	m := comparison.FindStringSubmatch(text)
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
			return unknownMetric(name, metric)
		}
	}
	o.Name = metric
	if (o.Metric == MetricQuantile || o.Metric == MetricDBQuery) && !(o.Quantile > 0 && o.Quantile < 1) {
		return fmt.Errorf("%s is no quantile%s: write a number above 0 and below 100, such as p99 or p99.9", metric, meantQuantile(metric))
	}
	if o.Scope != "" && (o.Metric == MetricCacheHits || o.Metric == MetricDBQuery || o.Metric == MetricSampled) {
		return fmt.Errorf("%s belongs to the whole system, not to %s: write %s alone", metric, o.Scope, metric)
	}
	return nil
}

// unknownMetric names what could be meant; name is with what looks like a scope.
func unknownMetric(name, metric string) error {
	all := slices.Clone(metricNames)
	for _, d := range definitions {
		all = append(all, d.Name)
		if rest, ok := strings.CutPrefix(name, d.Name+"."); ok && quantileName.MatchString(rest) {
			return d.noQuantile(fmt.Sprintf("%s %s %s", d.Name, d.Comparison(), d.Example))
		}
	}
	meant := begunWith(name, all)
	if meant != "" {
		metric = name
	} else {
		meant = didYouMean(name, all)
	}
	if meant == "" {
		meant = didYouMean(metric, all)
	}
	return fmt.Errorf("unknown metric %q%s: the metrics are %s; `arqload validate --objectives` lists those of the database, the cache and the hosts",
		metric, meant, strings.Join(metricNames, ", "))
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
	if _, ok := Define(name); ok {
		o.Metric = MetricSampled
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
	if o.Metric == MetricSampled {
		d, _ := Define(o.Name)
		return !d.Larger
	}
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
	case Equal:
		if o.Unit() == UnitCount {
			return nil
		}
	case Less, LessEqual, Greater, GreaterEqual:
		return fmt.Errorf("%s %s asks for a bad result: write %s or %s", o.Name, o.Op, good[0], good[1])
	}
	if d, ok := Define(o.Name); ok && d.Unit == UnitCount {
		return fmt.Errorf("%q is no comparison of a count: write ==, %s or %s, such as %s %s %s", string(o.Op), good[0], good[1], d.Name, d.Comparison(), d.Example)
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
	case MetricSampled:
		d, _ := Define(o.Name)
		return d.Example
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
	case MetricSampled:
		v, err := parseLimit(limit, o.Unit(), o.exampleLimit())
		if err != nil {
			return fmt.Errorf("the limit %q %w", limit, err)
		}
		o.Limit = v
		return o.checkCount(limit)
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

// parseLimit reads a limit in the form of its unit. Its errors complete a sentence that
// begins with the limit, and say what to write.
func parseLimit(s string, u Unit, example string) (float64, error) {
	v, bare := parseDecimal(s, 0)
	switch u {
	case UnitShare:
		share, ok := parseDecimal(strings.TrimSuffix(s, "%"), -2)
		switch {
		case !ok || !strings.HasSuffix(s, "%") || share < 0:
			return 0, errors.New("is no percentage: write it as " + example)
		case share > 1:
			return 0, errors.New("is more than all there is: write a percentage of at most 100%, such as " + example)
		}
		return share, nil
	case UnitSeconds:
		d, err := parsePositiveDuration(maxLimit)(s)
		return d.Seconds(), err
	case UnitBytes:
		size, err := parseBytes(s)
		if err != nil {
			return 0, fmt.Errorf("%w: write it as %s", err, example)
		}
		return size, nil
	case UnitPerS:
		return parseRate(s)
	}
	if !bare || v < 0 {
		return 0, errors.New("is no number of 0 or more: write it as " + example)
	}
	return v, nil
}

// byteUnits are the suffixes of sizes, longer ones first.
var byteUnits = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// parseBytes reads 512MiB, 2GB or 0B.
func parseBytes(s string) (float64, error) {
	for _, u := range byteUnits {
		if count, ok := strings.CutSuffix(s, u.suffix); ok {
			if v, ok := parseDecimal(count, 0); ok && v >= 0 {
				return v * u.bytes, nil
			}
		}
	}
	return 0, errors.New("is no size")
}

// checkCount refuses what a count can never be, and what nothing is below or above.
func (o *Objective) checkCount(limit string) error {
	switch {
	case o.Unit() == UnitCount && o.Limit != math.Trunc(o.Limit):
		return fmt.Errorf("the limit %s is no whole number, as a count is", limit)
	case o.Op == Less && o.Limit == 0 && o.Unit() == UnitCount:
		return fmt.Errorf("no count is below 0: write %s == 0", o.Name)
	case o.Op == Less && o.Limit == 0:
		return fmt.Errorf("nothing is below 0: write a limit above it, or %s <= %s", o.Name, limit)
	case o.Op == Greater && o.Limit == 1 && o.Unit() == UnitShare:
		return fmt.Errorf("no share is above 100%%: write a limit below it, such as %s > %s", o.Name, o.exampleLimit())
	}
	return nil
}
