package reports

import (
	"fmt"
	"io"
	"strings"
	"time"

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
	if r.alone {
		t.comparison()
		_, err := io.WriteString(w, t.b.String())
		return err
	}
	t.verdict()
	t.objectives()
	t.comparison()
	t.measurement()
	t.latency()
	t.failures()
	t.database()
	t.cache()
	t.hosts()
	t.application()
	t.steady()
	t.movement()
	t.list("Warnings", r.Warnings)
	_, err := io.WriteString(w, t.b.String())
	return err
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
	word += t.r.besides()
	t.paragraph(word+"  ", fmt.Sprintf("%s (exit code %d)", r.Run.Name, r.ExitCode))
	for _, reason := range r.Reasons {
		t.paragraph("  - ", reason)
	}
	t.heading(fmt.Sprintf("Run %s: %s, of which %s judged%s; arqload %s, plan %.12s", r.Run.ID, secs(r.Run.DurationS), secs(r.Run.JudgedS), r.Run.ended(), r.Run.ToolVersion, r.Run.PlanSHA256))
}

// ended says who ended the run before its plan's end.
func (r *Run) ended() string {
	if r.StoppedAtS == nil {
		return ""
	}
	return fmt.Sprintf("; ended early at %s by %s", secs(*r.StoppedAtS), map[observation.Stop]string{
		observation.ByPerson: "a person", observation.ByGate: "the gate: the verdict was known", observation.ByGuard: "stop_when",
	}[r.StoppedBy])
}

func (t *text) objectives() {
	t.heading(fmt.Sprintf("Objectives (bounds at %g%% confidence)", analysis.Confidence*100))
	tab := t.table("wRLRR", "objective", "observed", "verdict", "between", "bad of samples")
	for _, o := range t.r.Objectives {
		demand := o.Text
		if !o.Required {
			demand += " (not required)"
		}
		between := "-"
		if o.Low != nil || o.High != nil {
			between = orElse(o.value(o.Low), "?") + " .. " + orElse(o.value(o.High), "?")
		}
		observed := o.value(o.Observed)
		if o.Observed == nil && o.kind == scenarios.MetricQuantile && o.Samples > 0 {
			observed = "failed" // its rank lies among the failures
		}
		tab.row(demand, observed, string(o.Verdict), between, o.samples())
	}
	tab.render()
	var clusters []string
	longest := 0.0
	for _, o := range t.r.Objectives {
		if o.Cluster > 0 {
			clusters = append(clusters, fmt.Sprintf("%s: %d", o.Text, o.Cluster))
		}
		longest = max(longest, o.EpisodeS)
	}
	var scope []string
	if len(clusters) > 0 {
		scope = append(scope, "bad arrivals come in clusters of at most so many, whatever was seen ("+strings.Join(clusters, ", ")+")")
	}
	if longest > 0 {
		scope = append(scope, fmt.Sprintf("no stretch of better or worse times (an episode) is longer than %s; to cover longer ones, run longer", secs(longest)))
	}
	if len(scope) > 0 {
		t.paragraph("  ", "Scope: met and missed hold if "+strings.Join(scope, ", and if ")+".")
	}
}

// value prints a value in the objective's own unit.
func (o *Objective) value(v *float64) string {
	if v == nil {
		return "-"
	}
	switch o.unit {
	case scenarios.UnitSeconds:
		return secs(*v)
	case scenarios.UnitPerS:
		return fmt.Sprintf("%.1f/s", *v)
	}
	return analysis.FormatValue(*v, o.unit)
}

func orElse(s, empty string) string {
	if s == "-" {
		return empty
	}
	return s
}

func (o *Objective) samples() string {
	switch o.kind {
	case scenarios.MetricThroughput:
		return fmt.Sprintf("%d seconds", o.Samples)
	case scenarios.MetricCacheHits:
		return fmt.Sprintf("%d misses", o.Bad)
	case scenarios.MetricSampled, scenarios.MetricApplication:
		if o.BadShare == nil {
			return fmt.Sprintf("%d samples", o.Samples)
		}
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
	t.entry("arrivals", "%d planned = %d sent + %d shed + %d canceled (judged); %d planned in the whole run", g.Planned, g.Sent, g.Shed, g.Canceled, g.Whole.Planned)
	if g.Lag.Max != nil {
		t.entry("lag", "%s: the generator's own lateness (p99 allowed: %s)", g.Lag.words(), secs(g.LagLimitS))
		if g.Heartbeat.Max != nil {
			t.entry("heartbeat", "%s: how late a fixed tick came in the generator's process", g.Heartbeat.words())
		}
		t.entry("slot wait", "%s: waiting for the system, part of response time", g.SlotWait.words())
	}
	t.entry("in flight", "%d at most, %d waiting at most", g.InFlightMax, g.BacklogMax)
	if g.CPUShare != nil {
		t.entry("generator", "CPU %.0f%% of its own over the busiest 5 s, scheduling delay p99 %s, memory %s, %d of %d files",
			*g.CPUShare*100, opt(g.SchedDelayP99S), bytes(int64(g.RSSMaxBytes)), g.OpenFilesMax, g.MaxFiles)
	} else {
		t.entry("generator", "its own health was not measured")
	}
	c := t.r.Transport
	t.entry("transport", "%d new connections (connect %s mean, %s max), %d reused, %s", c.NewConnections, opt(c.ConnectMeanS), opt(c.ConnectMaxS), c.ReusedConnections, addresses(c.Addresses))
	for _, p := range t.r.Phases {
		judged := "judged"
		if !p.Judged {
			judged = "not judged"
		}
		canceled := ""
		if p.Canceled > 0 {
			canceled = fmt.Sprintf(", %d canceled by the end of the run", p.Canceled)
		}
		t.entry("phase", "%s (%s), %s .. %s: %d planned, %d failed%s, %s good answers/s", p.Name, judged, secs(p.StartS), secs(p.EndS), p.Planned, p.Failed-p.Canceled, canceled, rate(p.OKPerS))
	}
}

func (l *Lateness) words() string {
	return fmt.Sprintf("p50 %s, p99 %s, max %s", opt(l.P50), opt(l.P99), opt(l.Max))
}

func addresses(m map[string]uint64) string {
	switch len(m) {
	case 0:
		return "no address known"
	case 1:
		for a := range m {
			return a
		}
	}
	return fmt.Sprintf("%d addresses", len(m))
}

func (t *text) latency() {
	t.heading("Latency of successes (response time from the planned start; steps: service time from the send)")
	// A narrow terminal has no room for p90; it is in report.json.
	p90 := t.o.Width >= 100
	some := func(name, planned, failed, ok, p50, p90cell, p95, p99, longest string) []string {
		if p90 {
			return []string{name, planned, failed, ok, p50, p90cell, p95, p99, longest}
		}
		return []string{name, planned, failed, ok, p50, p95, p99, longest}
	}
	header := some("", "planned", "failed", "good/s", "p50", "p90", "p95", "p99", "max")
	tab := t.table("w"+strings.Repeat("R", len(header)-1), header...)
	add := func(name string, p *Population, l *Latency) {
		tab.row(some(name, fmt.Sprint(p.Planned), fmt.Sprint(p.Failed), rate(p.OKPerS), opt(l.P50), opt(l.P90), opt(l.P95), opt(l.P99), opt(l.Max))...)
	}
	add("all", &t.r.Total, t.r.Total.ResponseTime)
	for _, lane := range t.r.lanes {
		sc := t.r.Scenarios[lane.Scenario]
		add(lane.Scenario, &sc.Population, sc.ResponseTime)
		for _, step := range lane.Steps {
			add("  "+step, sc.Steps[step], sc.Steps[step].ServiceTime)
		}
	}
	tab.render()
	if f := t.r.Generator.Floor; f != nil {
		t.paragraph("  ", fmt.Sprintf("this machine alone: p50 %s, p99 %s at %.4g/s (in 1 s before the load): what is below that is the generator's, not the system's", secs(f.P50), secs(f.P99), f.RatePerS))
	}
}

// examplesShown is how many failures of each class the terminal shows.
const examplesShown = 2

func (t *text) failures() {
	if len(t.r.Failures) == 0 {
		return
	}
	t.heading("Failures (judged)")
	for _, f := range t.r.Failures {
		t.entry(string(f.Class), "%d (%.3g%% of arrivals), planned between %s and %s; most in the second from %s: %d",
			f.Count, 100*float64(f.Count)/float64(max(1, t.r.Total.Planned)), secs(f.FirstS), secs(f.LastS), secs(f.WorstS), f.WorstCount)
		for _, e := range t.examples(f.Class) {
			answer := ""
			if e.Answer != "" {
				answer = ": " + e.Answer
			}
			t.paragraph("      ", fmt.Sprintf("at %s, %s/%s: %s%s", secs(e.At.Duration().Seconds()), e.Scenario, e.Step, e.Message, answer))
		}
	}
}

// examples returns some failures of a class that say different things, those of the
// judged time first.
func (t *text) examples(c observation.Class) []observation.Example {
	var judged, others []observation.Example
	said := map[string]bool{}
	for _, e := range t.r.errors {
		if e.Class != c {
			continue
		}
		words := e.Scenario + e.Step + e.Message + e.Answer
		if t.r.judgedAt(e.At.Duration().Seconds()) {
			if !said[words] {
				judged = append(judged, e)
			}
			said[words] = true
			continue
		}
		others = append(others, e)
	}
	for _, e := range others {
		if words := e.Scenario + e.Step + e.Message + e.Answer; !said[words] {
			said[words] = true
			judged = append(judged, e)
		}
	}
	return judged[:min(len(judged), examplesShown)]
}

// judgedAt reports whether an instant lies in a judged phase.
func (r *Report) judgedAt(s float64) bool {
	for _, p := range r.Phases {
		if p.Judged && s >= p.StartS && s < p.EndS {
			return true
		}
	}
	return false
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

// rate prints a number a second.
func rate(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f", *v)
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
