package scenarios

import (
	"encoding/json"
	"net/url"
	"strings"
)

// Template is text with {{name}} variables, compiled once. Each inserted value is
// escaped for the place the template stands in, so that a quote in a password cannot
// break a JSON body and a slash in an id cannot change a path.
type Template struct {
	parts  []part
	source string // as written in the plan, before interpolation of ${...}
}

// part is literal text, or a variable where name is set.
type part struct {
	text, name string
	escape     escaping // of the variable
	secret     bool     // text must not be saved
}

// escaping is how a variable's value is written.
type escaping uint8

const (
	asIs       escaping = iota // a raw body
	asHeader                   // without what would end the header
	asSegment                  // of a URL's path
	asQuery                    // in a URL's query
	insideJSON                 // between the quotes of a JSON string
)

// Append appends the expanded template to dst. value returns a variable's value; Load
// has made sure that every variable named has one when the step is reached.
func (t *Template) Append(dst []byte, value func(name string) string) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		if p.name == "" {
			dst = append(dst, p.text...)
			continue
		}
		dst = p.escape.append(dst, value(p.name))
	}
	return dst
}

// append appends v, escaped.
func (e escaping) append(dst []byte, v string) []byte {
	switch e {
	case asHeader:
		return append(dst, strings.Map(headerRune, v)...)
	case asSegment:
		return append(dst, url.PathEscape(v)...)
	case asQuery:
		return append(dst, url.QueryEscape(v)...)
	case insideJSON:
		return appendJSONString(dst, v)
	}
	return append(dst, v...)
}

// headerRune drops the characters that end a header or that HTTP forbids in one.
func headerRune(c rune) rune {
	if c < ' ' && c != '\t' || c == 0x7f {
		return -1
	}
	return c
}

// appendJSONString appends s as JSON writes it between quotes.
func appendJSONString(dst []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			plain = false
			break
		}
	}
	if plain { // tokens and ids: nearly always
		return append(dst, s...)
	}
	q := jsonText(s)
	return append(dst, q[1:len(q)-1]...)
}

// jsonText returns s as a JSON string, with its quotes. Invalid UTF-8 becomes U+FFFD.
func jsonText(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // a body is not a web page, and is sent as it was written
	_ = enc.Encode(s)        // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// Source returns the template as written, with neither variables nor secrets in it:
// what an artefact may show in place of an expanded request.
func (t *Template) Source() string { return t.source }

// String returns Source, so that no formatting of a template shows a secret.
func (t *Template) String() string {
	if t == nil {
		return ""
	}
	return t.source
}

// GoString returns Source, quoted by its type, for %#v.
func (t *Template) GoString() string { return "scenarios.Template(" + t.String() + ")" }

// Literal returns the text and true where the template has no variables.
func (t *Template) Literal() (string, bool) {
	var text string
	for _, p := range t.parts {
		if p.name != "" {
			return "", false
		}
		text += p.text
	}
	return text, true
}

// Variables returns the names of the variables, in the order of their first use.
func (t *Template) Variables() []string {
	if t == nil {
		return nil
	}
	var names []string
	seen := make(map[string]bool)
	for _, p := range t.parts {
		if p.name != "" && !seen[p.name] {
			seen[p.name] = true
			names = append(names, p.name)
		}
	}
	return names
}

// saved returns the template as a saved plan has it: variables as {{name}}, secrets as
// [redacted], and every literal ${ escaped so that it is not taken for a reference.
func (t *Template) saved() string {
	if t == nil {
		return ""
	}
	var b strings.Builder
	for _, p := range t.parts {
		switch {
		case p.name != "":
			b.WriteString("{{" + p.name + "}}")
		case p.secret:
			b.WriteString(Redacted)
		default:
			b.WriteString(p.text)
		}
	}
	return escapeReferences(b.String()) // of the whole: a $ may stand before a {{
}
