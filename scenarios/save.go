package scenarios

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// YAML returns the resolved plan as a file that [Parse] reads back without an
// environment. Secrets are [redacted]: the password, the connection strings, what came
// from ${...} inside scenarios, and literal credentials in their headers and bodies. Apart
// from those, parsing it gives an equal plan.
func (p *Plan) YAML() []byte { return p.yaml() }

// Hash returns the SHA-256 of YAML, in hexadecimal: two plans with the same hash ask for
// the same run. No secret plays a part in it.
func (p *Plan) Hash() string {
	sum := sha256.Sum256(p.YAML())
	return hex.EncodeToString(sum[:])
}

// writer writes YAML by hand: the order of the keys and one line for one thing make a
// saved plan readable, and two of them comparable.
type writer struct{ strings.Builder }

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(w, format+"\n", args...)
}

func (p *Plan) yaml() []byte {
	w := &writer{}
	w.line("version: %d", p.Version)
	w.line("name: %s", scalar(p.Name))
	w.system(p.System)
	w.line("load:")
	for _, l := range p.Load {
		w.line("  - {scenario: %s, rate: %s, in_flight: %d}", scalar(l.Scenario), formatRate(l.Rate), l.InFlight)
	}
	w.line("sessions: %d", p.Sessions)
	switch {
	case p.Arrivals.Process == Poisson:
		w.line("arrivals: {process: poisson, seed: %d}", p.Arrivals.Seed)
	default:
		w.line("arrivals: %s", p.Arrivals.Process)
	}
	w.line("phases:")
	for _, ph := range p.Phases {
		w.line("  - {name: %s, duration: %s%s, judged: %t}", scalar(ph.Name), formatDuration(ph.Duration), shape(ph), ph.Judged)
	}
	w.line("limits: {in_flight: %d, timeout: %s, max_lag: %s}", p.Limits.InFlight, formatDuration(p.Limits.Timeout), formatDuration(p.Limits.MaxLag))
	if len(p.StopWhen) > 0 {
		w.line("stop_when:")
	}
	for _, g := range p.StopWhen {
		w.line("  - %s", g.Text)
	}
	w.line("objectives:")
	for _, o := range p.Objectives {
		switch {
		case o.Required && o.Scope == "" && o.Metric != MetricApplication:
			w.line("  - %s", o.Text)
		case o.Required:
			w.line("  - %s", quoted(escapeReferences(o.Text)))
		default:
			w.line("  - {objective: %s, required: false}", quoted(escapeReferences(o.Text)))
		}
	}
	w.line("scenarios:")
	for _, name := range sortedKeys(p.Scenarios) {
		w.scenario(p.Scenarios[name])
	}
	return []byte(w.String())
}

func (w *writer) system(s System) {
	w.line("system:")
	for _, f := range []struct{ key, value string }{
		{"base_url", s.BaseURL}, {"username", s.Username}, {"password", s.Password.String()},
		{"postgres", s.Postgres.String()}, {"redis", s.Redis.String()}, {"ca_file", s.CAFile},
		{"postgres_replica", s.PostgresReplica.String()}, {"redis_probe_key", s.RedisProbeKey},
	} {
		if f.value != "" {
			w.line("  %s: %s", f.key, quoted(escapeReferences(f.value)))
		}
	}
	if s.HTTP2 {
		w.line("  http2: true")
	}
	for _, f := range []struct {
		key   string
		value []string
	}{{"hosts", s.Hosts}, {"metrics", s.Metrics}} {
		if len(f.value) == 0 {
			continue
		}
		w.line("  %s:", f.key)
		for _, v := range f.value {
			w.line("    - %s", quoted(escapeReferences(v)))
		}
	}
}

// shape returns the keys of a phase's shape, none for all of the rate.
func shape(ph Phase) string {
	switch {
	case len(ph.Steps) > 0:
		shares := make([]string, len(ph.Steps))
		for i, s := range ph.Steps {
			shares[i] = formatShare(s)
		}
		return ", steps: [" + strings.Join(shares, ", ") + "]"
	case ph.From != ph.To:
		return ", from: " + formatShare(ph.From) + ", to: " + formatShare(ph.To)
	case ph.From != 1:
		return ", at: " + formatShare(ph.From)
	}
	return ""
}

func (w *writer) scenario(s *Scenario) {
	w.line("  %s:", scalar(s.Name))
	w.line("    steps:")
	for _, st := range s.Steps {
		w.line("      - name: %s", scalar(st.Name))
		w.line("        request:")
		w.line("          method: %s", st.Method)
		w.line("          path: %s", quoted(st.Path.saved()))
		if len(st.Headers) > 0 {
			w.line("          headers:")
			for _, h := range st.Headers {
				w.line("            %s: %s", quoted(h.Name), quoted(h.Value.saved()))
			}
		}
		switch {
		case st.Body == nil:
		case st.JSON:
			w.line("          json: %s", st.Body.saved()) // JSON is YAML
		default:
			w.line("          body: %s", quoted(st.Body.saved()))
		}
		w.expect(st)
		if len(st.Capture) > 0 {
			w.line("        capture:")
			for _, c := range st.Capture {
				w.line("          %s: %s", quoted(c.Name), quoted(escapeReferences(strings.Join(c.Paths, "|"))))
			}
		}
		if len(st.Creates) > 0 {
			w.line("        creates:")
			for _, table := range slices.Sorted(maps.Keys(st.Creates)) {
				w.line("          %s: %d", quoted(table), st.Creates[table])
			}
		}
	}
}

func (w *writer) expect(st Step) {
	codes := make([]string, len(st.Status))
	for i, c := range st.Status {
		codes[i] = fmt.Sprint(c)
	}
	w.line("        expect:")
	w.line("          status: [%s]", strings.Join(codes, ", "))
	if len(st.Expect) == 0 {
		return
	}
	w.line("          json:")
	for _, c := range st.Expect {
		saved := c.saved
		if saved == "" { // not from a file
			saved = escapeReferences(c.Want)
		}
		w.line("            %s: %s", quoted(c.Path), saved)
	}
}

// plainScalar is text that YAML reads as text without quotes, save the words below.
var plainScalar = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// scalar quotes a name where YAML would not read it as text.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return quoted(s)
	}
	if plainScalar.MatchString(s) {
		return s
	}
	return quoted(s)
}

// quoted returns s in YAML's double quotes, on one line. What is not printable is escaped
// so that an editor or a diff cannot change it.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < 0x100 && !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\x%02x`, c)
		case c < 0x10000 && !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\u%04x`, c)
		case !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\U%08x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
