package scenarios

import (
	"fmt"
)

const examplePhases = "phases: [{name: steady, duration: 60s}]"

// phases reads the phases.
func (r *reader) phases(o object) []Phase {
	v := o.need("phases", examplePhases)
	if v == nil {
		return nil
	}
	nodes, ok := r.items(v, "phases", examplePhases)
	if !ok {
		return nil
	}
	if len(nodes) > maxPhases {
		r.problem(v, "phases", "%d phases are too many: write at most %d, or one phase with steps", len(nodes), maxPhases)
		return nil
	}
	var out []Phase
	first := make(map[string]int)
	for i, n := range nodes {
		path := fmt.Sprintf("phases[%d]", i)
		ph := r.phase(n, path)
		if at, ok := first[ph.Name]; ok && ph.Name != "" {
			r.problem(n, join(path, "name"), "%q is the name of phases[%d] too: give each phase its own", ph.Name, at)
		} else {
			first[ph.Name] = i
		}
		out = append(out, ph)
	}
	return out
}

func (r *reader) phase(n *node, path string) Phase {
	ph := Phase{From: 1, To: 1, Judged: true}
	o, ok := r.object(n, path, "{name: steady, duration: 60s}", "name", "duration", "at", "from", "to", "steps", "judged")
	if !ok {
		return ph
	}
	if v := o.need("name", "name: steady"); v != nil {
		ph.Name, _ = value(r, v, o.at("name"), parseName)
	}
	if v := o.need("duration", "duration: 60s"); v != nil {
		ph.Duration, _ = value(r, v, o.at("duration"), parsePositiveDuration(maxDuration))
	}
	if v := o.get("judged"); v != nil {
		ph.Judged, _ = value(r, v, o.at("judged"), parseBool)
	}
	r.shape(o, &ph)
	return ph
}

// shape reads which share of the rate the phase has: at, from and to, steps, or nothing
// for all of it.
func (r *reader) shape(o object, ph *Phase) {
	at, from, to, steps := o.get("at"), o.get("from"), o.get("to"), o.get("steps")
	ramp := from
	if ramp == nil {
		ramp = to
	}
	switch {
	case at != nil && (ramp != nil || steps != nil), ramp != nil && steps != nil:
		r.problem(o.node, o.path, "at, from and to, and steps are three shapes: write one of them")
		return
	case from != nil && to == nil:
		r.problem(from, o.at("from"), "from without to: write to: 100%% as well, or at: for a constant share")
	case to != nil && from == nil:
		r.problem(to, o.at("to"), "to without from: write from: 10%% as well, or at: for a constant share")
	}
	switch {
	case at != nil:
		ph.From, _ = value(r, at, o.at("at"), parseShare)
		ph.To = ph.From
	case ramp != nil:
		if from != nil {
			ph.From, _ = value(r, from, o.at("from"), parseShare)
		}
		if to != nil {
			ph.To, _ = value(r, to, o.at("to"), parseShare)
		}
	case steps != nil:
		nodes, _ := r.items(steps, o.at("steps"), "[25%, 50%, 100%]")
		if len(nodes) > maxPhases {
			r.problem(steps, o.at("steps"), "%d steps are too many: write at most %d", len(nodes), maxPhases)
			return
		}
		ph.From, ph.To = 0, 0
		for i, n := range nodes {
			share, _ := value(r, n, fmt.Sprintf("%s[%d]", o.at("steps"), i), parseShare)
			ph.Steps = append(ph.Steps, share)
		}
	}
}

// peak returns the largest share of the phase.
func (ph Phase) peak() float64 {
	peak := max(ph.From, ph.To)
	for _, s := range ph.Steps {
		peak = max(peak, s)
	}
	return peak
}

// checkLoad checks what the load lines and the phases are only together: that no rate is
// beyond what can be driven. A plan that judges too little, or nothing, is no mistake: it
// may be run to warm a system up, and its verdict is that there is no data.
func (r *reader) checkLoad(p *Plan, lines []placedLine) {
	for _, l := range lines {
		for _, ph := range p.Phases {
			if l.Rate*ph.peak() > maxRate {
				r.problem(l.rate, l.path+".rate", "%s at %s in phase %s is an impossible rate: stay below 1000000/s", formatRate(l.Rate), formatShare(ph.peak()), ph.Name)
				break
			}
		}
	}
}
