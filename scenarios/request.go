package scenarios

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// path compiles a request's path. A variable before the ? is one path segment, one after
// it a query value.
func (p place) path(n *node, path string) *Template {
	ps, ok := p.pieces(n, path)
	if !ok {
		return nil
	}
	t := p.compiled(n, path, ps, &compiler{secrets: p.secrets}, asSegment)
	inQuery := false
	var sent, saved strings.Builder // with x for each variable
	for i := range t.parts {
		part := &t.parts[i]
		text := part.text
		if part.name != "" {
			text = "x"
			if inQuery {
				part.escape = asQuery
			}
		}
		inQuery = inQuery || strings.Contains(text, "?")
		sent.WriteString(text)
		if part.secret {
			text = Redacted
		}
		saved.WriteString(text)
	}
	// The saved plan is to be read again, so a value may not hold half of a %2F either.
	for _, text := range []string{sent.String(), saved.String()} {
		if message := checkPath(text); message != "" {
			p.problem(n, path, "%s %s", shown(ps), message)
			break
		}
	}
	return t
}

// checkPath returns what is wrong with a request's path, or "".
func checkPath(text string) string {
	if strings.HasPrefix(text, Redacted) {
		text = "/" + text // it began with ${...}
	}
	switch {
	case strings.HasPrefix(text, "http://"), strings.HasPrefix(text, "https://"):
		return "holds a host: write the path alone, such as /api/profile; system.base_url goes before it"
	case !strings.HasPrefix(text, "/"):
		return "does not begin with /: write the path from the root, such as /api/profile"
	case strings.HasPrefix(text, "//"):
		return "begins with //, which would name a host: write one /"
	case strings.Contains(text, "#"):
		return "has a #, which is never sent: remove it, or write %23"
	case strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return "has a space or a control character: write it percent-encoded, a space as %20"
	}
	if _, err := url.ParseRequestURI(text); err != nil {
		return "is no path of a URL: percent-encode what is special in it, a % as %25"
	}
	return ""
}

// headerName is what HTTP allows in one.
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// transportHeaders are set by the transport; a scenario's value would contradict the
// request or be ignored.
var transportHeaders = []string{"Connection", "Content-Length", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func (p place) headers(n *node, path string) []Header {
	fields, _ := p.table(n, path, `{Authorization: "Bearer {{token}}"}`)
	var out []Header
	for _, f := range fields {
		at, name := join(path, f.key), canonicalHeader(f.key)
		same := func(h Header) bool { return h.Name == name }
		switch {
		case !headerName.MatchString(f.key):
			p.problemAt(f.line, f.column, at, "%q is no header's name: write letters, digits and -, such as Accept", f.key)
			continue
		case slices.Contains(transportHeaders, name):
			p.problemAt(f.line, f.column, at, "%s is set by the transport: remove it", name)
			continue
		case slices.ContainsFunc(out, same):
			p.problemAt(f.line, f.column, at, "%s is given twice: header names do not differ by case", name)
			continue
		}
		if t := p.header(name, f.value, at); t != nil {
			out = append(out, Header{Name: name, Value: t})
		}
	}
	slices.SortFunc(out, func(a, b Header) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (p place) header(name string, n *node, path string) *Template {
	ps, ok := p.pieces(n, path)
	if !ok {
		return nil
	}
	if strings.ContainsFunc(ps.String(), func(c rune) bool { return headerRune(c) < 0 }) {
		p.problem(n, path, "the value has a line break or another control character, which would end the header: write it in one line")
		return nil
	}
	c := &compiler{secrets: p.secrets}
	t := p.compiled(n, path, ps, c, asHeader)
	if secretHeader(name) {
		for _, credential := range c.redact(keepScheme) {
			// Also each value of it: an answer may show one cookie of several.
			words := strings.FieldsFunc(credential, func(c rune) bool { return strings.ContainsRune("=;, \t", c) })
			for _, w := range append(words, credential) {
				if len(w) >= minScrubbed {
					p.found = append(p.found, w)
				}
			}
		}
		t = c.template()
	}
	return t
}

// secretHeader reports whether a header carries a credential by its name.
func secretHeader(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie":
		return true
	}
	lower := strings.ToLower(name)
	for _, word := range []string{"api-key", "apikey", "token", "secret", "password", "credential", "session"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// scheme is the word before a credential, which says nothing about it.
var scheme = regexp.MustCompile(`^\s*(?i:Bearer|Basic|Digest|Token|ApiKey|Negotiate)?\s*$|^(?i:Bearer|Basic|Digest|Token|ApiKey|Negotiate)\s+`)

// keepScheme splits a literal of a credential header into what may be saved and the rest.
func keepScheme(literal string) (kept, secret string) {
	kept = scheme.FindString(literal)
	return kept, literal[len(kept):]
}

// canonicalHeader is textproto.CanonicalMIMEHeaderKey, whose package is part of net.
func canonicalHeader(name string) string {
	b := []byte(name)
	upper := true
	for i, c := range b {
		switch {
		case upper && 'a' <= c && c <= 'z':
			b[i] = c - 'a' + 'A'
		case !upper && 'A' <= c && c <= 'Z':
			b[i] = c - 'A' + 'a'
		}
		upper = c == '-'
	}
	return string(b)
}
