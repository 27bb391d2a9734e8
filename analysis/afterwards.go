package analysis

import (
	"fmt"
	"slices"
	"strings"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// afterwards are the seconds of load after the last judged one of a run that a gate ended: their
// arrivals were still in flight when the gate decided. What another phase sent, which is not judged,
// is not of them.
func afterwards(run *observation.Run) []*observation.Second {
	if run.Footer == nil || run.Footer.Early() != observation.ByGate {
		return nil
	}
	from := endOf(run.Seconds, func(s *observation.Second) bool { return s.Judged })
	judged := func(at observation.Seconds) bool {
		return slices.ContainsFunc(run.Header.Phases, func(ph observation.Phase) bool { return ph.Judged && ph.Start <= at && at < ph.End })
	}
	var all []*observation.Second
	for i := range run.Seconds {
		if s := &run.Seconds[i]; s.Start.Duration() >= from && s.Start < run.Footer.StoppedAt && judged(s.Start) {
			all = append(all, s)
		}
	}
	return all
}

// collapsed says which required objectives the arrivals after the judged time disprove by
// themselves. A gate's verdict does not depend on them; but a system that broke down while
// the gate made up its mind must not pass. Exact counts alone are held against the limits: by
// a Clopper-Pearson bound, since the few hundred arrivals of a moment show no dispersion.
func (s *Summary) collapsed(objectives []scenarios.Objective) []string {
	var why []string
	for _, o := range objectives {
		scenario, step := o.Target()
		if !o.Required {
			continue
		}
		key, counted, allowed := "", false, LimitShare(o)
		switch o.Metric {
		case scenarios.MetricThroughput: // what is left of the rate without the bad ones
			p, _ := s.population(o)
			if p == nil || p.CompletedOK == 0 {
				continue
			}
			allowed = max(0, 1-o.Limit*s.Judged.Seconds()/float64(p.CompletedOK))
		case scenarios.MetricErrorRate, scenarios.MetricAvailability:
		case scenarios.MetricQuantile:
			key, counted = s.counter(o)
		default:
			continue
		}
		var t observation.Tally
		for _, sec := range s.after {
			ls := sec.Scenarios[scenario]
			switch {
			case scenario == "":
				t.Add(&sec.Tally)
			case ls == nil:
			case step == "":
				t.Add(&ls.Tally)
			case ls.Steps[step] != nil:
				t.Results.Add(&ls.Steps[step].Results)
			}
		}
		bad, all := t.Failed-t.Errors[observation.Canceled]-t.ShedSelf, t.OK+t.Failed-t.Errors[observation.Canceled]-t.ShedSelf
		if o.Metric == scenarios.MetricAvailability {
			bad = t.Unavailable() - t.ShedSelf
		}
		if counted {
			bad += t.Over[key]
		}
		if lower, _ := Bounds(float64(bad), float64(all), Confidence); lower > allowed {
			why = append(why, fmt.Sprintf("%s: of the %s that were still in flight when the gate ended the run %d %s, which disproves it of that moment: run it again, longer",
				o.Text, plural(all, strings.TrimSuffix(countedUnit(step != ""), "s")), bad, badVerb(o)))
		}
	}
	return why
}

// unseen says why what a gate's run saw is no pass, whatever is demanded of it: it was ended, for a
// fail or for other objectives, before all that its plan judges had begun.
func (s *Summary) unseen() string {
	if s.StoppedBy != observation.ByGate {
		return ""
	}
	if s.Header.Uneven {
		return "the judged load changes, so a pass is known at the plan's end alone"
	}
	for _, l := range s.Header.Lanes {
		if l.PlannedJudg > 0 && s.Scenarios[l.Scenario].Sent == 0 {
			return fmt.Sprintf("no arrival of %s has been judged yet", l.Scenario)
		}
	}
	return ""
}

func badVerb(o scenarios.Objective) string {
	switch o.Metric {
	case scenarios.MetricErrorRate, scenarios.MetricThroughput:
		return "failed"
	case scenarios.MetricAvailability:
		return "got no answer or a 5xx"
	}
	if o.Op == scenarios.LessEqual {
		return fmt.Sprintf("took longer than %s or failed", o.LimitDuration())
	}
	return fmt.Sprintf("took %s or longer or failed", o.LimitDuration())
}
