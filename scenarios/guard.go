package scenarios

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Guard ends a run at once on a gross breach, over the last Over arrivals that ended, in
// whatever phase: where their error rate, or a quantile of their response times, is beyond
// the limit. Of a quantile failures count as slower than any limit.
type Guard struct {
	Text     string // as written, spaces normalised: "error_rate > 50% over 200 requests"
	Metric   Metric // MetricErrorRate or MetricQuantile
	Quantile float64
	Op       Op      // Greater or GreaterEqual
	Limit    float64 // a fraction, or seconds
	Over     int
}

// LimitDuration returns the limit of a guard on a quantile.
func (g Guard) LimitDuration() time.Duration { return Objective{Limit: g.Limit}.LimitDuration() }

// The bounds of Guard.Over: fewer arrivals are no gross breach, more would not be at once.
const (
	minOver   = 20
	maxOver   = 100_000
	maxGuards = 20
)

const exampleGuard = "error_rate > 50% over 200 requests"

// guardMetrics are what a guard can be about, for the messages; any quantile is.
var guardMetrics = []string{"error_rate", "p50", "p95", "p99"}

var (
	overAtEnd = regexp.MustCompile(`^(.*?)(?:\s+over\b(.*))?$`)
	overCount = regexp.MustCompile(`^\s*(\S+)\s+requests\s*$`)
)

// ParseGuard parses one line of stop_when:
//
//	error_rate|pNN >|>= limit over N requests
func ParseGuard(text string) (Guard, error) {
	text = strings.TrimSpace(text)
	parts := overAtEnd.FindStringSubmatch(text)
	m := comparison.FindStringSubmatch(parts[1])
	if m == nil {
		return Guard{}, errors.New("no comparison: write a metric, a comparison, a limit and over how many requests, such as " + exampleGuard)
	}
	name, limit := strings.TrimSpace(m[1]), strings.Join(strings.Fields(m[3]), "")
	o := Objective{Op: Op(m[2])}
	if !o.lookUp(name) || o.Metric != MetricErrorRate && o.Metric != MetricQuantile {
		return Guard{}, fmt.Errorf("%q is nothing that stop_when can watch%s: write error_rate or a quantile such as p50, which are of all arrivals", name, didYouMean(name, guardMetrics))
	}
	if err := o.setMetric(name); err != nil {
		return Guard{}, err
	}
	switch o.Op {
	case Greater, GreaterEqual:
	case Less, LessEqual:
		return Guard{}, fmt.Errorf("%s %s would end a run that does well: write > or >=", name, o.Op)
	default:
		return Guard{}, fmt.Errorf("%q is no comparison of a guard: write > or >=", string(o.Op))
	}
	if limit == "" {
		return Guard{}, fmt.Errorf("no limit: write %s %s %s over 200 requests", name, o.Op, o.guardLimit())
	}
	if err := o.setLimit(limit); err != nil {
		return Guard{}, err
	}
	count := overCount.FindStringSubmatch(parts[2])
	if count == nil {
		return Guard{}, fmt.Errorf("it does not say over how many requests: write %s %s %s over 200 requests", name, o.Op, limit)
	}
	over, err := parseCount(minOver, maxOver)(count[1])
	if err != nil {
		return Guard{}, fmt.Errorf("over %q %w", count[1], err)
	}
	return Guard{Text: fmt.Sprintf("%s %s %s over %d requests", name, o.Op, limit, over),
		Metric: o.Metric, Quantile: o.Quantile, Op: o.Op, Limit: o.Limit, Over: over}, nil
}

// guardLimit is a limit of the size that a guard has.
func (o *Objective) guardLimit() string {
	if o.Metric == MetricErrorRate {
		return "50%"
	}
	return "5s"
}

// guards reads stop_when; n is nil where the plan has none.
func (r *reader) guards(n *node) []Guard {
	if n == nil {
		return nil
	}
	nodes, ok := r.items(n, "stop_when", "["+exampleGuard+"]")
	if !ok {
		return nil
	}
	if len(nodes) > maxGuards {
		r.problem(n, "stop_when", "%d guards are too many: write at most %d", len(nodes), maxGuards)
		return nil
	}
	var out []Guard
	var at []int // their places in the list
	for i, n := range nodes {
		path := fmt.Sprintf("stop_when[%d]", i)
		if n.kind == null {
			r.problem(n, path, "empty: write a guard such as %s, or remove the line", exampleGuard)
			continue
		}
		ps, ok := r.pieces(n, path)
		if !ok {
			continue
		}
		g, err := ParseGuard(ps.String())
		if err != nil {
			if ps.secret() { // err may show what the environment holds
				r.problem(n, path, "%s is no guard: write one such as %s", shown(ps), exampleGuard)
			} else {
				r.problem(n, path, "%v", err)
			}
			continue
		}
		same := func(other Guard) bool { other.Text = g.Text; return other == g }
		if j := slices.IndexFunc(out, same); j >= 0 {
			r.problem(n, path, "%q is the guard of stop_when[%d] too: remove one of the two", g.Text, at[j])
		}
		out, at = append(out, g), append(at, i)
	}
	return out
}
