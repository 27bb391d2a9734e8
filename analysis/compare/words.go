package compare

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// label names a metric in words: "message p99", "all arrivals p50", "error rate of message".
func label(kind Kind, scope, name string) string {
	name = words(name)
	switch kind {
	case KindAll:
		return "all arrivals " + name
	case KindStatement:
		return fmt.Sprintf("statement %q %s", shortened(scope), name)
	}
	return scope + " " + name
}

// words is a metric's name without underscores.
func words(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "_per_s", "/s"), "_", " ")
}

// Words is the metric's name alone: "calls per arrival".
func (m Metric) Words() string { return words(m.Name) }

// statementShown is how much of a statement's text stands in a sentence.
const statementShown = 60

func shortened(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) <= statementShown {
		return string(runes)
	}
	return string(runes[:statementShown]) + "..."
}

// Label names the metric in words.
func (m Metric) Label() string { return label(m.Kind, m.Scope, m.Name) }

// Format prints a value of the metric in its unit.
func (m Metric) Format(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "?"
	}
	switch m.Unit {
	case UnitSeconds:
		d := time.Duration(v * float64(time.Second))
		unit := time.Duration(1)
		for x := d.Abs(); x >= 1000; x /= 10 {
			unit *= 10
		}
		return d.Round(unit).String()
	case UnitShare:
		return fmt.Sprintf("%.3g%%", 100*v)
	case UnitPerS:
		return number(v) + "/s"
	}
	return number(v)
}

// number prints three significant digits, and of what is larger the whole: 1000/s, not 1e+03/s.
func number(v float64) string {
	if math.Abs(v) >= 999.5 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// FormatChange prints a change, a bound of one or a margin of the metric: +29%, or a difference
// in points of percent or in calls.
func (x Change) FormatChange(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "?"
	case x.Absolute && x.Metric.Unit == UnitShare:
		return points(100 * v)
	case x.Absolute && x.Metric.Unit == UnitSeconds && v >= 0:
		return "+" + x.Metric.Format(v)
	case x.Absolute && x.Metric.Unit == UnitSeconds:
		return x.Metric.Format(v)
	case x.Absolute:
		if v >= 0 {
			return "+" + number(v)
		}
		return number(v)
	case v >= 9.995:
		return "x" + number(1+v)
	case math.Abs(v) < 0.00995:
		return fmt.Sprintf("%+.1f%%", 100*v)
	}
	return fmt.Sprintf("%+.0f%%", 100*v)
}

// points prints a difference with its sign, which none has no use for: -0 is a 0 that was turned.
func points(v float64) string {
	if math.Abs(v) < 1e-9 {
		return "0 points"
	}
	return fmt.Sprintf("%+.2g points", v)
}

// FormatMargin prints the margin without a sign.
func (x Change) FormatMargin() string { return strings.TrimPrefix(x.FormatChange(x.Margin), "+") }

// oriented turns a change, positive where worse, into the direction in which the value itself
// moves, for people: of throughput -17%, not +20%.
func (x Change) oriented(v float64) float64 {
	switch {
	case x.Metric.Lower || math.IsInf(v, 0):
		return v
	case x.Absolute:
		return -v
	}
	return 1/(1+v) - 1
}

// Moved prints the change in the direction in which the value moved.
func (x Change) Moved() string { return x.FormatChange(x.oriented(x.Change)) }

// Between prints the two bounds in the direction in which the value moved, lower first.
func (x Change) Between() string {
	low, high := x.FormatChange(x.oriented(x.Low)), x.FormatChange(x.oriented(x.High))
	if !x.Metric.Lower {
		low, high = high, low
	}
	return low + " .. " + high
}

// sentence says a verdict in a sentence that a person can act on.
func (x Change) sentence() string {
	m := x.Metric
	if m.AmongFailures {
		return fmt.Sprintf("%s: %s -> slower than any answer, since so many of the run's arrivals failed; whether that is more than chance is said of the error rate", m.Label(), m.Format(x.Baseline))
	}
	values := fmt.Sprintf("%s -> %s", m.Format(x.Baseline), m.Format(m.Value))
	switch {
	case m.Kind == KindStatement && m.Name == callsPerArrival && x.Baseline == 0:
		values = fmt.Sprintf("0 -> %s, a statement that the baseline does not call", m.Format(m.Value))
	case m.Kind == KindStatement && m.Name == callsPerArrival && m.Value == 0:
		values = fmt.Sprintf("%s -> 0, it is no longer called", m.Format(x.Baseline))
	}
	said := ""
	if x.Verdict == Regressed || x.Verdict == Improved {
		said = " " + string(x.Verdict)
	}
	text := fmt.Sprintf("%s%s: %s (%s", m.Label(), said, values, x.Moved())
	bound := func(v float64) string { return x.FormatChange(x.oriented(v)) }
	switch x.Verdict {
	case Regressed:
		return fmt.Sprintf("%s, at least %s), margin %s", text, bound(x.Low), x.FormatMargin())
	case Improved:
		return fmt.Sprintf("%s, at least %s), margin %s", text, bound(x.High), x.FormatMargin())
	case Same:
		return fmt.Sprintf("%s, at worst %s): not worse by more than the margin %s", text, bound(x.High), x.FormatMargin())
	}
	switch {
	case m.Unit == UnitShare && m.Lower && x.Baseline == 0 && m.Value == 0 && !math.IsNaN(x.P):
		return fmt.Sprintf("%s: none failed, in the baseline or now, but of %d arrivals an increase by %s cannot be excluded, and the margin is %s; a longer run could", m.Label(), m.N, strings.TrimPrefix(bound(x.High), "+"), x.FormatMargin())
	case math.IsNaN(x.P):
		return text + "): how much runs differ by themselves is not known with one run in the baseline"
	case x.Low > 0 && x.Change >= x.Margin:
		return fmt.Sprintf("%s, at least %s): alone it would be called a regression, but among so many metrics such a change comes by chance too often (p %.2g after correction)", text, bound(x.Low), x.Adjusted)
	case x.High < 0:
		return fmt.Sprintf("%s): too little for the margin %s, or too likely by chance", text, x.FormatMargin())
	}
	return fmt.Sprintf("%s, between %s and %s): runs differ too much to tell, margin %s", text, bound(x.Low), bound(x.High), x.FormatMargin())
}

// reasons shown at most; the rest is in the list of changes.
const reasonsShown = 10

// looksShown is how many undecided metrics that look worse are named.
const looksShown = 3

// reason says what decides.
func (c *Comparison) reason() {
	counts := map[Verdict]int{}
	var looks []string // undecided, and worse by the margin as they stand
	for _, x := range c.Changes {
		if !x.Decides {
			continue
		}
		counts[x.Verdict]++
		if x.Verdict == Inconclusive && x.Change >= x.Margin && x.Change > 0 {
			looks = append(looks, x.Metric.Label())
		}
		if x.Verdict == Regressed && counts[Regressed] <= reasonsShown {
			c.Reasons = append(c.Reasons, x.Reason)
		}
	}
	switch n := counts[Regressed] - reasonsShown; {
	case n == 1:
		c.Reasons = append(c.Reasons, "and 1 more metric regressed")
	case n > 1:
		c.Reasons = append(c.Reasons, fmt.Sprintf("and %d more metrics regressed", n))
	}
	decided := fmt.Sprintf("of %d metrics that count %d are not worse by more than the margin, %d improved, %d are undecided", c.Family, counts[Same], counts[Improved], counts[Inconclusive])
	switch {
	case c.Regressed:
		c.Reasons = append(c.Reasons, fmt.Sprintf("%s, %d regressed", decided, counts[Regressed]))
	case c.Family == 0:
		c.Reasons = append(c.Reasons, "nothing could be compared")
	case counts[Inconclusive] == c.Family:
		c.Reasons = append(c.Reasons, "nothing could be decided: this is no proof that nothing became worse")
	case counts[Inconclusive] > 0:
		c.Reasons = append(c.Reasons, decided+": of these it is not proved that they did not become worse")
	default:
		c.Reasons = append(c.Reasons, decided)
	}
	if n := len(looks); n > 0 {
		named := strings.Join(looks[:min(n, looksShown)], ", ")
		if n > looksShown {
			named += fmt.Sprintf(" and %d more", n-looksShown)
		}
		c.Reasons = append(c.Reasons, fmt.Sprintf("undecided, but worse by the margin or more as far as this run shows: %s; run again to know whether that was chance", named))
	}
}
