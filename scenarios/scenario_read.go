package scenarios

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// exampleSteps is a scenario in one line, for the messages.
const exampleSteps = `steps: [{name: read, request: {method: GET, path: /api/profile}}]`

// scenario reads the scenario called name. It has no steps where none can be read.
func (r *reader) scenario(name string, n *node, path string) *Scenario {
	s := &Scenario{Name: name}
	o, ok := r.object(n, path, "{"+exampleSteps+"}", "steps")
	if !ok {
		return s
	}
	list := o.need("steps", exampleSteps)
	if list == nil {
		return s
	}
	steps, ok := r.items(list, o.at("steps"), exampleSteps)
	if !ok {
		return s
	}
	for i, n := range steps {
		s.Steps = append(s.Steps, r.step(n, fmt.Sprintf("%s[%d]", o.at("steps"), i), s))
	}
	return s
}

// step reads the step that follows those s has already.
func (r *reader) step(n *node, path string, s *Scenario) Step {
	st := Step{Status: []int{200, 201, 202, 203, 204, 206}}
	o, ok := r.object(n, path, "{name: read, request: {method: GET, path: /api/profile}}", "name", "request", "expect", "capture", "creates")
	if !ok {
		return st
	}
	if v := o.need("name", "name: read"); v != nil {
		if name, ok := value(r, v, o.at("name"), parseName); ok {
			st.Name = name
			if name == "all" {
				r.problem(v, o.at("name"), `"all" stands for all steps together in the reports: choose another name`)
			}
			if i := slices.IndexFunc(s.Steps, func(other Step) bool { return other.Name == name }); i >= 0 {
				r.problem(v, o.at("name"), "%q is the name of steps[%d] too: give each step its own", name, i)
			}
		}
	}
	at := place{r, s.Name, len(s.Steps)}
	if v := o.need("request", "request: {method: GET, path: /api/profile}"); v != nil {
		at.request(v, o.at("request"), &st)
	}
	if v := o.get("expect"); v != nil {
		r.expect(v, o.at("expect"), &st)
	}
	if v := o.get("capture"); v != nil {
		st.Capture = r.capture(v, o.at("capture"))
	}
	if v := o.get("creates"); v != nil {
		st.Creates = r.creates(v, o.at("creates"))
	}
	return st
}

// place is a step being read: what a template's variables are remembered with.
type place struct {
	*reader
	scenario string
	step     int
}

// methods are those a scenario may send.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

func parseMethod(s string) (string, error) {
	if slices.Contains(methods, s) {
		return s, nil
	}
	if up := strings.ToUpper(s); slices.Contains(methods, up) {
		return "", fmt.Errorf("is not in capitals: write %s", up)
	}
	return "", fmt.Errorf("is no HTTP method%s: write one of %s", didYouMean(strings.ToUpper(s), methods), strings.Join(methods, ", "))
}

func (p place) request(n *node, path string, st *Step) {
	o, ok := p.object(n, path, "{method: GET, path: /api/profile}", "method", "path", "headers", "json", "body")
	if !ok {
		return
	}
	if v := o.need("method", "method: GET"); v != nil {
		st.Method, _ = value(p.reader, v, o.at("method"), parseMethod)
	}
	if v := o.need("path", "path: /api/profile"); v != nil {
		st.Path = p.path(v, o.at("path"))
	}
	if v := o.get("headers"); v != nil {
		st.Headers = p.headers(v, o.at("headers"))
	}
	body, json := o.get("body"), o.get("json")
	switch {
	case body != nil && json != nil:
		p.problem(body, o.at("body"), "a request has one body: write json or body, not both")
	case json != nil:
		st.JSON = true
		st.Body, _ = p.jsonTemplate(json, o.at("json"))
		p.remember(st.Body, json, o.at("json"))
	case body != nil:
		st.Body = p.template(body, o.at("body"), asIs)
	}
}

// template compiles n; it is nil where n cannot be read.
func (p place) template(n *node, path string, escape escaping) *Template {
	ps, ok := p.pieces(n, path)
	if !ok {
		return nil
	}
	return p.compiled(n, path, ps, &compiler{secrets: p.secrets}, escape)
}

func (p place) compiled(n *node, path string, ps pieces, c *compiler, escape escaping) *Template {
	p.note(ps)
	for _, message := range c.compile(ps, escape, nil) {
		p.problem(n, path, "%s", message)
	}
	t := c.template()
	p.remember(t, n, path)
	return t
}

// use is one variable of one template, with its place.
type use struct {
	variable, scenario string
	step               int
	line, column       int
	path               string
}

func (p place) remember(t *Template, n *node, path string) {
	for _, v := range t.Variables() {
		p.uses = append(p.uses, use{v, p.scenario, p.step, n.line, n.column, path})
	}
}

// expect reads which answers are good.
func (r *reader) expect(n *node, path string, st *Step) {
	o, ok := r.object(n, path, "{status: [200]}", "status", "json")
	if !ok {
		return
	}
	if v := o.get("status"); v != nil {
		nodes := []*node{v} // a single status needs no list
		if v.kind == list || v.kind == mapping {
			nodes, _ = r.items(v, o.at("status"), "[200, 201]")
		}
		st.Status = nil
		for i, n := range nodes {
			at := fmt.Sprintf("%s[%d]", o.at("status"), i)
			code, ok := value(r, n, at, parseStatus)
			if ok && slices.Contains(st.Status, code) {
				r.problem(n, at, "%d is in the list already: remove it", code)
			}
			st.Status = append(st.Status, code)
		}
	}
	v := o.get("json")
	if v == nil {
		return
	}
	values, _ := r.table(v, o.at("json"), "{status: ok}")
	for _, f := range values {
		at := join(o.at("json"), f.key)
		if strings.TrimSpace(f.key) == "" {
			r.problemAt(f.line, f.column, at, "the path is empty: write the place of the value in the answer, such as status")
			continue
		}
		t, ok := r.jsonTemplate(f.value, at)
		want, literal := t.Literal()
		if !literal {
			r.problem(f.value, at, "{{...}} is not replaced in an expected value: write the value itself")
			continue
		}
		if ok {
			st.Expect = append(st.Expect, JSONCheck{Path: f.key, Want: want, saved: t.saved()})
		}
	}
	slices.SortFunc(st.Expect, func(a, b JSONCheck) int { return strings.Compare(a.Path, b.Path) })
}

func parseStatus(s string) (int, error) {
	code, err := strconv.Atoi(s)
	if err != nil || code < 200 || code > 599 {
		return 0, errors.New("is no status of a final answer: write one from 200 to 599")
	}
	return code, nil
}

// capture reads which values of the answer are kept.
func (r *reader) capture(n *node, path string) []Capture {
	variables, _ := r.table(n, path, "{token: access_token|token}")
	var out []Capture
	for _, f := range variables {
		at := join(path, f.key)
		switch {
		case slices.Contains(givenVariables, f.key):
			r.problemAt(f.line, f.column, at, "{{%s}} is given already: capture into another name", f.key)
			continue
		case !variableName.MatchString(f.key):
			r.problemAt(f.line, f.column, at, "%q is no variable's name: write letters, digits and _, such as token", f.key)
			continue
		}
		// Kept even where the path is wrong: the steps that insert it are not.
		paths, _ := value(r, f.value, at, parsePaths)
		out = append(out, Capture{Name: f.key, Paths: paths})
	}
	slices.SortFunc(out, func(a, b Capture) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func parsePaths(s string) ([]string, error) {
	paths := strings.Split(s, "|")
	for i, p := range paths {
		paths[i] = strings.TrimSpace(p)
		if paths[i] == "" {
			return nil, errors.New("has an empty path: write the place of the value in the answer, such as id, or several as id|dialogue_id")
		}
	}
	return paths, nil
}

// tableName is what creates counts rows of.
var tableName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

func (r *reader) creates(n *node, path string) map[string]int {
	tables, _ := r.table(n, path, "{messages: 1}")
	out := make(map[string]int)
	for _, f := range tables {
		at := join(path, f.key)
		if !tableName.MatchString(f.key) {
			r.problemAt(f.line, f.column, at, "%q is no table's name: write letters, digits, _, - and dots, such as messages", f.key)
			continue
		}
		if rows, ok := value(r, f.value, at, parseCount(0, 1_000_000)); ok {
			out[f.key] = rows
		}
	}
	return out
}
