package compare

import (
	"math"
	"regexp"
	"strings"
	"time"

	"arqload/analysis"
	"arqload/analysis/observation"
)

// Of takes from a summary what is compared.
func Of(s *analysis.Summary) Run {
	h := s.Header
	r := Run{
		Schema: Schema, ID: h.ID, Name: h.Name, StartedAt: h.StartedAt.UTC().Format(time.RFC3339), PlanSHA256: h.PlanSHA256, ToolVersion: h.ToolVersion,
		Load: loadOf(h), Environment: environment(s), Watched: []string{},
	}
	r.population(KindAll, ScopeAll, &s.Total, s)
	for _, l := range h.Lanes {
		sc := s.Scenarios[l.Scenario]
		r.population(KindScenario, l.Scenario, &sc.Population, s)
		for _, step := range l.Steps {
			r.population(KindStep, l.Scenario+"/"+step, sc.Steps[step], s)
		}
	}
	r.database(s)
	r.cache(s)
	return r
}

func loadOf(h observation.Header) Load {
	l := Load{Arrivals: "constant", Phases: []Phase{}, Lanes: []Lane{}}
	if h.Poisson {
		l.Arrivals = "poisson"
	}
	for _, p := range h.Phases {
		l.Phases = append(l.Phases, Phase{Name: p.Name, Judged: p.Judged, DurationS: (p.End - p.Start).Duration().Seconds()})
	}
	for _, x := range h.Lanes {
		l.Lanes = append(l.Lanes, Lane{Scenario: x.Scenario, Steps: x.Steps, RatePerS: x.RatePerS, InFlight: x.InFlight, PlannedRun: x.PlannedRun, PlannedJudged: x.PlannedJudg})
	}
	return l
}

// add keeps a metric that has a value.
func (r *Run) add(m Metric) {
	if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
		return
	}
	m.Value, m.SE, m.LagS, m.Phi = rounded(m.Value), rounded(m.SE), rounded(m.LagS), rounded(m.Phi)
	r.Metrics = append(r.Metrics, m)
}

// rounded keeps six significant digits: more than any comparison needs, and files that people
// can read.
func rounded(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	digits := 5 - int(math.Floor(math.Log10(math.Abs(v))))
	if digits > 0 {
		scale := math.Pow(10, float64(digits))
		return math.Round(v*scale) / scale
	}
	return math.Round(v)
}

var quantiles = []struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}}

func (r *Run) population(kind Kind, scope string, p *analysis.Population, s *analysis.Summary) {
	n := p.OK + p.Failed
	if n == 0 {
		return
	}
	for _, x := range quantiles {
		d, ok := p.Quantile(x.q)
		if !ok && p.Failed > 0 {
			r.add(Metric{Kind: kind, Scope: scope, Name: x.name, Unit: UnitSeconds, N: n, Lower: true, AmongFailures: true})
		}
		if !ok || d <= 0 {
			continue
		}
		se, _ := p.QuantileError(x.q)
		lag, _ := s.Generator.Lag.Quantile(x.q)
		r.add(Metric{Kind: kind, Scope: scope, Name: x.name, Unit: UnitSeconds, Value: d.Seconds(), N: n, Lower: true, SE: se, LagS: lag.Seconds()})
	}
	r.add(Metric{Kind: kind, Scope: scope, Name: "error_rate", Unit: UnitShare, Value: float64(p.Failed) / float64(n), N: n, Lower: true, Phi: p.FailureDispersion()})
	if judged := s.Judged; judged > 0 && kind != KindStep {
		r.add(Metric{Kind: kind, Scope: scope, Name: "ok_per_s", Unit: UnitPerS, Value: float64(p.CompletedOK) / judged.Seconds(), N: p.CompletedOK})
	}
}

// database takes the statements, where the record lacks no part of them. Calls are held against
// arrivals that were sent, as the report does.
func (r *Run) database(s *analysis.Summary) {
	d, sent := &s.Database, s.Total.Sent
	if !d.StatementsOK || len(d.Partial) > 0 || sent == 0 {
		return
	}
	r.Watched = append(r.Watched, watchedStatements)
	var calls int64
	var total time.Duration
	for _, u := range d.Statements {
		if u.Control {
			continue
		}
		calls, total = calls+u.Calls, total+u.Total
	}
	per := func(v float64) float64 { return v / float64(sent) }
	r.add(Metric{Kind: KindDatabase, Scope: ScopeDatabase, Name: callsPerArrival, Unit: UnitPerArrival, Value: per(float64(calls)), N: sent, Lower: true})
	r.add(Metric{Kind: KindDatabase, Scope: ScopeDatabase, Name: "time_per_arrival", Unit: UnitSeconds, Value: per(total.Seconds()), N: sent, Lower: true})
	var texts []string
	by := map[string]*analysis.StatementUse{}
	for _, u := range d.Statements {
		if u.Control || u.Calls == 0 {
			continue
		}
		// Texts that differ by what another version of the server writes are one statement.
		if same := by[canonical(u.Query)]; same != nil {
			same.Calls, same.Total = same.Calls+u.Calls, same.Total+u.Total
			continue
		}
		by[canonical(u.Query)] = &u
		texts = append(texts, canonical(u.Query))
	}
	for _, t := range texts {
		u := by[t]
		r.add(Metric{Kind: KindStatement, Scope: u.Query, Name: callsPerArrival, Unit: UnitPerArrival, Value: per(float64(u.Calls)), N: sent, Lower: true})
		r.add(Metric{Kind: KindStatement, Scope: u.Query, Name: meanTime, Unit: UnitSeconds, Value: u.Total.Seconds() / float64(u.Calls), N: uint64(u.Calls), Lower: true})
	}
}

func (r *Run) cache(s *analysis.Summary) {
	c, sent := &s.Cache, s.Total.Sent
	if !c.Available || c.Partial != "" || sent == 0 {
		return
	}
	r.Watched = append(r.Watched, watchedCache)
	if reads := c.Hits + c.Misses; c.OK && reads > 0 {
		r.add(Metric{Kind: KindCache, Scope: ScopeCache, Name: "hit_ratio", Unit: UnitShare, Value: c.HitRatio, N: uint64(reads)})
	}
	r.add(Metric{Kind: KindCache, Scope: ScopeCache, Name: "ops_per_arrival", Unit: UnitPerArrival, Value: c.OpsPerS * c.Covered.Seconds() / float64(sent), N: sent, Lower: true})
	r.add(Metric{Kind: KindCache, Scope: ScopeCache, Name: "evicted_per_arrival", Unit: UnitPerArrival, Value: float64(c.Evicted) / float64(sent), N: sent, Lower: true})
}

var (
	comments  = regexp.MustCompile(`(?s)/\*.*?\*/`)
	parameter = regexp.MustCompile(`\$[0-9]+`)
	several   = regexp.MustCompile(`\$(?: ?, ?\$)+`)
	before    = regexp.MustCompile(` ([),])`)
)

// canonical is the text by which a statement is the same in runs against different servers:
// major versions number parameters differently, and from PostgreSQL 18 on lists of constants
// are squashed ("$1 /*, ... */").
func canonical(text string) string {
	text = comments.ReplaceAllString(strings.ToLower(text), "")
	text = strings.Join(strings.Fields(text), " ")
	text = parameter.ReplaceAllString(text, "$$")
	text = several.ReplaceAllString(text, "$$")
	return before.ReplaceAllString(text, "$1")
}
