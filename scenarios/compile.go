package scenarios

import (
	"fmt"
	"strings"
)

// compiler builds one template piece by piece.
type compiler struct {
	secrets []string // values that are secret even where the plan writes them out
	parts   []part
	source  strings.Builder
}

// text appends literal text; a secret in it becomes a part of its own.
func (c *compiler) text(s string) {
	for s != "" {
		first, length := len(s), 0
		for _, secret := range c.secrets {
			if i := strings.Index(s, secret); i >= 0 && i < first {
				first, length = i, len(secret)
			}
		}
		c.exactly(s[:first])
		if length > 0 {
			c.literal(s[first:first+length], true)
			c.source.WriteString(Redacted)
		}
		s = s[first+length:]
	}
}

// exactly appends literal text that is no one's secret.
func (c *compiler) exactly(s string) {
	c.literal(s, false)
	c.source.WriteString(s)
}

// literal appends s to the request, but not to the source.
func (c *compiler) literal(s string, secret bool) {
	if n := len(c.parts); n > 0 && c.parts[n-1].name == "" && c.parts[n-1].secret == secret {
		c.parts[n-1].text += s
	} else if s != "" {
		c.parts = append(c.parts, part{text: s, secret: secret})
	}
}

// compile appends a scalar. escape is how its variables are written, and encode how its
// literal text is, nil for as it is. The problems are messages.
func (c *compiler) compile(ps pieces, escape escaping, encode func(string) string) (problems []string) {
	if encode == nil {
		encode = func(s string) string { return s }
	}
	for _, p := range ps {
		if p.secret {
			// A part even where it is empty: the texts at its sides are not one text.
			c.parts = append(c.parts, part{text: encode(p.text), secret: true})
			c.source.WriteString(encode(p.source))
			continue
		}
		s := p.text
		for {
			before, rest, found := strings.Cut(s, "{{")
			c.text(encode(before))
			if !found {
				break
			}
			inside, after, closed := strings.Cut(rest, "}}")
			name := strings.TrimSpace(inside)
			switch {
			case !closed:
				return append(problems, "{{ without its }}: write {{token}}")
			case !variableName.MatchString(name):
				problems = append(problems, fmt.Sprintf("{{%s}} names no variable: write letters, digits and _, such as {{token}}", inside))
			default:
				c.parts = append(c.parts, part{name: name, escape: escape})
				c.source.WriteString("{{" + inside + "}}")
			}
			s = after
		}
	}
	return problems
}

func (c *compiler) template() *Template {
	return &Template{parts: c.parts, source: c.source.String()}
}

// redact makes every literal secret for which keep is false, and its source with it: a
// literal may be as secret as a value from the environment where the plan's author did
// not care to keep it apart.
func (c *compiler) redact(keep func(literal string) (kept, secret string)) (found []string) {
	old := c.parts
	c.parts = nil
	c.source.Reset()
	for _, p := range old {
		switch {
		case p.name != "":
			c.parts = append(c.parts, p)
			c.source.WriteString("{{" + p.name + "}}")
		case p.secret:
			c.parts = append(c.parts, p)
			c.source.WriteString(Redacted)
		default:
			kept, secret := keep(p.text)
			c.literal(kept, false)
			c.literal(secret, true)
			c.source.WriteString(kept)
			if secret != "" {
				c.source.WriteString(Redacted)
				found = append(found, secret)
			}
		}
	}
	return found
}
