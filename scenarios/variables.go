package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// The scenarios that prepare a session, in this order: what they capture is there for
// every other scenario of the plan.
const (
	authScenario     = "auth"
	dialogueScenario = "dialogue"
)

// givenVariables are there for every step: the account of the system section, and the
// number of the arrival.
var givenVariables = []string{"username", "password", "seq"}

// Variables returns the names of the variables the step inserts, sorted.
func (s *Step) Variables() []string {
	names := append(s.Path.Variables(), s.Body.Variables()...)
	for _, h := range s.Headers {
		names = append(names, h.Value.Variables()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Captures returns the names of the variables the scenario's steps capture, sorted.
func (s *Scenario) Captures() []string { return s.capturedBefore(len(s.Steps)) }

func (s *Scenario) capturedBefore(step int) []string {
	var names []string
	for _, st := range s.Steps[:step] {
		for _, c := range st.Capture {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Needs returns, sorted, the variables that a session must bring to the scenario: those
// inserted but neither captured by one of its own earlier steps nor given to every
// arrival (username, password, seq).
func (s *Scenario) Needs() []string {
	var names []string
	for i := range s.Steps {
		own := s.capturedBefore(i)
		for _, v := range s.Steps[i].Variables() {
			if !slices.Contains(own, v) && !slices.Contains(givenVariables, v) {
				names = append(names, v)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// uses reports whether a step inserts the variable.
func (s *Scenario) uses(variable string) bool {
	for i := range s.Steps {
		if slices.Contains(s.Steps[i].Variables(), variable) {
			return true
		}
	}
	return false
}

// SessionNeeds returns, sorted, the variables that the loaded scenarios need a session
// for. Empty: the run needs no sessions, and nothing has to be prepared.
func (p *Plan) SessionNeeds() []string {
	var names []string
	for _, l := range p.Load {
		if s := p.Scenarios[l.Scenario]; s != nil {
			names = append(names, s.Needs()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Preparation returns the names of the scenarios that make a session, in order: none,
// auth, or auth and dialogue.
func (p *Plan) Preparation() []string {
	needs := p.SessionNeeds()
	if len(needs) == 0 {
		return nil
	}
	auth := p.Scenarios[authScenario]
	for _, v := range needs {
		if auth == nil || !slices.Contains(auth.Captures(), v) {
			return []string{authScenario, dialogueScenario}
		}
	}
	return []string{authScenario}
}

// sessionVariables are what a session brings to the scenario called name. Preparation
// runs before any session is complete, so auth has none of them and dialogue only what
// auth captured.
func sessionVariables(all map[string]*Scenario, name string) []string {
	if name == authScenario {
		return nil
	}
	names := all[authScenario].Captures()
	if name != dialogueScenario {
		names = append(names, all[dialogueScenario].Captures()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// missing returns what is wrong with the variable v in a step of s, or "".
func missing(all map[string]*Scenario, s *Scenario, step int, v string) string {
	own, session := s.capturedBefore(step), sessionVariables(all, s.Name)
	if slices.Contains(own, v) || slices.Contains(session, v) || slices.Contains(givenVariables, v) {
		return ""
	}
	available := slices.Concat(givenVariables, own, session)
	slices.Sort(available)
	available = slices.Compact(available)
	return fmt.Sprintf("nothing provides {{%s}}%s: here are %s; an earlier step can capture more",
		v, didYouMean(v, available), strings.Join(available, ", "))
}
