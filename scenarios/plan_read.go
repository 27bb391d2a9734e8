package scenarios

import (
	"fmt"
	"time"
)

// rootKeys are the keys of a plan, in the order they are written.
var rootKeys = []string{"version", "name", "system", "load", "sessions", "arrivals", "phases", "limits", "stop_when", "objectives", "scenarios"}

// plan reads the whole plan. It is complete where r has no problems.
func (r *reader) plan(root *node) *Plan {
	p := &Plan{Version: 1, Sessions: 200, Arrivals: Arrivals{Process: Constant}, secrets: &found{}}
	o, ok := r.object(root, "", "version: 1", rootKeys...)
	if !ok {
		return p
	}
	if v := o.need("version", "version: 1"); v != nil {
		if text, ok := r.text(v, "version"); ok && text != "1" {
			r.problem(v, "version", "this arqload reads version 1 alone: write version: 1")
		}
	}
	if v := o.need("name", "name: arq-baseline"); v != nil {
		p.Name, _ = value(r, v, "name", parseName)
	}
	var known account
	if v := o.need("system", "system: {base_url: https://arq.example.com}"); v != nil {
		known = r.system(v, &p.System)
	}
	r.secrets = p.System.longSecrets()
	if v := o.get("sessions"); v != nil {
		p.Sessions, _ = value(r, v, "sessions", parseCount(1, maxSessions))
	}
	if v := o.get("arrivals"); v != nil {
		p.Arrivals = r.arrivals(v)
	}
	p.Limits = r.limits(o.get("limits"))
	p.StopWhen = r.guards(o.get("stop_when"))

	before := r.faults()
	lines := r.load(o, p.Limits.InFlight)
	for _, l := range lines {
		p.Load = append(p.Load, l.LoadLine)
	}
	p.Phases = r.phases(o)
	if r.faults() == before {
		r.checkLoad(p, lines)
	}
	r.scenarios(o, p, lines)
	r.checkAccount(p, known)
	p.Objectives = r.objectives(o, p)
	p.secrets.values = r.found
	return p
}

// placedLine is a line of the load with its place. Scenario is empty where it cannot be
// read.
type placedLine struct {
	LoadLine
	path           string
	scenario, rate *node
}

const exampleLoad = "load: [{scenario: message, rate: 700/s}]"

// load reads the load lines.
func (r *reader) load(o object, inFlight int) []placedLine {
	v := o.need("load", exampleLoad)
	if v == nil {
		return nil
	}
	nodes, ok := r.items(v, "load", exampleLoad)
	if !ok {
		return nil
	}
	var lines []placedLine
	first := make(map[string]int)
	for i, n := range nodes {
		l := placedLine{LoadLine: LoadLine{InFlight: inFlight}, path: fmt.Sprintf("load[%d]", i)}
		lo, ok := r.object(n, l.path, "{scenario: message, rate: 700/s}", "scenario", "rate", "in_flight")
		if !ok {
			continue
		}
		if l.scenario = lo.need("scenario", "scenario: message"); l.scenario != nil {
			l.Scenario, _ = value(r, l.scenario, lo.at("scenario"), parseName)
		}
		if l.rate = lo.need("rate", "rate: 100/s"); l.rate != nil {
			l.Rate, _ = value(r, l.rate, lo.at("rate"), parseRate)
		}
		if v := lo.get("in_flight"); v != nil {
			l.InFlight, _ = value(r, v, lo.at("in_flight"), parseCount(1, maxInFlight))
		}
		if at, ok := first[l.Scenario]; ok && l.Scenario != "" {
			r.problem(l.scenario, lo.at("scenario"), "%q is the scenario of load[%d] too: write one line with the sum of the rates", l.Scenario, at)
		} else {
			first[l.Scenario] = i
		}
		lines = append(lines, l)
	}
	return lines
}

// arrivals reads constant, poisson, or {process: poisson, seed: 42}.
func (r *reader) arrivals(n *node) Arrivals {
	a := Arrivals{Process: Constant}
	process := func(v *node, path string) {
		a.Process, _ = value(r, v, path, func(s string) (Process, error) {
			switch p := Process(s); p {
			case Constant, Poisson:
				return p, nil
			}
			return Constant, fmt.Errorf("is no arrival process%s: write constant or poisson", didYouMean(s, []string{string(Constant), string(Poisson)}))
		})
	}
	if n.scalar() {
		process(n, "arrivals")
		return a
	}
	o, ok := r.object(n, "arrivals", "{process: poisson, seed: 42}", "process", "seed")
	if !ok {
		return a
	}
	if v := o.need("process", "process: poisson"); v != nil {
		process(v, o.at("process"))
	}
	if v := o.get("seed"); v != nil {
		a.Seed, r.seeded = value(r, v, o.at("seed"), parseSeed)
		if r.seeded && a.Process == Constant {
			r.problem(v, o.at("seed"), "constant arrivals have nothing random: remove the seed, or write process: poisson")
		}
	}
	return a
}

// limits reads the limits; n is nil where the plan has none.
func (r *reader) limits(n *node) Limits {
	l := Limits{InFlight: 1000, Timeout: 10 * time.Second, MaxLag: 10 * time.Second}
	if n == nil {
		return l
	}
	o, ok := r.object(n, "limits", "{in_flight: 1000, timeout: 10s, max_lag: 10s}", "in_flight", "timeout", "max_lag")
	if !ok {
		return l
	}
	if v := o.get("in_flight"); v != nil {
		l.InFlight, _ = value(r, v, o.at("in_flight"), parseCount(1, maxInFlight))
	}
	if v := o.get("timeout"); v != nil {
		l.Timeout, _ = value(r, v, o.at("timeout"), parsePositiveDuration(maxWait))
	}
	if v := o.get("max_lag"); v != nil {
		l.MaxLag, _ = value(r, v, o.at("max_lag"), parsePositiveDuration(maxWait))
	}
	return l
}

// objectives reads the objectives, or the acceptance document's where the key is absent.
func (r *reader) objectives(o object, p *Plan) []Objective {
	const hint = "write at least one, such as p99 < 2s, or remove the key for the objectives of the ARQ acceptance document"
	var demands *node
	for _, f := range o.node.fields {
		if f.key == "objectives" {
			demands = f.value
		}
	}
	switch {
	case demands == nil:
		return r.defaultObjectives()
	case demands.kind == null, demands.kind == list && len(demands.items) == 0:
		r.problem(demands, "objectives", "a run without objectives can prove nothing: %s", hint)
		return nil
	case demands.kind != list:
		r.wrongKind(demands, "objectives", `a list such as [p99 < 2s, error_rate < 0.05%]`)
		return nil
	}
	var out []Objective
	for i, n := range demands.items {
		path := fmt.Sprintf("objectives[%d]", i)
		obj, ok := r.objective(n, path)
		if !ok {
			continue
		}
		if at := duplicate(out, obj); at >= 0 {
			r.problem(n, path, "%q asks the same as objectives[%d]: remove one of the two", obj.Text, at)
		}
		r.checkScope(n, path, obj, p)
		out = append(out, obj)
	}
	return out
}
