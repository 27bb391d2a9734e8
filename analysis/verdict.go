package analysis

import (
	"fmt"
	"slices"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// Judgement is the verdict of a run.
type Judgement string

// The verdicts of a run.
const (
	Pass         Judgement = "pass"
	Fail         Judgement = "fail"
	Inconclusive Judgement = "inconclusive" // not enough evidence
	Invalid      Judgement = "invalid"      // the measurement itself cannot be trusted
)

// The exit codes that a verdict leads to. The command line adds 2 (bad usage or plan) and
// 6 (the system could not be reached or prepared), which leave no verdict; 5 is a
// regression against a baseline.
const (
	ExitPass         = 0
	ExitFail         = 1
	ExitInconclusive = 3
	ExitInvalid      = 4
	ExitInterrupted  = 130
)

// Verdict is a run, judged.
type Verdict struct {
	Judgement Judgement
	ExitCode  int
	Reasons   []string // every reason, the decisive one first
	Results   []Result // in the order of the objectives
}

// Judge holds a summary against objectives.
func Judge(s *Summary, objectives []scenarios.Objective) Verdict {
	var v Verdict
	invalid := s.Invalid(objectives)
	var missed, open, unmet reasons
	for _, o := range objectives {
		r := s.JudgeObjective(o)
		v.Results = append(v.Results, r)
		if r.Outcome == Met {
			continue
		}
		switch {
		case !o.Required:
			unmet.add("not required: ", r)
		case r.Outcome == Missed && len(invalid) > 0 && s.answeredBadly(o, LagLimit(objectives)):
			missed.add("whatever the generator's part, the system's own answers disprove it: ", r)
		case r.Outcome == Missed && len(invalid) > 0:
			missed.add("as measured, which cannot be trusted: ", r)
		case r.Outcome == Missed:
			missed.add("", r)
		default:
			open.add("", r)
		}
	}
	if len(objectives) == 0 {
		open = append(open, reason{why: "the plan demands nothing: there is nothing to pass"})
	}
	if required(objectives) == 0 && len(objectives) > 0 {
		open = append(open, reason{why: "no objective is required: there is nothing to pass"})
	}
	if why := s.unseen(); why != "" && len(missed) == 0 {
		open = append(open, reason{why: "the run was ended before its plan's end: " + why})
	}
	var stopped []string
	switch {
	case s.Partial:
		stopped = []string{"the record is partial: the process ended before the run did"}
	case s.Interrupted:
		stopped = []string{"the run was interrupted before its end"}
	}

	breach, collapsed := s.breach(), s.collapsed(objectives)

	switch {
	case len(invalid) > 0:
		v.Judgement, v.ExitCode = Invalid, ExitInvalid
	case len(missed) > 0 || len(breach) > 0:
		v.Judgement, v.ExitCode = Fail, ExitFail
		collapsed = nil // it takes a pass away, and there is none
	case len(open) > 0 || len(stopped) > 0 || len(collapsed) > 0:
		v.Judgement, v.ExitCode = Inconclusive, ExitInconclusive
	default:
		v.Judgement, v.ExitCode = Pass, ExitPass
	}
	if len(stopped) > 0 {
		v.ExitCode = ExitInterrupted
	}
	for _, list := range [][]string{stopped, invalid, breach, collapsed, missed.texts(), open.texts(), unmet.texts()} {
		v.Reasons = append(v.Reasons, list...)
	}
	if v.Judgement == Pass {
		sound := "the measurement is sound"
		if !s.Self.Available {
			sound = "nothing speaks against the measurement, though the generator's own CPU was not watched"
		}
		v.Reasons = append([]string{fmt.Sprintf("all %d required objectives are met, each with %g%% confidence in the scope stated with them, and %s",
			required(objectives), Confidence*100, sound)}, v.Reasons...)
	}
	v.Reasons = append(v.Reasons, s.gated(v.Judgement)...)
	return v
}

// breach is the reason of a run in which a guard of its plan was breached: the plan itself calls
// that a failure, whatever the objectives say of the judged time, of which there may be none. The
// run may have been ended by a gate before it, or by a person after it.
func (s *Summary) breach() []string {
	switch {
	case s.StoppedBy == observation.ByGuard:
		return []string{fmt.Sprintf("stop_when ended the run at %s: %s", duration(s.StoppedAt), s.StoppedWhy)}
	case s.Breach != "":
		return []string{"stop_when was breached: " + s.Breach}
	}
	return nil
}

// gated says that a gate ended the run, and where the verdict is no longer the one that it
// ended it for: the last samples and answers come after it.
func (s *Summary) gated(final Judgement) []string {
	if s.StoppedBy != observation.ByGate {
		return nil
	}
	why := fmt.Sprintf("the gate ended the run at %s, when the verdict was known: %s", duration(s.StoppedAt), s.StoppedWhy)
	if final != Pass && final != Fail || s.Breach != "" {
		why += "; with what came after that, or what is demanded now, it no longer holds: the verdict is the one above"
	}
	return []string{why}
}

// reason is one reason of a verdict, and the objectives of which it is.
type reason struct {
	before, why string
	objectives  []string
}

type reasons []reason

// add adds an objective: to the reason that it shares with others, where there is one. A
// source that could not be read is the same reason for all that was demanded of it.
func (all *reasons) add(before string, r Result) {
	why := fmt.Sprintf("%s (%s)", r.Outcome, r.Reason)
	i := slices.IndexFunc(*all, func(x reason) bool { return x.before == before && x.why == why })
	if i < 0 {
		i = len(*all)
		*all = append(*all, reason{before: before, why: why})
	}
	(*all)[i].objectives = append((*all)[i].objectives, r.Objective.Text)
}

func (all reasons) texts() []string {
	var texts []string
	for _, r := range all {
		text := r.why
		if len(r.objectives) > 0 {
			text = r.before + some(r.objectives) + ": " + r.why
		}
		texts = append(texts, text)
	}
	return texts
}

// answeredBadly reports whether an objective on failures is missed by what the system
// itself answered in seconds that were on time, alone: a late generator makes no 500,
// except by the burst with which it catches up.
func (s *Summary) answeredBadly(o scenarios.Objective, onTime time.Duration) bool {
	if len(s.Damage) > 0 || o.Metric != scenarios.MetricErrorRate && o.Metric != scenarios.MetricAvailability {
		return false
	}
	p, _ := s.population(o)
	if p == nil {
		return false
	}
	classes := []observation.Class{observation.HTTP5xx}
	if o.Metric == scenarios.MetricErrorRate {
		classes = append(classes, observation.HTTP3xx, observation.HTTP4xx, observation.HTTP429, observation.Expectation)
	}
	var n uint64
	for _, sec := range p.seconds {
		if sec.late > onTime {
			continue
		}
		for _, c := range classes {
			n += sec.tally.Errors[c]
		}
	}
	phi, _, _ := s.dispersion(o, p)
	lower, _ := Bounds(float64(n)/phi, float64(p.OK+p.Failed)/phi, Confidence)
	return lower > LimitShare(o)
}

func required(objectives []scenarios.Objective) int {
	n := 0
	for _, o := range objectives {
		if o.Required {
			n++
		}
	}
	return n
}
