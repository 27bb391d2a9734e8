package scenarios

import (
	"slices"
	"strings"
)

// objective reads an objective: its text, or {objective: text, required: false}.
func (r *reader) objective(n *node, path string) (Objective, bool) {
	required, text, at := true, n, path
	if n.kind == null {
		r.problem(n, path, "empty: write an objective such as p99 < 2s, or remove the line")
		return Objective{}, false
	}
	if n.kind == mapping || n.kind == list {
		o, ok := r.object(n, path, `{objective: "p99 < 2s", required: false}`, "objective", "required")
		if !ok {
			return Objective{}, false
		}
		if v := o.get("required"); v != nil {
			required, _ = value(r, v, o.at("required"), parseBool)
		}
		at = o.at("objective")
		if text = o.need("objective", `objective: "p99 < 2s"`); text == nil {
			return Objective{}, false
		}
	}
	ps, ok := r.pieces(text, at)
	if !ok {
		return Objective{}, false
	}
	obj, err := ParseObjective(ps.String())
	if err != nil {
		if ps.secret() { // err may show what the environment holds
			r.problem(text, at, "%s is no objective: write a metric, a comparison and a limit, such as p99 < 2s", shown(ps))
		} else {
			r.problem(text, at, "%v", err)
		}
		return Objective{}, false
	}
	obj.Required = required
	return obj, true
}

// duplicate returns the place in list of an objective that asks the same as o, or -1.
func duplicate(list []Objective, o Objective) int {
	return slices.IndexFunc(list, func(other Objective) bool {
		named := o.Metric == MetricSampled || o.Metric == MetricApplication // p99 is p99.0, but no other names are one metric
		return other.Scope == o.Scope && other.Metric == o.Metric && (!named || other.Name == o.Name) &&
			other.Quantile == o.Quantile && other.Op == o.Op && other.Limit == o.Limit
	})
}

// checkScope reports a scope that the load does not have.
func (r *reader) checkScope(n *node, path string, o Objective, p *Plan) {
	scenario, step, hasStep := strings.Cut(o.Scope, "/")
	var loaded []string
	for _, l := range p.Load {
		loaded = append(loaded, l.Scenario)
	}
	if o.Scope == "" || len(loaded) == 0 {
		return
	}
	if !slices.Contains(loaded, scenario) {
		if d, ok := Define(o.Scope); ok && o.Metric == MetricQuantile {
			r.problem(n, path, "%v", d.noQuantile(strings.Replace(o.Text, "."+o.Name, "", 1)))
			return
		}
		if o.Scope == "db_query" && o.Metric == MetricQuantile {
			r.problem(n, path, "the load has no scenario %q: of the database's statements write %s", scenario, strings.Replace(o.Text, ".", "_", 1))
			return
		}
		r.problem(n, path, "the load has no scenario %q%s: write one of %s", scenario, didYouMean(scenario, loaded), strings.Join(loaded, ", "))
		return
	}
	s := p.Scenarios[scenario]
	if !hasStep || s == nil || len(s.Steps) == 0 {
		return
	}
	var steps []string
	for _, st := range s.Steps {
		steps = append(steps, st.Name)
	}
	if !slices.Contains(steps, step) {
		r.problem(n, path, "scenario %s has no step %q%s: write one of %s", scenario, step, didYouMean(step, steps), strings.Join(steps, ", "))
	}
}
