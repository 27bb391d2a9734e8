package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Selector selects series of the application's own metrics: those of a name whose labels
// have at least the given values. Its text is
//
//	metric("name"){label="value", ...}
//
// with Prometheus' names and escapes; the braces may be left out.
type Selector struct {
	Name   string
	Labels map[string]string
}

// metricName and labelName are Prometheus' own, as its text format has them.
var (
	metricName = regexp.MustCompile(`^[A-Za-z_:][A-Za-z0-9_:]*$`)
	labelName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

const exampleSelector = `metric("pool_in_use"){pool="main"}`

// String is the selector's text, normalised: labels by name, no spaces.
func (s Selector) String() string {
	var b strings.Builder
	b.WriteString("metric(" + quotedLabel(s.Name) + ")")
	before := "{"
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		b.WriteString(before + name + "=" + quotedLabel(s.Labels[name]))
		before = ","
	}
	if len(s.Labels) > 0 {
		b.WriteByte('}')
	}
	return b.String()
}

func quotedLabel(s string) string {
	if strings.ContainsAny(s, "\\\"\n") {
		s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
	}
	return `"` + s + `"`
}

// Matches reports whether a series' labels have the selector's values. The bounds of
// buckets are compared as numbers: le="1" is le="1.0".
func (s Selector) Matches(labels map[string]string) bool {
	for name, want := range s.Labels {
		have, ok := labels[name]
		if !ok || have != want && !(name == "le" && sameNumber(have, want)) {
			return false
		}
	}
	return true
}

func sameNumber(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err == nil && err2 == nil && x == y
}

// ParseSelector parses a selector that stands alone.
func ParseSelector(text string) (Selector, error) {
	s, rest, err := cutSelector(text)
	if err == nil && strings.TrimSpace(rest) != "" {
		err = fmt.Errorf("%q follows the selector: write %s alone", strings.TrimSpace(rest), s)
	}
	if err != nil {
		return Selector{}, err
	}
	return s, nil
}

// cutSelector parses the selector that text begins with and returns what follows it.
func cutSelector(text string) (s Selector, rest string, err error) {
	p := selectorParser{rest: text}
	if s.Name, err = p.name(); err != nil {
		return Selector{}, "", err
	}
	if s.Labels, err = p.labels(); err != nil {
		return Selector{}, "", fmt.Errorf(`metric("%s"): %w`, s.Name, err)
	}
	return s, p.rest, nil
}

// selectorParser eats its text from the front.
type selectorParser struct{ rest string }

// take eats a token after spaces, if it is next.
func (p *selectorParser) take(token string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " \t\r\n"), token)
	if ok {
		p.rest = rest
	}
	return ok
}

// name eats metric("name").
func (p *selectorParser) name() (string, error) {
	if !p.take("metric") || !p.take("(") {
		return "", errors.New("write " + exampleSelector + ": metric, and the name in parentheses and quotes")
	}
	name, err := p.text()
	if err != nil {
		return "", fmt.Errorf(`the metric's name %w: write %s`, err, exampleSelector)
	}
	if !p.take(")") {
		return "", fmt.Errorf(`metric(%q is not closed: write metric(%q)`, name, name)
	}
	if !metricName.MatchString(name) {
		return "", fmt.Errorf("%q is no name of a metric: write it as the endpoint tells it (letters, digits, _ and :), and labels in braces: %s", name, exampleSelector)
	}
	return name, nil
}

// labels eats {label="value",...}, or nothing.
func (p *selectorParser) labels() (map[string]string, error) {
	if !p.take("{") {
		return nil, nil
	}
	labels := map[string]string{}
	for !p.take("}") {
		name, err := p.label()
		if err != nil {
			return nil, err
		}
		value, err := p.text()
		if err != nil {
			return nil, fmt.Errorf(`the value of label %s %w: write %s="value"`, name, err, name)
		}
		if _, twice := labels[name]; twice {
			return nil, fmt.Errorf("the label %s is given twice: remove one of the two", name)
		}
		labels[name] = value
		if !p.take(",") && !strings.HasPrefix(strings.TrimLeft(p.rest, " \t\r\n"), "}") {
			return nil, fmt.Errorf(`after %s=%s comes neither "," nor "}": write {label="value",label="value"}`, name, quotedLabel(value))
		}
	}
	if len(labels) == 0 {
		return nil, nil
	}
	return labels, nil
}

// label eats a label's name and its "=".
func (p *selectorParser) label() (string, error) {
	text := strings.TrimLeft(p.rest, " \t\r\n")
	end := strings.IndexAny(text, "=!~,}\" \t\r\n")
	if end < 0 {
		return "", errors.New(`the braces are not closed: write {label="value"}`)
	}
	name := text[:end]
	p.rest = text[end:]
	switch {
	case !labelName.MatchString(name):
		return "", fmt.Errorf(`%q is no label: write {label="value"}`, name)
	case name == "__name__":
		return "", errors.New(`the name of the metric is not a label here: write metric("name")`)
	case p.take("=~"), p.take("!="), p.take("!~"), !p.take("="):
		return "", fmt.Errorf(`label %s: only "=" selects here: write %s="value", and an objective for each value`, name, name)
	}
	return name, nil
}

// text eats a quoted text.
func (p *selectorParser) text() (string, error) {
	if !p.take(`"`) {
		return "", errors.New("is not in double quotes")
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			if !utf8.ValidString(b.String()) {
				return "", errors.New("is not UTF-8")
			}
			return b.String(), nil
		case '\\':
			i++
			switch e := p.rest[i:]; {
			case strings.HasPrefix(e, "n"):
				b.WriteByte('\n')
			case strings.HasPrefix(e, `"`), strings.HasPrefix(e, `\`):
				b.WriteByte(e[0])
			default:
				return "", errors.New(`has an unknown escape: \\, \" and \n are known`)
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("has no closing quote")
}

// application reports whether an objective is one on the application's own metrics, by
// what it begins with.
var application = regexp.MustCompile(`^metric\s*[("{]`)

// scopedApplication is one with a scope before it.
var scopedApplication = regexp.MustCompile(`^[A-Za-z0-9_/-]+\.metric\s*\(`)

// sixComparisons, longer ones first. A selector comes before it, so that no "=" of a label
// can be taken for one.
var sixComparisons = regexp.MustCompile(`^\s*(<=|>=|==|!=|<|>)([^<>=!]*)$`)

// parseApplication parses metric("name"){label="value"} comparison limit.
func parseApplication(text string) (Objective, error) {
	s, rest, err := cutSelector(text)
	if err != nil {
		return Objective{}, err
	}
	o := Objective{Name: s.String(), Metric: MetricApplication, Required: true}
	m := sixComparisons.FindStringSubmatch(rest)
	if m == nil {
		return Objective{}, fmt.Errorf("no comparison after %s: write <, <=, >, >=, == or != and a limit, such as %s < 512MiB", o.Name, o.Name)
	}
	o.Op = Op(m[1])
	limit := strings.Join(strings.Fields(m[2]), "")
	if limit == "" {
		return Objective{}, fmt.Errorf("no limit: write %s %s 512MiB, or a bare number, 250ms or 80%%", o.Name, o.Op)
	}
	if o.Limit, err = parseApplicationLimit(limit); err != nil {
		return Objective{}, err
	}
	if (o.Op == Equal || o.Op == NotEqual) && o.Limit != math.Trunc(o.Limit) {
		return Objective{}, fmt.Errorf("%s compares whole numbers, which %s is not: write < or >", o.Op, limit)
	}
	o.Text = fmt.Sprintf("%s %s %s", o.Name, o.Op, limit)
	return o, nil
}

// parseApplicationLimit reads a bare number, or one with a unit: what the application
// tells is in bytes, seconds or fractions, as Prometheus wants it.
func parseApplicationLimit(limit string) (float64, error) {
	unit := limitUnit(limit)
	switch unit {
	case UnitShare:
		if v, ok := parseDecimal(strings.TrimSuffix(limit, "%"), -2); ok {
			return v, nil
		}
	case UnitBytes:
		if v, err := parseBytes(limit); err == nil {
			return v, nil
		}
	case UnitSeconds:
		if d, err := time.ParseDuration(limit); err == nil {
			return d.Seconds(), nil
		}
	default:
		if v, ok := parseDecimal(limit, 0); ok {
			return v, nil
		}
	}
	return 0, fmt.Errorf("the limit %q is neither a number nor one with a unit: write 100, 512MiB, 250ms or 80%%", limit)
}

// limitUnit is what the form of a limit says that it is in.
func limitUnit(limit string) Unit {
	_, bare := parseDecimal(limit, 0)
	switch {
	case bare:
		return UnitNumber
	case strings.HasSuffix(limit, "%"):
		return UnitShare
	case strings.HasSuffix(limit, "B"):
		return UnitBytes
	case strings.HasSuffix(limit, "s"), strings.HasSuffix(limit, "m"), strings.HasSuffix(limit, "h"):
		return UnitSeconds
	}
	return UnitNumber
}
