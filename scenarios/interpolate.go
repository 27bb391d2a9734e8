package scenarios

import (
	"fmt"
	"regexp"
	"strings"
)

// piece is a part of a scalar after interpolation.
type piece struct {
	text   string
	source string // as an artefact may show it: for ${NAME:-default} that is ${NAME}
	secret bool   // text came from ${...}
}

// pieces is a scalar after interpolation. Literal text and what came from the environment
// stay apart to the end, so that the latter can be left out of everything that is saved,
// and is never itself read as a template.
type pieces []piece

// String returns the text.
func (ps pieces) String() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.text)
	}
	return b.String()
}

// source returns the text as the plan has it.
func (ps pieces) source() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.source)
	}
	return b.String()
}

// secret reports whether any of the text came from ${...}.
func (ps pieces) secret() bool {
	for _, p := range ps {
		if p.secret {
			return true
		}
	}
	return false
}

// variableName is the name of an environment variable and of a template's variable.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// interpolate replaces the references in s:
//
//	${NAME}           the environment variable NAME, which must be set
//	${NAME:-default}  the same, or default where NAME is unset or empty
//	${file:/path}     the file's content without its trailing newlines
//	$${               the two characters ${
//
// It works on a scalar that YAML has already parsed: no value can add a key to the plan.
// The problems are messages; where there is one, the pieces are incomplete.
func (r *reader) interpolate(s string) (ps pieces, problems []string) {
	literal := func(text, source string) {
		if text == "" {
			return
		}
		if n := len(ps); n > 0 && !ps[n-1].secret {
			ps[n-1].text += text
			ps[n-1].source += source
			return
		}
		ps = append(ps, piece{text: text, source: source})
	}
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			literal(s, s)
			return ps, problems
		}
		if i > 0 && s[i-1] == '$' {
			literal(s[:i-1]+"${", s[:i+2])
			s = s[i+2:]
			continue
		}
		literal(s[:i], s[:i])
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return ps, append(problems, "${ without its }: write ${NAME}, or $${ for the two characters themselves")
		}
		ref := s[i+2 : i+end]
		s = s[i+end+1:]
		value, source, problem := r.reference(ref)
		if problem != "" {
			problems = append(problems, problem)
			continue
		}
		ps = append(ps, piece{text: value, source: source, secret: true})
	}
}

// reference resolves what stands between ${ and }.
func (r *reader) reference(ref string) (value, source, problem string) {
	if path, ok := strings.CutPrefix(ref, "file:"); ok && !strings.HasPrefix(path, "-") {
		if path == "" {
			return "", "", "${file:} names no file: write ${file:/run/secrets/password}"
		}
		content, err := r.readFile(path)
		if err != nil && r.offline {
			return Redacted, "${" + ref + "}", ""
		}
		if err != nil {
			return "", "", fmt.Sprintf("${%s} cannot be read: %v: write the path of a readable file", ref, err)
		}
		return strings.TrimRight(string(content), "\r\n"), "${" + ref + "}", ""
	}
	name, fallback, hasFallback := strings.Cut(ref, ":-")
	if !variableName.MatchString(name) {
		return "", "", fmt.Sprintf("${%s} names no variable: write ${NAME}, ${NAME:-default} or ${file:/path}, or $${ for the two characters themselves", name)
	}
	value, set := r.env(name)
	switch {
	case hasFallback && value == "":
		value = fallback
	case !set && r.offline:
		value = Redacted
	case !set:
		return "", "", fmt.Sprintf("the environment variable %s is not set: set it, or write ${%s:-default}", name, name)
	}
	return value, "${" + name + "}", ""
}

// escapeReferences is the inverse of interpolate for literal text.
func escapeReferences(s string) string { return strings.ReplaceAll(s, "${", "$${") }
