package scenarios

import (
	"slices"
	"strings"
)

// scenarios reads the plan's own scenarios, resolves those of the load lines and keeps in
// the plan what the run needs.
func (r *reader) scenarios(o object, p *Plan, lines []placedLine) {
	all := r.builtinScenarios()
	own := make(map[string]bool)
	if v := o.get("scenarios"); v != nil {
		if v.kind != mapping {
			r.wrongKind(v, "scenarios", "a mapping such as {profile: {"+exampleSteps+"}}")
			return // what is loaded may well be meant to stand there
		}
		for _, f := range v.fields {
			path := join("scenarios", f.key)
			if _, err := parseName(f.key); err != nil {
				r.problemAt(f.line, f.column, path, "%q %v", f.key, err)
			}
			all[f.key] = r.scenario(f.key, f.value, path)
			own[f.key] = true
		}
	}

	p.Scenarios = make(map[string]*Scenario)
	var needing *placedLine // the first line that needs a session
	for i, l := range lines {
		if l.Scenario == "" {
			continue
		}
		s := all[l.Scenario]
		if s == nil {
			known := sortedKeys(all)
			r.problem(l.scenario, l.path+".scenario", "there is no scenario %q%s: write one of %s, or define it under scenarios",
				l.Scenario, didYouMean(l.Scenario, known), strings.Join(known, ", "))
			continue
		}
		p.Scenarios[l.Scenario] = s
		if needing == nil && len(s.Needs()) > 0 {
			needing = &lines[i]
		}
	}
	// auth decides whether dialogue is needed, so it goes in first.
	if needing != nil {
		p.Scenarios[authScenario] = all[authScenario]
		for _, name := range p.Preparation() {
			p.Scenarios[name] = all[name]
		}
	}
	r.checkVariables(all, own, p, lines, needing)
}

// checkVariables reports every {{variable}} that nothing provides: in the plan's own
// scenarios where it stands, in a built-in one at the load line that asks for it.
func (r *reader) checkVariables(all map[string]*Scenario, own map[string]bool, p *Plan, lines []placedLine, needing *placedLine) {
	if len(all[authScenario].Steps) == 0 || len(all[dialogueScenario].Steps) == 0 {
		return // unreadable, and told; what a session would hold is unknown
	}
	for _, u := range r.uses {
		if message := missing(all, all[u.scenario], u.step, u.variable); message != "" {
			r.problemAt(u.line, u.column, u.path, "%s", message)
		}
	}
	checked := make(map[string]bool)
	check := func(l *placedLine, name, prefix string) {
		s := p.Scenarios[name]
		if s == nil || own[name] || checked[name] {
			return
		}
		checked[name] = true
		var told []string
		for i := range s.Steps {
			for _, v := range s.Steps[i].Variables() {
				if message := missing(all, s, i, v); message != "" && !slices.Contains(told, v) {
					told = append(told, v)
					r.problem(l.scenario, l.path+".scenario", "%sin the built-in scenario %s %s", prefix, name, message)
				}
			}
		}
	}
	for i := range lines {
		check(&lines[i], lines[i].Scenario, "")
	}
	if needing != nil {
		for _, name := range p.Preparation() {
			check(needing, name, "it needs a session, but ")
		}
	}
}

// checkAccount reports a username or password that a needed scenario inserts and the
// system section does not give.
func (r *reader) checkAccount(p *Plan, a account) {
	if a.node == nil {
		return
	}
	for _, name := range sortedKeys(p.Scenarios) {
		if a.username && p.System.Username == "" && p.Scenarios[name].uses("username") {
			a.username = false // once
			r.problem(a.node, "system.username", "missing: scenario %s logs in with it; write username: ${ARQ_USERNAME}", name)
		}
		if a.password && p.System.Password.IsZero() && p.Scenarios[name].uses("password") {
			a.password = false
			r.problem(a.node, "system.password", "missing: scenario %s logs in with it; write password: ${ARQ_PASSWORD}", name)
		}
	}
}
