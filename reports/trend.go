package reports

import (
	"fmt"
	"strings"

	"arqload/analysis"
	"arqload/scenarios"
)

// PhaseSteadiness says of a judged phase whether it held still.
type PhaseSteadiness struct {
	Phase   string `json:"phase"`
	Steady  *bool  `json:"steady"`  // true: no trend was found; null: it cannot be told
	Reason  string `json:"reason"`  // why not
	Seconds int    `json:"seconds"` // whole ones in it
	Looked  int    `json:"series"`  // that were looked at
}

// Trend is one series over a judged phase of constant load. It is not steady where the
// change is significant after correction for all trends and large: 10% at least, and of a
// size that matters.
type Trend struct {
	Phase  string         `json:"phase"`
	Series string         `json:"series"`
	Of     string         `json:"of"`
	Source string         `json:"source"`
	Unit   scenarios.Unit `json:"unit"`
	Rate   bool           `json:"rate"` // a counter: its values are by the second
	From   float64        `json:"from"` // ends of the Theil-Sen line, or with at_s the medians before and after it
	To     float64        `json:"to"`
	AtS    *float64       `json:"at_s"`   // of one change of level, where it is rather that; null: a trend
	Change *float64       `json:"change"` // relative; null: it began at 0
	P      float64        `json:"p"`      // of "it held its level"
	Holm   float64        `json:"p_holm"` // adjusted for all trends
	N      int            `json:"n"`      // values
	Steady bool           `json:"steady"`
	// Doubtful: it is large, and would be significant if it alone had been looked at.
	Doubtful bool `json:"doubtful"`

	words string
}

func steadiness(s *analysis.Summary) []PhaseSteadiness {
	out := []PhaseSteadiness{}
	for _, p := range s.Steadiness.Phases {
		x := PhaseSteadiness{Phase: p.Phase, Reason: p.Reason, Seconds: p.Seconds, Looked: p.Looked}
		if p.Reason == "" {
			steady := true
			for _, t := range s.Steadiness.Trends {
				steady = steady && (t.Phase != p.Phase || t.Steady)
			}
			x.Steady = &steady
		}
		out = append(out, x)
	}
	return out
}

func trends(s *analysis.Summary) []Trend {
	out := []Trend{}
	for _, t := range s.Steadiness.Trends {
		x := Trend{Phase: t.Phase, Series: t.Name, Of: t.Of, Source: t.Source, Unit: t.Unit, Rate: t.Rate,
			From: t.From, To: t.To, P: t.P, Holm: t.Holm, N: t.N, Steady: t.Steady, Doubtful: t.Doubtful, words: t.Words("")}
		if c, ok := t.Change(); ok {
			x.Change = &c
		}
		if t.Level {
			x.AtS = ptr(t.At.Seconds())
		}
		out = append(out, x)
	}
	return out
}

// minute is how many seconds are enough to find a rise by two fifths among noise of a tenth.
const minute = 60

// steady says in one line that no trend was found, or what moved.
func (t *text) steady() {
	if len(t.r.Steadiness) == 0 {
		return
	}
	t.heading("Steady?")
	for _, p := range t.r.Steadiness {
		what := p.Reason
		if p.Steady != nil {
			what = p.words(t.r.Trends)
		}
		if len(t.r.Steadiness) > 1 {
			what = p.Phase + ": " + what
		}
		t.paragraph("  ", what)
	}
}

// words says what was found in a phase that could be looked at.
func (p *PhaseSteadiness) words(trends []Trend) string {
	var moved, doubtful []string
	for _, x := range trends {
		switch {
		case x.Phase != p.Phase:
		case !x.Steady:
			moved = append(moved, x.words)
		case x.Doubtful:
			doubtful = append(doubtful, x.words)
		}
	}
	what := fmt.Sprintf("no trend found in %d s: none of %d series (latency, requests in flight, errors, memory, connections) moved by 10%% or more beyond its usual waves", p.Seconds, p.Looked)
	switch {
	case len(moved) > 0:
		what = fmt.Sprintf("NO: %s, of %d series in %d s", strings.Join(moved, "; "), p.Looked, p.Seconds)
	case len(doubtful) > 0:
		what = fmt.Sprintf("not certain, of %d series in %d s", p.Looked, p.Seconds)
	case p.Seconds < minute:
		what += "; in less than a minute only a strong one can be found"
	}
	if len(doubtful) > 0 {
		what += "; may be chance, or too wavy to tell: " + strings.Join(doubtful, "; ")
	}
	return what
}
