package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"arqload/analysis"
	"arqload/analysis/compare"
)

// ComparisonSummary says with what a run was compared and what came of it.
type ComparisonSummary struct {
	Baseline   string   `json:"baseline"`
	Runs       []string `json:"runs"`
	Paired     bool     `json:"paired"` // two systems in alternating slices
	Confidence float64  `json:"confidence"`
	Family     int      `json:"family"` // metrics that decide, for whose number p_adjusted is corrected
	Regressed  bool     `json:"regressed"`
	Reasons    []string `json:"reasons"`
	Warnings   []string `json:"warnings"`
	NotMade    string   `json:"not_made,omitempty"` // why there is no comparison
}

// Change is one metric, compared. Change, its bounds and its margin are positive where the run is
// worse; relative ones are fractions, absolute ones are in the metric's unit. A null is not known.
type Change struct {
	Kind       compare.Kind    `json:"kind"`
	Scope      string          `json:"scope"`
	Metric     string          `json:"metric"`
	Unit       compare.Unit    `json:"unit"`
	Baseline   float64         `json:"baseline"`
	Observed   *float64        `json:"observed"` // null: the quantile's rank lies among the failures
	Lower      bool            `json:"smaller_is_better"`
	Scale      string          `json:"scale"` // relative or absolute
	Change     *float64        `json:"change"`
	Low        *float64        `json:"low"` // one-sided bounds, each at confidence
	High       *float64        `json:"high"`
	Margin     float64         `json:"margin"`
	Confidence float64         `json:"confidence"`
	N          uint64          `json:"n"`    // arrivals, calls or reads of the run
	Runs       int             `json:"runs"` // of the baseline
	P          *float64        `json:"p"`
	Adjusted   *float64        `json:"p_adjusted"`
	Decides    bool            `json:"decides"` // else it is only shown
	Verdict    compare.Verdict `json:"verdict"`
	Reason     string          `json:"reason"`

	change compare.Change
}

// AddComparison puts a comparison into the report. exit is the exit code with it.
func (r *Report) AddComparison(c compare.Comparison, exit int) {
	r.Compared = &ComparisonSummary{Baseline: c.Baseline, Runs: list(c.Runs), Paired: c.Paired, Confidence: c.Confidence, Family: c.Family,
		Regressed: c.Regressed, Reasons: list(c.Reasons), Warnings: list(c.Warnings)}
	r.Comparison = []Change{}
	for _, x := range c.Changes {
		m := x.Metric
		observed := &m.Value
		if m.AmongFailures {
			observed = nil
		}
		scale := "relative"
		if x.Absolute {
			scale = "absolute"
		}
		r.Comparison = append(r.Comparison, Change{Kind: m.Kind, Scope: m.Scope, Metric: m.Name, Unit: m.Unit, Baseline: x.Baseline, Observed: observed, Lower: m.Lower,
			Scale: scale, Change: finite(x.Change), Low: finite(x.Low), High: finite(x.High), Margin: x.Margin, Confidence: c.Confidence, N: m.N, Runs: x.Runs,
			P: finite(x.P), Adjusted: finite(x.Adjusted), Decides: x.Decides, Verdict: x.Verdict, Reason: x.Reason, change: x})
	}
	if c.Regressed {
		against := "the baseline " + c.Baseline
		if c.Paired {
			against = "the plan " + c.Baseline
		}
		r.Reasons = r.with(fmt.Sprintf("against %s: %s", against, c.Reasons[0]), exit)
	}
	r.ExitCode = exit
}

// with returns the reasons and one more of a comparison: the first where it is that which
// decides the exit code.
func (r *Report) with(reason string, exit int) []string {
	if exit != r.ExitCode {
		return append([]string{reason}, r.Reasons...)
	}
	return append(r.Reasons, reason)
}

// besides is what a comparison adds to the word of the verdict, so that nobody who reads the
// first line alone takes a run that passed for one that is no worse than its baseline.
func (r *Report) besides() string {
	but := ", and "
	if r.Verdict == analysis.Pass {
		but = ", but "
	}
	switch s := r.Compared; {
	case s == nil:
		return ""
	case s.NotMade != "":
		return but + "NOT COMPARED"
	case s.Regressed:
		return but + "REGRESSED"
	}
	return ""
}

// NotCompared says in the report why it was not compared with the baseline that was asked for,
// which leads to the exit code.
func (r *Report) NotCompared(baseline, why string, exit int) {
	r.Reasons = r.with(fmt.Sprintf("not compared with the baseline %s: %s", baseline, why), exit)
	r.ExitCode = exit
	r.Compared = &ComparisonSummary{Baseline: baseline, Confidence: compare.Confidence, Runs: []string{}, Reasons: []string{}, Warnings: []string{}, NotMade: why}
}

// decided says whether the comparison could tell anything: where it could not, no regression
// was found because none could be.
func (r *Report) decided() bool {
	return slices.ContainsFunc(r.Comparison, func(c Change) bool { return c.Decides && c.Verdict != compare.Inconclusive })
}

// finite returns a number that JSON has, nil where there is none.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// ComparisonAlone makes the terminal report the comparison and nothing else: the rest was said
// when the run ended.
func (r *Report) ComparisonAlone() { r.alone = true }

// changesShown is how many metrics the terminal shows.
const changesShown = 20

func (t *text) comparison() {
	s := t.r.Compared
	if s == nil {
		return
	}
	runs := fmt.Sprintf("%d runs", len(s.Runs))
	if len(s.Runs) == 1 {
		runs = "1 run"
	}
	what := fmt.Sprintf("Compared with the baseline %s (%s)", s.Baseline, runs)
	if s.Paired {
		what = fmt.Sprintf("Compared with the plan %s in %d pairs of alternating slices", s.Baseline, len(s.Runs))
	}
	if s.NotMade != "" {
		t.heading(fmt.Sprintf("Not compared with the baseline %s", s.Baseline))
		t.paragraph("  - ", s.NotMade)
		return
	}
	word := "no regression found"
	if !t.r.decided() {
		word = "NOTHING DECIDED"
	}
	if s.Regressed {
		word = "REGRESSED"
		if t.o.Color {
			word = "\x1b[1;31m" + word + "\x1b[0m"
		}
	}
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
	t.b.WriteString(word + ": ")
	t.paragraph("", what)
	for _, reason := range s.Reasons {
		t.paragraph("  - ", reason)
	}
	for _, w := range s.Warnings {
		t.paragraph("  ! ", w)
	}
	// A narrow terminal has no room for the margin; it is in the JSON report.
	margin := t.o.Width >= 100
	some := func(name, baseline, now, change, between, least, verdict string) []string {
		if margin {
			return []string{name, baseline, now, change, between, least, verdict}
		}
		return []string{name, baseline, now, change, between, verdict}
	}
	header := some("metric", "baseline", "this run", "change", "between", "margin", "verdict")
	tab := t.table("w"+strings.Repeat("R", len(header)-2)+"L", header...)
	for i, c := range t.r.Comparison {
		if i == changesShown {
			break
		}
		x := c.change
		verdict := string(c.Verdict)
		if !c.Decides {
			verdict = "(" + verdict + ")"
		}
		now := x.Metric.Format(x.Metric.Value)
		if c.Observed == nil {
			now = "failed"
		}
		points := strings.NewReplacer(" points", "pp")
		tab.row(some(c.name(), x.Metric.Format(c.Baseline), now, points.Replace(x.Moved()), points.Replace(x.Between()), points.Replace(x.FormatMargin()), verdict)...)
	}
	if len(t.r.Comparison) > 0 {
		tab.render()
		if n := len(t.r.Comparison) - changesShown; n > 0 {
			t.paragraph("  ", fmt.Sprintf("and %d more in the JSON report", n))
		}
		t.paragraph("  ", fmt.Sprintf("between: bounds at %g%% confidence each; same: not worse by more than the margin; (in brackets): only shown, since it is part of what decides; pp: percentage points", s.Confidence*100))
	}
}

// statementRoom is how much of a statement's text a table shows.
const statementRoom = 40

// name is the metric's in a table.
func (c *Change) name() string {
	switch c.Kind {
	case compare.KindStatement:
		return c.change.Metric.Words() + ": " + cut(c.Scope, statementRoom)
	case compare.KindAll:
		return "all " + c.change.Metric.Words()
	}
	return c.change.Metric.Label()
}
