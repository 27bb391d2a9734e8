package analysis

import (
	"fmt"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// afterwards are the seconds of load after the last judged one of a run that a gate ended: their
// arrivals were still in flight when the gate decided.
func afterwards(run *observation.Run) []*observation.Second {
	if run.Footer == nil || run.Footer.Early() != observation.ByGate {
		return nil
	}
	from := endOf(run.Seconds, func(s *observation.Second) bool { return s.Judged })
	var all []*observation.Second
	for i := range run.Seconds {
		if s := &run.Seconds[i]; s.Start.Duration() >= from && s.Start < run.Footer.StoppedAt {
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
		if !o.Required || step != "" {
			continue
		}
		key, counted := "", false
		switch o.Metric {
		case scenarios.MetricErrorRate, scenarios.MetricAvailability:
		case scenarios.MetricQuantile:
			key, counted = s.counter(o)
		default:
			continue
		}
		var t observation.Tally
		for _, sec := range s.after {
			if scenario == "" {
				t.Add(&sec.Tally)
			} else if ls := sec.Scenarios[scenario]; ls != nil {
				t.Add(&ls.Tally)
			}
		}
		bad, all := t.Failed-t.Errors[observation.Canceled]-t.ShedSelf, t.OK+t.Failed-t.Errors[observation.Canceled]-t.ShedSelf
		if o.Metric == scenarios.MetricAvailability {
			bad = t.Unavailable() - t.ShedSelf
		}
		if counted {
			bad += t.Over[key]
		}
		if lower, _ := Bounds(float64(bad), float64(all), Confidence); lower > LimitShare(o) {
			why = append(why, fmt.Sprintf("%s: of the %s that were still in flight when the gate ended the run %d %s, which disproves it of that moment: run it again, longer",
				o.Text, plural(all, "arrival"), bad, badVerb(o)))
		}
	}
	return why
}

func badVerb(o scenarios.Objective) string {
	switch o.Metric {
	case scenarios.MetricErrorRate:
		return "failed"
	case scenarios.MetricAvailability:
		return "got no answer or a 5xx"
	}
	if o.Op == scenarios.LessEqual {
		return fmt.Sprintf("took longer than %s or failed", o.LimitDuration())
	}
	return fmt.Sprintf("took %s or longer or failed", o.LimitDuration())
}
