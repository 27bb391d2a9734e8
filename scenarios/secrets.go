package scenarios

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	// minSecret is the length from which a value met inside a scenario counts as secret: a
	// scrubber that looked for "1" would leave nothing readable.
	minSecret = 4
	// minScrubbed is the length from which a password is looked for in the plan's own
	// literal text. A short one is a common word there more often than a leak.
	minScrubbed = 8
)

// Secrets returns every secret value of the plan, for a scrubber to look for in what it
// writes: the password, the connection strings with the passwords in them, and what came
// into scenarios from ${...} or stands as a literal credential in their headers and
// bodies, of 4 bytes or more. Each comes as it is and as JSON and URLs would have it,
// the longest first, so that replacing one leaves no rest of another.
func (p *Plan) Secrets() []string {
	values := p.System.secrets()
	if p.secrets != nil {
		for _, v := range p.secrets.values {
			if len(v) >= minSecret {
				values = append(values, v)
			}
		}
	}
	var out []string
	for _, v := range values {
		if v == "" || v == Redacted {
			continue
		}
		out = append(out, v, string(appendJSONString(nil, v)), url.PathEscape(v), url.QueryEscape(v))
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	return slices.Compact(out)
}

// IsRedacted reports whether a secret of the plan is only [redacted]: a saved plan, which
// can be judged but not run.
func (p *Plan) IsRedacted() bool {
	s := p.System
	if s.Password.value == Redacted || s.Postgres.value == Redacted || s.PostgresReplica.value == Redacted || s.Redis.value == Redacted {
		return true
	}
	for _, sc := range p.Scenarios {
		for _, st := range sc.Steps {
			templates := []*Template{st.Path, st.Body}
			for _, h := range st.Headers {
				templates = append(templates, h.Value)
			}
			for _, t := range templates {
				if t != nil && t.contains(Redacted) {
					return true
				}
			}
		}
	}
	return false
}

// contains reports whether the text that is sent holds s.
func (t *Template) contains(s string) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return strings.Contains(p.text, s) })
}

// secrets returns the secret values of the system section.
func (s System) secrets() []string {
	values := []string{s.Password.Reveal(), s.Postgres.Reveal(), s.PostgresReplica.Reveal(), s.Redis.Reveal()}
	values = append(values, passwordsOf(s.Postgres.Reveal())...)
	values = append(values, passwordsOf(s.PostgresReplica.Reveal())...)
	for _, one := range strings.Split(s.Redis.Reveal(), ",") {
		values = append(values, passwordsOf(strings.TrimSpace(one))...)
	}
	return values
}

// longSecrets returns those secrets that are looked for in the plan's literal text.
func (s System) longSecrets() []string {
	return slices.DeleteFunc(s.secrets(), func(v string) bool { return len(v) < minScrubbed || v == Redacted })
}

// dsnPassword finds password=value and password='quoted value' in a connection string.
var dsnPassword = regexp.MustCompile(`(?i)(?:^|[\s?&])[a-z]*password\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]+)`)

// passwordsOf returns the passwords in a connection string, as written and as they are.
func passwordsOf(dsn string) []string {
	var out []string
	// By hand rather than by url.Parse alone: it also finds the password in a string that
	// is no valid URL.
	if _, rest, ok := strings.Cut(dsn, "://"); ok {
		authority, _, _ := strings.Cut(rest, "/")
		if i := strings.LastIndexByte(authority, '@'); i >= 0 {
			if _, password, ok := strings.Cut(authority[:i], ":"); ok {
				out = append(out, password)
				if plain, err := url.PathUnescape(password); err == nil {
					out = append(out, plain)
				}
			}
		}
	}
	for _, m := range dsnPassword.FindAllStringSubmatch(dsn, -1) {
		v := m[1]
		if len(v) >= 2 && v[0] == '\'' {
			v = strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(v[1 : len(v)-1])
		}
		out = append(out, v)
		if plain, err := url.QueryUnescape(v); err == nil {
			out = append(out, plain)
		}
	}
	return out
}
