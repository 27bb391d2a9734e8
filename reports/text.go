package reports

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"arqload/analysis"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

// TextOptions says how the terminal report looks.
type TextOptions struct {
	Width int  // columns; 0: 100
	Color bool // the verdict in colour
}

// WriteText writes the terminal report: verdict and reason first, then what they stand on.
func (r *Report) WriteText(w io.Writer, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	t := &text{r: r, o: o}
	t.verdict()
	t.objectives()
	t.measurement()
	t.latency()
	t.failures()
	t.database()
	t.cache()
	t.list("Warnings", r.Warnings)
	_, err := io.WriteString(w, t.b.String())
	return err
}

type text struct {
	r *Report
	o TextOptions
	b strings.Builder
}

func (t *text) line(format string, args ...any) {
	fmt.Fprintf(&t.b, format, args...)
	t.b.WriteByte('\n')
}

// paragraph writes text wrapped at the width, each further line under the first word.
func (t *text) paragraph(bullet, s string) {
	indent := strings.Repeat(" ", len([]rune(bullet)))
	col := 0
	for i, word := range strings.Fields(s) {
		n := len([]rune(word))
		switch {
		case i == 0:
			t.b.WriteString(bullet)
			col = len(indent)
		case col+1+n > t.o.Width:
			t.b.WriteString("\n" + indent)
			col = len(indent)
		default:
			t.b.WriteByte(' ')
			col++
		}
		t.b.WriteString(word)
		col += n
	}
	t.b.WriteByte('\n')
}

func (t *text) heading(s string) { t.line("\n%s", s) }

func (t *text) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	t.heading(title)
	for _, i := range items {
		t.paragraph("  - ", i)
	}
}

func (t *text) verdict() {
	r := t.r
	word := strings.ToUpper(string(r.Verdict))
	if t.o.Color {
		code := map[analysis.Judgement]string{analysis.Pass: "32", analysis.Fail: "31"}[r.Verdict]
		if code == "" {
			code = "33"
		}
		word = "\x1b[1;" + code + "m" + word + "\x1b[0m"
	}
	t.line("%s  %s  (exit code %d)", word, r.Run.Name, r.ExitCode)
	for _, reason := range r.Reasons {
		t.paragraph("  - ", reason)
	}
	t.line("\nRun %s: %s, of which %s judged; arqload %s, plan %.12s", r.Run.ID, secs(r.Run.DurationS), secs(r.Run.JudgedS), r.Run.ToolVersion, r.Run.PlanSHA256)
}

func (t *text) objectives() {
	t.heading(fmt.Sprintf("Objectives (bounds at %g%% confidence)", analysis.Confidence*100))
	tab := t.table("LRLRR", "objective", "observed", "verdict", "between", "bad of samples")
	for _, o := range t.r.Objectives {
		verdict := string(o.Verdict)
		if !o.Required {
			verdict += " (not required)"
		}
		between := "-"
		if o.Low != nil || o.High != nil {
			between = o.value(o.Low) + " .. " + o.value(o.High)
		}
		tab.row(o.Text, o.value(o.Observed), verdict, between, o.samples())
	}
	tab.render()
}

// value prints a value in the objective's own unit.
func (o *Objective) value(v *float64) string {
	if v == nil {
		return "-"
	}
	switch o.kind {
	case scenarios.MetricQuantile, scenarios.MetricDBQuery:
		return secs(*v)
	case scenarios.MetricThroughput:
		return fmt.Sprintf("%.1f/s", *v)
	}
	return fmt.Sprintf("%.4g%%", *v*100)
}

func (o *Objective) samples() string {
	switch o.kind {
	case scenarios.MetricThroughput:
		return fmt.Sprintf("%d s", o.Samples)
	case scenarios.MetricCacheHits:
		return fmt.Sprintf("%d misses", o.Bad)
	}
	return fmt.Sprintf("%d of %d", o.Bad, o.Samples)
}

func (t *text) measurement() {
	g := t.r.Generator
	sound := "sound"
	if !g.Valid {
		sound = "NOT to be trusted"
	}
	t.heading("Measurement: " + sound)
	t.line("  arrivals   %d planned = %d sent + %d shed + %d canceled (judged); %d planned in the whole run", g.Planned, g.Sent, g.Shed, g.Canceled, g.Whole.Planned)
	t.line("  lag        p50 %s, p99 %s, max %s: the generator's own lateness (p99 may be %s)", secs(g.Lag.P50), secs(g.Lag.P99), secs(g.Lag.Max), secs(g.LagLimitS))
	t.line("  slot wait  p50 %s, p99 %s, max %s: waiting for the system, part of response time", secs(g.SlotWait.P50), secs(g.SlotWait.P99), secs(g.SlotWait.Max))
	t.line("  in flight  %d at most, %d waiting at most", g.InFlightMax, g.BacklogMax)
	if g.CPUShare != nil {
		t.line("  generator  CPU %.0f%% of its own over the busiest 5 s, scheduling delay p99 %s, memory %s, %d of %d files",
			*g.CPUShare*100, secs(*g.SchedDelayP99S), bytes(int64(g.RSSMaxBytes)), g.OpenFilesMax, g.MaxFiles)
	} else {
		t.line("  generator  its own health was not measured")
	}
	c := t.r.Transport
	t.line("  transport  %d new connections (connect %s mean, %s max), %d reused, %s", c.NewConnections, secs(c.ConnectMeanS), secs(c.ConnectMaxS), c.ReusedConnections, addresses(c.Addresses))
	for _, p := range t.r.Phases {
		judged := "judged"
		if !p.Judged {
			judged = "not judged"
		}
		t.line("  phase      %s (%s), %s .. %s: %d planned, %d failed, %.1f ok/s", p.Name, judged, secs(p.StartS), secs(p.EndS), p.Planned, p.Failed, p.OKPerS)
	}
}

func addresses(m map[string]uint64) string {
	switch len(m) {
	case 0:
		return "no address"
	case 1:
		for a := range m {
			return a
		}
	}
	return fmt.Sprintf("%d addresses", len(m))
}

func (t *text) latency() {
	t.heading("Latency of successes (response time from the planned start; steps: service time from the send)")
	tab := t.table("LRRRRRRRR", "", "planned", "failed", "ok/s", "p50", "p90", "p95", "p99", "max")
	add := func(name string, p *Population, l *Latency) {
		tab.row(name, fmt.Sprint(p.Planned), fmt.Sprint(p.Failed), fmt.Sprintf("%.1f", p.OKPerS), opt(l.P50), opt(l.P90), opt(l.P95), opt(l.P99), opt(l.Max))
	}
	add("all", &t.r.Total, t.r.Total.ResponseTime)
	for _, name := range t.r.lanes {
		sc := t.r.Scenarios[name]
		add(name, &sc.Population, sc.ResponseTime)
		steps := make([]string, 0, len(sc.Steps))
		for step := range sc.Steps {
			steps = append(steps, step)
		}
		sort.Strings(steps)
		for _, step := range steps {
			add("  "+step, sc.Steps[step], sc.Steps[step].ServiceTime)
		}
	}
	tab.render()
}

// examplesShown is how many failures of each class the terminal shows.
const examplesShown = 2

func (t *text) failures() {
	if t.r.Total.Failed == 0 {
		return
	}
	t.heading("Failures")
	for _, c := range observation.Classes() {
		n := t.r.Total.Errors[c]
		if n == 0 {
			continue
		}
		t.line("  %-12s %d (%.3g%% of arrivals)", c, n, 100*float64(n)/float64(t.r.Total.Planned))
		shown := 0
		for _, e := range t.r.errors {
			if e.Class == c && shown < examplesShown {
				shown++
				answer := ""
				if e.Answer != "" {
					answer = ": " + e.Answer
				}
				t.paragraph("      ", fmt.Sprintf("at %s, %s/%s: %s%s", secs(e.At.Duration().Seconds()), e.Scenario, e.Step, e.Message, answer))
			}
		}
	}
}

// secs prints seconds with three significant digits and a fitting unit.
func secs(s float64) string {
	d := time.Duration(s * float64(time.Second))
	unit := time.Duration(1)
	for x := d.Abs(); x >= 1000; x /= 10 {
		unit *= 10
	}
	return d.Round(unit).String()
}

func opt(v *float64) string {
	if v == nil {
		return "-"
	}
	return secs(*v)
}

func bytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// table is a borderless table indented by two columns.
type table struct {
	t   *text
	tab *tablewriter.Table
	out *strings.Builder
}

// table starts a table; align has an L or R a column.
func (t *text) table(align string, header ...string) *table {
	var perColumn []tw.Align
	for _, a := range align {
		perColumn = append(perColumn, map[rune]tw.Align{'L': tw.AlignLeft, 'R': tw.AlignRight}[a])
	}
	cells := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
		Alignment:  tw.CellAlignment{PerColumn: perColumn},
		Padding:    tw.CellPadding{Global: tw.Padding{Left: "", Right: "  ", Overwrite: true}},
	}
	out := &strings.Builder{}
	tab := tablewriter.NewTable(out,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone},
		})),
		tablewriter.WithConfig(tablewriter.Config{Header: cells, Row: cells, Behavior: tw.Behavior{TrimSpace: tw.Off}}),
	)
	tab.Header(header)
	return &table{t: t, tab: tab, out: out}
}

func (x *table) row(cells ...string) { _ = x.tab.Append(cells) }

func (x *table) render() {
	if err := x.tab.Render(); err != nil {
		x.t.line("  (table: %v)", err)
		return
	}
	for l := range strings.Lines(x.out.String()) {
		x.t.line("  %s", strings.TrimRight(l, " \n"))
	}
}
