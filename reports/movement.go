package reports

import (
	"fmt"
	"math"

	"arqload/analysis"
	"arqload/scenarios"
)

// Movement is what moved when the latency did: p95 of the arrivals planned in each judged
// second, beside the series of the collectors and of the load. It names no cause.
type Movement struct {
	Reason           string       `json:"reason"`  // why nothing could be compared
	Seconds          int          `json:"seconds"` // that have a p95
	P95              *Spread      `json:"p95"`
	Change           *LevelChange `json:"change"` // where p95's level most likely changed; null: it did not vary
	Moved            bool         `json:"moved"`  // that change is more than the latency's usual waves
	Looked           int          `json:"series"` // that were compared
	Lags             int          `json:"lags"`
	Constant         int          `json:"series_constant"` // left out: they did not vary
	Sparse           int          `json:"series_sparse"`   // left out: they have too few seconds
	ExpectedByChance float64      `json:"expected_by_chance"`
	Found            []Mover      `json:"found"`
	Cautions         []string     `json:"cautions"`
}

// Spread is the distribution of the seconds' p95.
type Spread struct {
	Min    float64 `json:"min_s"`
	Q1     float64 `json:"q1_s"`
	Median float64 `json:"median_s"`
	Q3     float64 `json:"q3_s"`
	Max    float64 `json:"max_s"`
}

// LevelChange is where p95's level changed.
type LevelChange struct {
	At     float64 `json:"at_s"`
	Before float64 `json:"before_s"` // medians
	After  float64 `json:"after_s"`
	P      float64 `json:"p"`
}

// Mover is one series that moved with p95.
type Mover struct {
	Series       string         `json:"name"`
	Of           string         `json:"of"`
	Source       string         `json:"source"`
	Unit         scenarios.Unit `json:"unit"`
	Rate         bool           `json:"rate"` // a counter: its values are by the second
	Tied         string         `json:"tied"` // why it could not but move with response times
	Lag          int            `json:"lag_s"`
	Correlation  float64        `json:"correlation"` // Spearman's, with the p95 lag_s later
	Seconds      int            `json:"seconds"`
	Effective    float64        `json:"effective_seconds"` // independent ones that would tell as much
	CorrelationP float64        `json:"correlation_p"`     // times the lags
	Before       *float64       `json:"before"`            // medians on the two sides of p95's change; null: it did not move
	After        *float64       `json:"after"`
	Delta        *float64       `json:"cliffs_delta"`
	LevelP       *float64       `json:"level_p"`
	P            float64        `json:"p"`
	Holm         float64        `json:"p_holm"` // corrected for the number of series
	Significant  bool           `json:"significant"`
}

func movement(s *analysis.Summary) Movement {
	m := s.Movement
	out := Movement{Reason: m.Reason, Seconds: m.Seconds, Moved: m.Moved(), Looked: m.Looked, Lags: m.Lags, Constant: m.Constant, Sparse: m.Sparse,
		ExpectedByChance: m.ByChance, Found: []Mover{}, Cautions: list(m.Cautions)}
	if m.Seconds > 0 {
		p := m.P95
		out.P95 = &Spread{Min: p.Min.Seconds(), Q1: p.Q1.Seconds(), Median: p.Median.Seconds(), Q3: p.Q3.Seconds(), Max: p.Max.Seconds()}
	}
	if c := m.Change; c != nil {
		out.Change = &LevelChange{At: c.At.Seconds(), Before: c.Before.Seconds(), After: c.After.Seconds(), P: c.P}
	}
	for _, f := range m.Found {
		o := Mover{Series: f.Name, Of: f.Of, Source: f.Source, Unit: f.Unit, Rate: f.Rate, Tied: f.Tied, Lag: f.Lag, Correlation: f.Correlation, Seconds: f.Seconds,
			Effective: f.Effective, CorrelationP: f.CorrelationP, P: f.P, Holm: f.Holm, Significant: f.Significant()}
		if l := f.Level; l != nil {
			o.Before, o.After, o.Delta, o.LevelP = &l.Before, &l.After, &l.Delta, &l.P
		}
		out.Found = append(out.Found, o)
	}
	return out
}

// moversShown is how many series the terminal shows.
const moversShown = 8

func (t *text) movement() {
	m := t.r.Movement
	t.heading("What moved with the latency")
	if m.Reason != "" {
		t.paragraph("  ", m.Reason)
		return
	}
	moved := "its level did not change by more than its usual waves"
	if m.Moved {
		moved = fmt.Sprintf("its level changed at %s, from %s to %s", secs(m.Change.At), secs(m.Change.Before), secs(m.Change.After))
	}
	p95 := fmt.Sprintf("p95 of the second: %s on the median, between %s and %s; %s", secs(m.P95.Median), secs(m.P95.Min), secs(m.P95.Max), moved)
	left := fmt.Sprintf("%d series compared, %d constant, %d with too few seconds", m.Looked, m.Constant, m.Sparse)
	if len(m.Found) == 0 {
		t.paragraph("  ", p95+". Nothing moved with it ("+left+").")
		return
	}
	t.paragraph("  ", p95+" ("+left+").")
	header := []string{"series", "leads p95 by", "correlation", "before", "after"}
	align := "cRRRR"
	if !m.Moved {
		header, align = header[:3], align[:3]
	}
	tab := t.table(align, header...)
	unsure := false
	for i, f := range m.Found {
		if i == moversShown {
			break
		}
		doubt := ""
		if !f.Significant {
			doubt, unsure = "? ", true
		}
		lag := "0 s"
		if f.Lag != 0 {
			lag = fmt.Sprintf("%+d s", f.Lag)
		}
		cells := []string{f.label(), lag, fmt.Sprintf("%s%+.2f", doubt, f.Correlation), f.value(f.Before), f.value(f.After)}
		tab.row(cells[:len(header)]...)
	}
	tab.render()
	if n := len(m.Found) - moversShown; n > 0 {
		t.paragraph("  ", fmt.Sprintf("and %d more in report.json", n))
	}
	notes := m.Cautions
	if unsure {
		notes = append([]string{"? may be chance, among so many series"}, notes...)
	}
	for _, c := range notes {
		t.paragraph("  - ", c)
	}
}

func (f *Mover) label() string { return analysis.Series{Name: f.Series, Of: f.Of}.Label() }

// value prints a value of the series in its unit.
func (f *Mover) value(v *float64) string {
	if v == nil {
		return "-"
	}
	x := *v
	if f.Unit == scenarios.UnitBytes {
		x = math.Round(x)
	}
	s := analysis.FormatValue(x, f.Unit)
	if f.Rate {
		s += "/s"
	}
	return s
}
