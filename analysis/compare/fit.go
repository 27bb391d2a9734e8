package compare

import (
	"fmt"
	"math"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"arqload/analysis"
	"arqload/scenarios"
)

// LoadOf is the load that a run of the plan will have.
func LoadOf(p *scenarios.Plan) Load {
	l := Load{Arrivals: string(p.Arrivals.Process), Phases: []Phase{}, Lanes: []Lane{}}
	for _, ph := range p.Phases {
		l.Phases = append(l.Phases, Phase{Name: ph.Name, Judged: ph.Judged, DurationS: ph.Duration.Seconds(), Rate: rateOf(ph)})
	}
	for i, line := range p.Load {
		shape := p.Schedule(i)
		lane := Lane{Scenario: line.Scenario, RatePerS: line.Rate, InFlight: line.InFlight, PlannedRun: shape.Len()}
		for _, s := range p.Scenarios[line.Scenario].Steps {
			lane.Steps = append(lane.Steps, s.Name)
		}
		var at time.Duration
		for _, ph := range p.Phases {
			if ph.Judged {
				lane.PlannedJudged += shape.Between(at, at+ph.Duration)
			}
			at += ph.Duration
		}
		l.Lanes = append(l.Lanes, lane)
	}
	return l
}

// rateOf says how a phase's rate goes.
func rateOf(p scenarios.Phase) string {
	percent := func(share float64) string { return fmt.Sprintf("%g%%", math.Round(1e6*share)/1e4) }
	switch {
	case len(p.Steps) > 0:
		var steps []string
		for _, s := range p.Steps {
			steps = append(steps, percent(s))
		}
		return "in steps of " + strings.Join(steps, ", ")
	case p.From == p.To:
		return percent(p.From)
	}
	return percent(p.From) + " to " + percent(p.To)
}

// Incomplete says why a run cannot be compared, whatever its verdict: it did not see all of its
// load. None: it can.
func Incomplete(s *analysis.Summary) []string {
	var planned time.Duration
	for _, p := range s.Header.Phases {
		if p.Judged {
			planned += (p.End - p.Start).Duration()
		}
	}
	switch {
	case s.Partial:
		return []string{"its record is partial: the process ended before the run did"}
	case s.Interrupted:
		return []string{"it was interrupted before its end"}
	case s.Judged < planned-time.Millisecond:
		return []string{fmt.Sprintf("it ended early: %s of %s were judged", s.Judged.Round(time.Millisecond), planned)}
	case s.Total.OK+s.Total.Failed == 0:
		return []string{"nothing was judged in it"}
	}
	return nil
}

// Restless says why a run that is valid is still no good part of a baseline: it does not know its
// own p99 to within the change that is to be found. Its seconds vary by more, or the generator's
// own lag was as large. Empty: it is good.
func Restless(r Run, g Margins) string {
	for _, m := range r.Metrics {
		if m.Kind != KindAll || m.Name != "p99" || m.AmongFailures {
			continue
		}
		const so = ": something else used its machine, or the system was not steady, and with runs like this one only large changes can be found"
		margin := g.of(m, m.Value, false)
		switch {
		case m.LagS > margin*m.Value:
			return fmt.Sprintf("the generator's own lag (p99 %s) is larger than the change of p99 that is to be found (%s of %s)", m.Format(m.LagS), m.Format(margin*m.Value), m.Format(m.Value)) + so
		case math.Expm1(m.SE) > margin:
			return fmt.Sprintf("its p99 of %s is uncertain by +-%.0f%% from its own seconds alone, and a change by %.0f%% is to be found", m.Format(m.Value), 100*math.Expm1(m.SE), 100*margin) + so
		}
	}
	return ""
}

// Detectable is the smallest change of a metric that a baseline can call a regression, other
// metrics being unchanged.
type Detectable struct {
	Metric Metric  // of the baseline's last run
	Change float64 // relative, at least the margin; infinite with one run
}

// Detectables says of the response times that decide what a baseline can show at best: the change
// from which on the bound is above zero after correction for all metrics that decide.
func Detectables(runs []Run, g Margins) []Detectable {
	if len(runs) == 0 {
		return nil
	}
	last := runs[len(runs)-1]
	sets, _ := collect(runs, last)
	decides := deciding(last.Load)
	places := make([]place, len(sets))
	outside := 0
	for i, s := range sets {
		places[i] = placed(s)
		if decides(s.next) && !inside(s.next.Kind) {
			outside++
		}
	}
	moderate(places, decides)
	var out []Detectable
	for _, p := range places {
		if k := p.next.Kind; !decides(p.next) || p.next.Unit != UnitSeconds || k != KindScenario && k != KindStep {
			continue
		}
		p.next.SE = math.Sqrt(p.within) // a further run like the others
		x := p.predict(g)
		d := Detectable{Metric: p.next, Change: math.Inf(1)}
		if x.df > 0 {
			alpha := (1 - Confidence) * outsideShare / float64(outside)
			t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: x.df}.Quantile(1 - alpha)
			d.Change = max(x.Margin, math.Expm1(t*x.sd))
		}
		out = append(out, d)
	}
	return out
}
