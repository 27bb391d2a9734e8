package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a plan: where it is, what is wrong and what to write instead.
// It shows no value that came from the environment or from a file.
type Problem struct {
	File         string
	Line, Column int    // from 1, in characters
	Field        string // "load[1].rate"; empty for the file as a whole
	Message      string
}

// String returns the problem as one line, in the form editors and CI systems know how to
// link: file:line:column: field: message.
func (p Problem) String() string {
	at := fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Field != "" {
		at += p.Field + ": "
	}
	return at + p.Message
}

// PlanError is every mistake of one plan, in the order of the file. A YAML syntax error
// comes alone: behind it nothing can be read.
type PlanError struct{ Problems []Problem }

// Error returns the problems, one a line.
func (e *PlanError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// newPlanError sorts problems into the order of the file.
func newPlanError(problems []Problem) *PlanError {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &PlanError{Problems: problems}
}
