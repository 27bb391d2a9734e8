package scenarios

import (
	"fmt"
	"regexp"
	"strings"
)

// secretKey are keys of a JSON body whose literal value is not saved: a plan may name its
// test user's password itself.
var secretKey = regexp.MustCompile(`(?i)^(.*[_-])?(password|passwd|secret|token|api_?key|authorization)$`)

// jsonTemplate compiles n, any YAML value, to JSON text. The text is made once, here;
// variables stand inside its strings and are escaped when they are inserted.
func (r *reader) jsonTemplate(n *node, path string) (*Template, bool) {
	c := &compiler{secrets: jsonEscaped(r.secrets)}
	ok := r.appendJSON(c, n, path, false)
	return c.template(), ok
}

func jsonEscaped(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(appendJSONString(nil, v))
	}
	return out
}

// appendJSON appends n; secret says that its key names a secret.
func (r *reader) appendJSON(c *compiler, n *node, path string, secret bool) (ok bool) {
	switch n.kind {
	case null:
		c.exactly("null")
		return true
	case boolean:
		c.exactly(strings.ToLower(n.text))
		return true
	case number:
		if !jsonNumber.MatchString(n.text) {
			r.problem(n, path, "%s is no JSON number: write it in decimal, or in quotes if it is text", n.text)
			return false
		}
		c.exactly(n.text)
		return true
	case str:
		return r.appendJSONText(c, n, path, secret)
	case list:
		ok = true
		c.exactly("[")
		for i, v := range n.items {
			if i > 0 {
				c.exactly(",")
			}
			ok = r.appendJSON(c, v, fmt.Sprintf("%s[%d]", path, i), secret) && ok
		}
		c.exactly("]")
		return ok
	case mapping:
		ok = true
		c.exactly("{")
		for i, f := range n.fields {
			if i > 0 {
				c.exactly(",")
			}
			if strings.Contains(f.key, "${") || strings.Contains(f.key, "{{") {
				r.problemAt(f.line, f.column, join(path, f.key), "a key is sent as it is: write ${...} and {{...}} in values only")
				ok = false
			}
			c.exactly(jsonText(f.key) + ":")
			ok = r.appendJSON(c, f.value, join(path, f.key), secretKey.MatchString(f.key)) && ok
		}
		c.exactly("}")
		return ok
	}
	return false // refused
}

func (r *reader) appendJSONText(c *compiler, n *node, path string, secret bool) bool {
	ps, ok := r.pieces(n, path)
	if !ok {
		return false
	}
	r.note(ps)
	c.exactly(`"`)
	inner := &compiler{secrets: c.secrets}
	problems := inner.compile(ps, insideJSON, func(s string) string { return string(appendJSONString(nil, s)) })
	if secret {
		inner.redact(func(literal string) (string, string) { return "", literal })
		if len(inner.template().Variables()) == 0 {
			r.found = append(r.found, ps.String())
		}
	}
	for _, p := range inner.parts {
		if p.name != "" || p.secret {
			c.parts = append(c.parts, p)
			continue
		}
		c.literal(p.text, false)
	}
	c.source.WriteString(inner.source.String())
	c.exactly(`"`)
	for _, p := range problems {
		r.problem(n, path, "%s", p)
	}
	return len(problems) == 0
}

// note remembers the values of ps that came from ${...}, for Plan.Secrets.
func (r *reader) note(ps pieces) {
	for _, p := range ps {
		if p.secret {
			r.found = append(r.found, p.text)
		}
	}
}
