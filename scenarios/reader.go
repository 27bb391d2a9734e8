package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// reader reads one plan and gathers its problems. Its methods report what is wrong
// themselves and return ok=false, so that reading goes on and every mistake is found.
type reader struct {
	file     string
	env      func(string) (string, bool)
	readFile func(string) ([]byte, error)
	problems []Problem
	skipped  int // values not read because the tree already refused them

	// secrets are the values of the system section that must not appear in a saved
	// scenario either; found are those met inside scenarios.
	secrets, found []string
	uses           []use // of variables, to be checked when every scenario is known
	seeded         bool  // the plan gives a seed
	offline        bool  // see Offline
}

func (r *reader) problemAt(line, column int, path, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Column: column, Field: path, Message: fmt.Sprintf(format, args...)})
}

func (r *reader) problem(n *node, path, format string, args ...any) {
	r.problemAt(n.line, n.column, path, format, args...)
}

// faults counts what has gone wrong so far: what is read without a new one is complete.
func (r *reader) faults() int { return len(r.problems) + r.skipped }

// wrongKind reports that n is not what must stand at path. It shows no value: it may be a
// secret in the wrong place.
func (r *reader) wrongKind(n *node, path, want string) {
	if n.kind == refused {
		r.skipped++
		return
	}
	r.problem(n, path, "%s where %s is expected", n.kind, want)
}

// object is a mapping whose keys are known.
type object struct {
	r    *reader
	node *node
	path string
}

// object reads n as a mapping of the allowed keys. example shows what to write.
func (r *reader) object(n *node, path, example string, allowed ...string) (object, bool) {
	if n.kind != mapping {
		r.wrongKind(n, path, "a mapping such as "+example)
		return object{}, false
	}
	for _, f := range n.fields {
		if !slices.Contains(allowed, f.key) {
			r.problemAt(f.line, f.column, join(path, f.key), "unknown key%s: the keys here are %s",
				didYouMean(f.key, allowed), strings.Join(allowed, ", "))
		}
	}
	return object{r, n, path}, true
}

// at returns the field path of a key.
func (o object) at(key string) string { return join(o.path, key) }

// get returns the value of key, or nil where it is absent, left empty or already refused.
func (o object) get(key string) *node {
	for _, f := range o.node.fields {
		switch {
		case f.key != key || f.value.kind == null:
		case f.value.kind == refused:
			o.r.skipped++
		default:
			return f.value
		}
	}
	return nil
}

// refused reports whether the value of key is already among the problems.
func (o object) refused(key string) bool {
	return slices.ContainsFunc(o.node.fields, func(f field) bool { return f.key == key && f.value.kind == refused })
}

// need is get for a key that must be there; hint says what to write.
func (o object) need(key, hint string) *node {
	for _, f := range o.node.fields {
		switch {
		case f.key != key:
		case f.value.kind == null:
			o.r.problemAt(f.line, f.column, o.at(key), "empty: write %s", hint)
			return nil
		case f.value.kind == refused:
			o.r.skipped++
			return nil
		default:
			return f.value
		}
	}
	o.r.problem(o.node, o.at(key), "missing: write %s", hint)
	return nil
}

// items reads n as a list that is not empty. example shows what to write.
func (r *reader) items(n *node, path, example string) ([]*node, bool) {
	switch {
	case n.kind != list:
		r.wrongKind(n, path, "a list such as "+example)
		return nil, false
	case len(n.items) == 0:
		r.problem(n, path, "the list is empty: write %s", example)
		return nil, false
	}
	return n.items, true
}

// table reads n as a mapping with keys of the user's choice, at least one. example shows
// what to write.
func (r *reader) table(n *node, path, example string) ([]field, bool) {
	switch {
	case n.kind != mapping:
		r.wrongKind(n, path, "a mapping such as "+example)
		return nil, false
	case len(n.fields) == 0:
		r.problem(n, path, "the mapping is empty: write %s, or remove the key", example)
		return nil, false
	}
	return n.fields, true
}

// pieces reads n as text, interpolated.
func (r *reader) pieces(n *node, path string) (pieces, bool) {
	switch n.kind {
	case str:
		ps, problems := r.interpolate(n.text)
		for _, p := range problems {
			r.problem(n, path, "%s", p)
		}
		return ps, len(problems) == 0
	case number:
		// As written: a password of 0123 is these four digits.
		return pieces{{text: n.text, source: n.text}}, true
	case boolean:
		r.problem(n, path, "%s is not text to YAML: put it in quotes", n.text)
		return nil, false
	}
	r.wrongKind(n, path, "text")
	return nil, false
}

// text is pieces as one string.
func (r *reader) text(n *node, path string) (string, bool) {
	ps, ok := r.pieces(n, path)
	return ps.String(), ok
}

// value reads n as text and parses it. parse's error is the rest of a sentence that begins
// with the value, or with the reference it came from: what an environment variable holds
// is not shown.
func value[T any](r *reader, n *node, path string, parse func(string) (T, error)) (v T, ok bool) {
	ps := pieces{{text: n.text, source: n.text}}
	if n.kind != boolean {
		if ps, ok = r.pieces(n, path); !ok {
			return v, false
		}
	}
	v, err := parse(ps.String())
	if err != nil {
		r.problem(n, path, "%s %v", shown(ps), err)
		return v, false
	}
	return v, true
}

// shown is how a problem names the value ps.
func shown(ps pieces) string {
	if ps.secret() {
		return "the value of " + ps.source()
	}
	return strconv.Quote(ps.String())
}
