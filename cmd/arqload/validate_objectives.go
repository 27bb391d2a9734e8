package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"arqload/analysis"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

// underGate follows the judged time in which a gate proves an objective.
const underGate = " under gate"

// describeObjectives prints of each objective what it takes to prove it, and the smallest
// difference from its limit that the plan can see at all. Each line that outlook gives
// stands under the objective.
func describeObjectives(w io.Writer, p *scenarios.Plan) {
	fmt.Fprintln(w, "\nobjectives: what it takes to prove each, and what this plan can see")
	counted, gated := false, false
	for _, o := range p.Objectives {
		note := ""
		if !o.Required {
			note = " (not required)"
		}
		lines := outlook(p, o)
		gated = gated || strings.Contains(lines[0], underGate)
		fmt.Fprintf(w, "  %s%s: %s\n", o.Text, note, lines[0])
		for _, more := range lines[1:] {
			fmt.Fprintf(w, "      %s\n", more)
			counted = true
		}
	}
	if counted {
		fmt.Fprintf(w, "  \"true\" is what a run without end would show; bounds at %g%% confidence.\n", analysis.Confidence*100)
		fmt.Fprintln(w, "  Arrivals are taken as independent of each other; where bad ones come in clusters, as stalls make them, it takes as many times more as a cluster holds; a run of 10 judged seconds or more shows that (phi).")
	}
	if gated {
		fmt.Fprintln(w, "  \"under gate\" is the judged time after which `arqload gate` has proved it where nothing bad is seen; it ends the run when all are proved, or at the plan's end where the judged load changes.")
	}
}

// outlook says what the planned load can show of an objective: first whether it can be
// proved at all and what that takes, then what the plan can tell apart.
func outlook(p *scenarios.Plan, o scenarios.Objective) []string {
	switch o.Metric {
	case scenarios.MetricThroughput:
		return throughputOutlook(p, o)
	case scenarios.MetricCacheHits:
		if p.System.Redis.IsZero() {
			return []string{"will have no data: system.redis is not set"}
		}
		return averageOutlook(p, "can be proved, if Redis is read: by the ratio over the judged time")
	case scenarios.MetricDBQuery:
		if p.System.Postgres.IsZero() {
			return []string{"will have no data: system.postgres is not set"}
		}
		return []string{"can be proved, if pg_stat_statements can be read and its bounds suffice: every call is counted, so no number of them is needed"}
	case scenarios.MetricSampled, scenarios.MetricApplication:
		return sampledOutlook(p, o)
	}
	scenario, step := o.Target()
	c := counting{limit: analysis.LimitShare(o), judged: p.Judged(), unit: "arrivals", bad: badWords(o), gated: true, failures: o.Metric != scenarios.MetricQuantile}
	if step != "" {
		c.unit = "calls"
	}
	c.have = judgedArrivals(p, scenario, false)
	return c.outlook()
}

// counting is an objective about a share of what a plan counts.
type counting struct {
	limit     float64
	have      float64 // in the judged time
	judged    time.Duration
	unit, bad string
	gated     bool // arrivals and calls, which a gate judges every second
	failures  bool // it is about failures, of which one alone is worth seeing
}

func (c counting) outlook() []string {
	need := analysis.Provable(c.limit)
	rate := c.have / max(c.judged.Seconds(), 1e-9)
	gate := ""
	if after, ok := analysis.GateProves(c.limit, rate); ok && c.gated {
		gate = fmt.Sprintf(" (%s%s)", after, underGate)
		if after > c.judged {
			gate = fmt.Sprintf(" (%s%s: longer than this plan)", after, underGate)
		}
	}
	first := fmt.Sprintf("can be proved: it takes %d good %s, %s at this rate%s; the plan judges %.0f in %s", need, c.unit, forTime(float64(need)/max(rate, 1e-9)), gate, c.have, c.judged)
	if c.have < float64(need) {
		longer := ""
		if rate > 0 {
			longer = fmt.Sprintf(": judge %s instead%s", time.Duration(float64(need)/rate*float64(time.Second)).Truncate(time.Second)+time.Second, gate)
		}
		first = fmt.Sprintf("cannot be proved: it takes %d good %s, the plan judges %.0f%s", need, c.unit, c.have, longer)
	}
	if c.have == 0 {
		return []string{first}
	}
	reach := analysis.ReachOf(c.have, 1, c.limit)
	sees := "this plan " + reach.Words(c.bad)
	if c.failures {
		sees += fmt.Sprintf("; one failure in %.0f would be seen at all (%g%%)", math.Floor(1/reach.Sees), analysis.Confidence*100)
	}
	return []string{first, sees}
}

// badWords says what a bad arrival of an objective does, of many: "0.027% fail".
func badWords(o scenarios.Objective) string {
	switch o.Metric {
	case scenarios.MetricErrorRate:
		return "fail"
	case scenarios.MetricAvailability:
		return "get no answer or a 5xx"
	}
	if o.Op == scenarios.LessEqual {
		return fmt.Sprintf("take longer than %s or fail", o.LimitDuration())
	}
	return fmt.Sprintf("take %s or longer or fail", o.LimitDuration())
}

// forTime prints a number of seconds, rounded up to whole ones.
func forTime(s float64) string {
	if s < 1 {
		return "less than a second"
	}
	return (time.Duration(math.Ceil(s)) * time.Second).String()
}

// throughputOutlook: before a run nobody knows how much seconds vary, so it is said how
// much they may.
func throughputOutlook(p *scenarios.Plan, o scenarios.Objective) []string {
	scenario, _ := o.Target()
	seconds := p.Judged().Seconds()
	judged := 0.0
	if seconds > 0 {
		judged = judgedArrivals(p, scenario, true) / seconds
	}
	if judged <= o.Limit {
		return []string{fmt.Sprintf("cannot be met: the judged phases plan %.4g requests/s; plan more than the limit", judged)}
	}
	whole := math.Floor(seconds)
	if whole < 2 {
		return []string{"cannot be proved: an average takes two whole seconds at least: judge 2s or longer"}
	}
	excess := judged - o.Limit
	return []string{
		fmt.Sprintf("can be proved: the judged phases plan %.4g requests/s, %.2g%% over the limit: more than %.2g%% of them failed or unanswered would miss it", judged, excess/o.Limit*100, excess/judged*100),
		fmt.Sprintf("%.0f seconds prove it (9 times in 10) where all are answered well and seconds vary by at most %.3g/s (standard deviation)", whole, excess/analysis.Margin(whole)),
	}
}

// averageOutlook is of an average over the intervals between samples, a second each, whose
// spread only a run shows.
func averageOutlook(p *scenarios.Plan, first string) []string {
	n := math.Floor(p.Judged().Seconds())
	if n < 2 {
		return []string{"cannot be proved: a mean takes two intervals of a second at least: judge 2s or longer"}
	}
	return []string{first, fmt.Sprintf("%.0f intervals tell it from its limit (9 times in 10) if it is truly away by %.2g times what it varies from second to second (standard deviation, which only a run shows)", n, analysis.Margin(n))}
}

// probesPerS is how often a lag is probed.
const probesPerS = int(time.Second / observation.LookEvery)

// sampledOutlook says it of what a collector samples.
func sampledOutlook(p *scenarios.Plan, o scenarios.Objective) []string {
	field, rule := "metrics", scenarios.RuleSeries
	if d, ok := scenarios.Define(o.Name); ok {
		field, rule = d.Field, d.Rule
	}
	if missing := p.System.Missing(field); missing != "" {
		return []string{fmt.Sprintf("will have no data: system.%s is not set", missing)}
	}
	judged := p.Judged()
	switch rule {
	case scenarios.RuleP99:
		c := counting{limit: 0.01, have: math.Floor(judged.Seconds() * float64(probesPerS)), judged: judged, bad: strings.TrimSuffix(badWords(o), " or fail")}
		c.unit = fmt.Sprintf("probes (%d a second)", probesPerS)
		return c.outlook()
	case scenarios.RuleMean:
		return averageOutlook(p, fmt.Sprintf("can be proved, if system.%s can be read: by the mean of the judged time", field))
	case scenarios.RuleMax:
		return []string{fmt.Sprintf("can be judged, if system.%s can be read: by the highest of about %.0f samples; what is between them, a second, is not seen", field, judged.Seconds())}
	case scenarios.RuleSeries:
		return []string{"can be judged, if an endpoint of system.metrics tells it: a gauge by every sample, a counter by its increase"}
	}
	return []string{fmt.Sprintf("can be proved, if system.%s can be read: by counting over the judged time, of which nothing is left out", field)}
}
