package compare_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"arqload/analysis"
	"arqload/analysis/compare"
	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

var load = compare.Load{Arrivals: "constant", Phases: []compare.Phase{{Name: "steady", Judged: true, DurationS: 60}},
	Lanes: []compare.Lane{{Scenario: "message", Steps: []string{"send"}, RatePerS: 550, InFlight: 1000, PlannedRun: 33000, PlannedJudged: 33000}}}

// run has the given metrics; each gets what it lacks.
func run(id string, metrics ...compare.Metric) compare.Run {
	return compare.Run{Schema: compare.Schema, ID: id, ToolVersion: "v1", Load: load, Environment: map[string]string{"host": "a"}, Watched: []string{"statements", "cache"}, Metrics: metrics}
}

func p99(seconds float64) compare.Metric {
	return compare.Metric{Kind: compare.KindScenario, Scope: "message", Name: "p99", Unit: compare.UnitSeconds, Value: seconds, N: 33000, Lower: true}
}

func failed(k uint64, phi float64) compare.Metric {
	return compare.Metric{Kind: compare.KindAll, Name: "error_rate", Unit: compare.UnitShare, Value: float64(k) / 33000, N: 33000, Lower: true, Phi: phi}
}

func rate(perS float64) compare.Metric {
	return compare.Metric{Kind: compare.KindAll, Name: "ok_per_s", Unit: compare.UnitPerS, Value: perS, N: uint64(60 * perS)}
}

func hits(share float64) compare.Metric {
	return compare.Metric{Kind: compare.KindCache, Scope: "cache", Name: "hit_ratio", Unit: compare.UnitShare, Value: share, N: 50000}
}

func calls(text string, perArrival float64) compare.Metric {
	return compare.Metric{Kind: compare.KindStatement, Scope: text, Name: "calls_per_arrival", Unit: compare.UnitPerArrival, Value: perArrival, N: 33000, Lower: true}
}

// five are five runs of one metric.
func five(of func(i int) compare.Metric) []compare.Run {
	var runs []compare.Run
	for i := range 5 {
		runs = append(runs, run(fmt.Sprintf("r%d", i), of(i)))
	}
	return runs
}

// only returns the one change of a comparison.
func only(t *testing.T, c compare.Comparison) compare.Change {
	t.Helper()
	if len(c.Changes) != 1 {
		t.Fatalf("%d changes, want 1: %+v", len(c.Changes), c.Changes)
	}
	return c.Changes[0]
}

func near(a, b, by float64) bool { return math.Abs(a-b) <= by }

func TestThePredictionIntervalIsThatOfTheBook(t *testing.T) {
	// ln p99 is c-0.04, c-0.02, c, c+0.02, c+0.04: s^2 = (2*0.0016 + 2*0.0004)/4 = 0.001, s = 0.031623.
	// One new run at c+0.3: +- t(0.95; 4) * s * sqrt(1 + 1/5) = 2.131847 * 0.031623 * 1.095445 = 0.073850.
	c := math.Log(0.065)
	base := five(func(i int) compare.Metric { return p99(math.Exp(c + 0.02*float64(i-2))) })
	x := only(t, compare.Against("b", base, run("new", p99(math.Exp(c+0.3))), margins))
	if !near(x.Baseline, 0.065, 1e-9) || !near(x.Change, math.Expm1(0.3), 1e-9) || !near(x.Low, math.Expm1(0.3-0.073850), 1e-4) || !near(x.High, math.Expm1(0.3+0.073850), 1e-4) {
		t.Errorf("baseline %.5f, change %.5f between %.5f and %.5f", x.Baseline, x.Change, x.Low, x.High)
	}
	// t = 0.3/(0.031623*1.095445) = 8.6603 with 4 degrees of freedom: p = 0.00049; alone in its
	// family of four fifths of the error: 0.00061.
	if !near(x.P, 0.00049, 1e-5) || !near(x.Adjusted, 0.00061, 1e-5) || x.Verdict != compare.Regressed {
		t.Errorf("p %.5f, adjusted %.5f, %s", x.P, x.Adjusted, x.Verdict)
	}
	if want := "message p99 regressed: 65ms -> 87.7ms (+35%, at least +25%), margin 10%"; x.Reason != want {
		t.Errorf("%q, want %q", x.Reason, want)
	}
}

func TestAVerdictNeedsBothBoundAndMargin(t *testing.T) {
	quiet := five(func(i int) compare.Metric { return p99(0.1 * math.Exp(0.001*float64(i-2))) })
	loud := five(func(i int) compare.Metric { return p99(0.1 * math.Exp(0.1*float64(i-2))) })
	for _, c := range []struct {
		name string
		base []compare.Run
		p99  float64
		want compare.Verdict
	}{
		{"surely worse, and by more than 10%", quiet, 0.112, compare.Regressed},
		{"surely worse, by less", quiet, 0.108, compare.Same},
		{"by exactly nothing", quiet, 0.1, compare.Same},
		{"better by more than 10%", quiet, 0.09, compare.Improved},
		{"better by less", quiet, 0.095, compare.Same},
		{"worse by 30% where runs differ as much", loud, 0.13, compare.Inconclusive},
		{"better by 30% where runs differ as much", loud, 0.077, compare.Inconclusive},
		{"three times", loud, 0.3, compare.Regressed},
	} {
		if x := only(t, compare.Against("b", c.base, run("new", p99(c.p99)), margins)); x.Verdict != c.want {
			t.Errorf("%s: %s, want %s: %s", c.name, x.Verdict, c.want, x.Reason)
		}
	}
	// 5 ms decide where 10% are less: 10 ms -> 14 ms is 40%, but 4 ms.
	small := five(func(i int) compare.Metric { return p99(0.01 * math.Exp(0.001*float64(i-2))) })
	if x := only(t, compare.Against("b", small, run("new", p99(0.014)), margins)); x.Verdict != compare.Same || !near(x.Margin, 0.5, 1e-3) {
		t.Errorf("10 ms -> 14 ms: %s with a margin of %.3f", x.Verdict, x.Margin)
	}
}

func TestRunsThatAgreeToTheDigitMakeNoNonsense(t *testing.T) {
	base := five(func(int) compare.Metric { return p99(0.1) })
	for value, want := range map[float64]compare.Verdict{0.1: compare.Same, 0.1001: compare.Same, 0.109: compare.Same, 0.111: compare.Regressed, 0.0999: compare.Same} {
		x := only(t, compare.Against("b", base, run("new", p99(value)), margins))
		if x.Verdict != want || math.IsNaN(x.P) || math.IsInf(x.Low, 0) || x.Low == x.High {
			t.Errorf("100 ms -> %g s: %s between %g and %g, p %g", value, x.Verdict, x.Low, x.High, x.P)
		}
	}
	same := five(func(int) compare.Metric { return rate(550) })
	if x := only(t, compare.Against("b", same, run("new", rate(549)), margins)); x.Verdict != compare.Same {
		t.Errorf("550/s -> 549/s is %s", x.Verdict)
	}
}

func TestOneRunSaysNothingOfVariation(t *testing.T) {
	c := compare.Against("b", []compare.Run{run("r", p99(0.1))}, run("new", p99(10)), margins)
	x := only(t, c)
	if x.Verdict != compare.Inconclusive || c.Regressed || !math.IsInf(x.Low, -1) || !math.IsInf(x.High, 1) || !math.IsNaN(x.P) {
		t.Errorf("a hundred times against one run: %+v", x)
	}
	if len(c.Warnings) == 0 || !strings.Contains(c.Warnings[0], "the baseline has 1 run") {
		t.Errorf("warnings %q", c.Warnings)
	}
	if c := compare.Against("b", five(func(int) compare.Metric { return p99(0.1) })[:3], run("new", p99(0.1)), margins); !strings.Contains(strings.Join(c.Warnings, "\n"), "3 runs of the 5 recommended") {
		t.Errorf("three runs: warnings %q", c.Warnings)
	}
}

func TestABurstOfErrorsIsNoRegressionButSteadyErrorsAre(t *testing.T) {
	clean := five(func(int) compare.Metric { return failed(0, 1) })
	for _, c := range []struct {
		name string
		k    uint64
		phi  float64
		want bool
	}{{"none", 0, 1, false}, {"one", 1, 1, false}, {"20 spread over the run", 20, 1, true}, {"20 in one second", 20, 20, false}} {
		got := compare.Against("b", clean, run("new", failed(c.k, c.phi)), margins)
		if got.Regressed != c.want {
			t.Errorf("%s of 33000, none in five runs: regressed %t, want %t: %s", c.name, got.Regressed, c.want, only(t, got).Reason)
		}
	}
	// Beside a baseline that has some errors itself, a few more are nothing.
	some := five(func(i int) compare.Metric { return failed(uint64(20+5*i), 1.2) })
	if got := compare.Against("b", some, run("new", failed(36, 1.2)), margins); got.Regressed {
		t.Errorf("36 errors beside 20 to 40: %s", only(t, got).Reason)
	}
}

func TestWhatIsBetterLargeIsTurnedOver(t *testing.T) {
	base := five(func(i int) compare.Metric { return rate(550 + float64(i-2)) })
	x := only(t, compare.Against("b", base, run("new", rate(440)), margins))
	// 550/440 = 1.25: worse by 25%, and to people 20% less.
	if x.Verdict != compare.Regressed || !near(x.Change, 0.25, 1e-4) || !strings.Contains(x.Reason, "(-20%, at least -19%)") {
		t.Errorf("550/s -> 440/s: change %.4f, %s", x.Change, x.Reason)
	}
	if x := only(t, compare.Against("b", base, run("new", rate(700)), margins)); x.Verdict != compare.Improved {
		t.Errorf("550/s -> 700/s: %s", x.Reason)
	}
	x = only(t, compare.Against("b", base, run("new", rate(0)), margins))
	if x.Verdict != compare.Regressed || math.IsInf(x.Change, 0) || math.IsNaN(x.Low) || !strings.Contains(x.Reason, "550/s -> 0/s (-100%") {
		t.Errorf("550/s -> 0/s: change %g between %g and %g: %s", x.Change, x.Low, x.High, x.Reason)
	}
	if x := only(t, compare.Against("b", five(func(int) compare.Metric { return rate(0) }), run("new", rate(0)), margins)); x.Verdict == compare.Regressed {
		t.Errorf("0/s -> 0/s: %s", x.Reason)
	}
	cached := five(func(i int) compare.Metric { return hits(0.95 + 0.001*float64(i-2)) })
	x = only(t, compare.Against("b", cached, run("new", hits(0.90)), margins))
	if x.Verdict != compare.Regressed || !x.Absolute || !near(x.Change, 0.05, 1e-6) || !strings.Contains(x.Reason, "95% -> 90% (-5 points") {
		t.Errorf("hits 95%% -> 90%%: change %.4f, %s", x.Change, x.Reason)
	}
}

func TestStatementsAreComparedByTheirCalls(t *testing.T) {
	const insert, other = "INSERT INTO messages (id, body) VALUES ($1, $2)", "SELECT id FROM users WHERE id = $1"
	base := five(func(int) compare.Metric { return calls(insert, 1) })
	x := only(t, compare.Against("b", base, run("new", calls(insert, 12)), margins))
	if want := `statement "INSERT INTO messages (id, body) VALUES ($1, $2)" calls per arrival regressed: 1 -> 12 (x12, at least x11`; x.Verdict != compare.Regressed || !strings.HasPrefix(x.Reason, want) {
		t.Errorf("1 -> 12 calls: %s", x.Reason)
	}
	// A statement that is new, and one that is gone.
	c := compare.Against("b", base, run("new", calls(insert, 1), calls(other, 1)), margins)
	if !c.Regressed || !strings.Contains(c.Reasons[0], "0 -> 1, a statement that the baseline does not call") {
		t.Errorf("a new statement: %v", c.Reasons)
	}
	c = compare.Against("b", base, run("new", calls(other, 0.01)), margins)
	if c.Regressed {
		t.Errorf("a new statement in one arrival of a hundred: %v", c.Reasons)
	}
	for _, x := range c.Changes {
		if x.Metric.Scope == insert && (x.Verdict != compare.Improved || !strings.Contains(x.Reason, "no longer called")) {
			t.Errorf("a statement that is gone: %s", x.Reason)
		}
	}
	// The same statement, as PostgreSQL 18 writes it.
	c = compare.Against("b", five(func(int) compare.Metric { return calls("SELECT * FROM t WHERE id IN ($1, $2, $3)", 1) }),
		run("new", calls("/* request\n17 */ SELECT * FROM  t WHERE id IN ($1 /*, ... */)", 1)), margins)
	if x := only(t, c); x.Verdict != compare.Same {
		t.Errorf("the same statement of another version: %s", x.Reason)
	}
	// Where the run's statements were not watched, nothing is said of them.
	blind := run("new", p99(0.1))
	blind.Watched = nil
	c = compare.Against("b", base, blind, margins)
	if len(c.Changes) != 0 || !strings.Contains(strings.Join(c.Warnings, "\n"), "not compared: the run has no statements' calls") {
		t.Errorf("no statements: %+v, warnings %q", c.Changes, c.Warnings)
	}
}

func TestALateGeneratorMakesNoRegression(t *testing.T) {
	base := five(func(i int) compare.Metric { m := p99(0.065 * math.Exp(0.02*float64(i-2))); m.LagS = 0.003; return m })
	next := p99(0.105)
	next.LagS = 0.003
	if c := compare.Against("b", base, run("new", next), margins); !c.Regressed {
		t.Errorf("65 ms -> 105 ms: %v", c.Reasons)
	}
	next.LagS = 0.033
	if c := compare.Against("b", base, run("new", next), margins); c.Regressed {
		t.Errorf("65 ms -> 105 ms by a generator that was 33 ms late: %v", c.Reasons)
	}
}

func TestARunThatVariesWithinItselfIsKnownLessWell(t *testing.T) {
	base := five(func(i int) compare.Metric { m := p99(0.065 * math.Exp(0.02*float64(i-2))); m.SE = 0.02; return m })
	next := p99(0.085)
	next.SE = 0.02
	if c := compare.Against("b", base, run("new", next), margins); !c.Regressed {
		t.Errorf("65 ms -> 85 ms: %v", c.Reasons)
	}
	next.SE = 0.3
	if c := compare.Against("b", base, run("new", next), margins); c.Regressed {
		t.Errorf("65 ms -> 85 ms in a run whose seconds make p99 uncertain by 30%%: %v", c.Reasons)
	}
}

func TestAmongManyMetricsOneNeedsMoreEvidence(t *testing.T) {
	many := func(id string, at func(i int) float64) compare.Run {
		r := run(id)
		r.Load.Lanes = nil
		for i := range 40 {
			scenario := fmt.Sprintf("s%d", i)
			r.Load.Lanes = append(r.Load.Lanes, compare.Lane{Scenario: scenario, Steps: []string{"x"}})
			m := p99(at(i))
			m.Scope = scenario
			r.Metrics = append(r.Metrics, m)
		}
		return r
	}
	var base []compare.Run
	for k := range 5 {
		base = append(base, many(fmt.Sprint(k), func(i int) float64 { return 0.1 * math.Exp(0.06*float64((k*(1+i%4)+i)%5-2)) }))
	}
	c := compare.Against("b", base, many("new", func(i int) float64 {
		if i == 0 {
			return 0.1 * math.Exp(0.35)
		}
		return 0.1
	}), margins)
	x := c.Changes[0]
	if c.Family != 40 || c.Regressed || x.Low <= 0 || x.P > 0.05 || x.Adjusted < 0.05 || !strings.Contains(x.Reason, "alone it would be called") {
		t.Errorf("one of 40: %d tested, p %.4f, adjusted %.4f: %s", c.Family, x.P, x.Adjusted, x.Reason)
	}
}

func TestAnotherLoadIsNamed(t *testing.T) {
	other := compare.Load{Arrivals: "poisson", Phases: []compare.Phase{{Name: "steady", Judged: true, DurationS: 30}},
		Lanes: []compare.Lane{{Scenario: "message", Steps: []string{"send"}, RatePerS: 500, InFlight: 10}, {Scenario: "auth"}}}
	got := strings.Join(compare.LoadChanges(other, load), "\n")
	for _, want := range []string{"arrivals are poisson, in the baseline constant", "the phases are steady (30s), in the baseline steady (60s)",
		"message is planned with 500/s, in the baseline with 550/s", "message may have 10 in flight, in the baseline 1000", "the scenario auth is not in the baseline"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not among\n%s", want, got)
		}
	}
	if d := compare.LoadChanges(load, load); len(d) > 0 {
		t.Errorf("a load differs from itself: %q", d)
	}
}

func TestAnotherEnvironmentIsAWarning(t *testing.T) {
	at := func(host, postgres, rows string) compare.Run {
		r := run("x", p99(0.1))
		r.Environment = map[string]string{"host": host, "postgres": postgres, "rows.public.messages": rows}
		return r
	}
	base := []compare.Run{at("a", "15.1", "100000"), at("a", "15.1", "120000")}
	if w := compare.EnvironmentChanges(at("a", "15.1", "150000"), base); len(w) > 0 {
		t.Errorf("the same environment, a run later: %q", w)
	}
	w := strings.Join(compare.Against("b", base, at("b", "16.2", "2000000"), margins).Warnings, "\n")
	for _, want := range []string{"another host: b, in the baseline a", "another PostgreSQL: 16.2, in the baseline 15.1", "another data volume: the run began with 2000000 rows in public.messages, the baseline's with 100000 to 120000"} {
		if !strings.Contains(w, want) {
			t.Errorf("%q is not among\n%s", want, w)
		}
	}
}

func TestPairsCancelWhatDrifts(t *testing.T) {
	// The machine goes from 60 to 100 ms and back; B is 25% slower each time, give or take 1%.
	var a, b []compare.Run
	for i, level := range []float64{0.06, 0.08, 0.1, 0.09, 0.07} {
		a = append(a, run(fmt.Sprintf("a%d", i), p99(level)))
		b = append(b, run(fmt.Sprintf("b%d", i), p99(level*1.25*math.Exp(0.01*float64(i%3-1)))))
	}
	c := compare.Paired("a.yaml", a, b, margins)
	x := only(t, c)
	// Differences of the logarithms: ln 1.25 = 0.22314 and -0.01, 0, 0.01, -0.01, 0: mean 0.22114,
	// s = 0.0083666, +- 2.131847 * s/sqrt(5) = 0.0079766.
	if !c.Regressed || !near(x.Change, math.Expm1(0.22114), 1e-4) || !near(x.Low, math.Expm1(0.22114-0.0079766), 1e-4) || x.Runs != 5 {
		t.Errorf("pairs: change %.5f, at least %.5f: %s", x.Change, x.Low, x.Reason)
	}
	if c := compare.Against("a", a, b[4], margins); c.Regressed {
		t.Error("without pairs 25% should drown in such a drift: the example shows nothing")
	}
	for i := range b { // whose generator was 50 ms late with B, and not with A
		b[i].Metrics[0].LagS = 0.05
	}
	if c := compare.Paired("a.yaml", a, b, margins); c.Regressed {
		t.Errorf("by a late generator: %v", c.Reasons)
	}
	if c := compare.Paired("a.yaml", a, a, margins); c.Regressed || c.Changes[0].Verdict != compare.Same {
		t.Errorf("a system against itself: %+v", c.Changes)
	}
}

func TestARunIsTakenFromItsSummary(t *testing.T) {
	s := &analysis.Summary{
		Header: observation.Header{ID: "id", Environment: map[string]string{"host": "h", "base_url": "https://user:secret@arq.example.com:8443/x", "seed": "7"},
			Phases: []observation.Phase{{Name: "steady", Judged: true, End: observation.Seconds(10 * time.Second)}}},
		Judged: 10 * time.Second,
		Total:  analysis.Population{Tally: observation.Tally{Planned: 1000, Sent: 1000, Results: observation.Results{OK: 1000}}, CompletedOK: 990},
		Database: analysis.Database{StatementsOK: true, Version: "15.1", Statements: []analysis.StatementUse{
			{Query: "SELECT $1", Calls: 1500, Total: 3 * time.Second}, {Query: "select  $2", Calls: 500, Total: time.Second}, {Query: "COMMIT", Calls: 9, Control: true}},
			Tables: []analysis.TableUse{{Name: "public.t", Known: true, LiveRows: 700, Inserted: 300, Deleted: 100}}},
		Cache: analysis.Cache{Available: true, OK: true, Hits: 90, Misses: 10, HitRatio: 0.9, OpsPerS: 200, Covered: 10 * time.Second, Evicted: 5,
			Nodes: []analysis.CacheNode{{Role: "master", KeysBefore: 40}, {Role: "slave", KeysBefore: 40}}},
	}
	r := compare.Of(s)
	got := map[string]float64{}
	for _, m := range r.Metrics {
		got[m.Label()] = m.Value
	}
	for label, want := range map[string]float64{
		"all arrivals error rate": 0, "all arrivals ok/s": 99, "database calls per arrival": 2, "database time per arrival": 0.004,
		`statement "SELECT $1" calls per arrival`: 2, `statement "SELECT $1" mean`: 0.002,
		"cache hit ratio": 0.9, "cache ops per arrival": 2, "cache evicted per arrival": 0.005,
	} {
		if v, ok := got[label]; !ok || !near(v, want, 1e-12) {
			t.Errorf("%s is %g (%t), want %g", label, v, ok, want)
		}
	}
	for key, want := range map[string]string{"host": "h", "target": "https://arq.example.com:8443/x", "postgres": "15.1", "rows.public.t": "500", "redis_keys": "40", "seed": ""} {
		if r.Environment[key] != want {
			t.Errorf("environment %s is %q, want %q", key, r.Environment[key], want)
		}
	}
	// Where a part of the statements is lost, none is compared: a smaller number would look better.
	s.Database.Partial = []string{"pg_stat_statements was reset"}
	for _, m := range compare.Of(s).Metrics {
		if m.Kind == compare.KindStatement || m.Kind == compare.KindDatabase {
			t.Errorf("%s is compared, though a part is lost", m.Label())
		}
	}
	if why := compare.Incomplete(s); len(why) > 0 {
		t.Errorf("a whole run is called incomplete: %q", why)
	}
	s.Judged = 4 * time.Second
	if why := compare.Incomplete(s); len(why) != 1 || !strings.Contains(why[0], "it ended early: 4s of 10s") {
		t.Errorf("a run of 4 s of 10: %q", why)
	}
}

func TestMoreRunsFindSmallerChanges(t *testing.T) {
	base := five(func(i int) compare.Metric { return p99(0.1 * math.Exp(0.06*float64(i%2))) })
	last := math.Inf(1)
	for n := 1; n <= 5; n++ {
		d := compare.Detectables(base[:n], margins)
		if len(d) != 1 {
			t.Fatalf("%d metrics, want 1", len(d))
		}
		if n == 1 && !math.IsInf(d[0].Change, 1) || n > 2 && !(d[0].Change < last) {
			t.Errorf("%d runs: %.3f after %.3f", n, d[0].Change, last)
		}
		last = d[0].Change
	}
}

func TestAQuantileAmongTheFailuresIsUndecidedNotAbsent(t *testing.T) {
	among := compare.Metric{Kind: compare.KindScenario, Scope: "message", Name: "p99", Unit: compare.UnitSeconds, N: 33000, Lower: true, AmongFailures: true}
	base := five(func(i int) compare.Metric { return p99(0.1 * math.Exp(0.01*float64(i-2))) })
	pairs := []compare.Run{run("b0", p99(0.1)), run("b1", among), run("b2", p99(0.1)), run("b3", p99(0.1)), run("b4", p99(0.1))}
	for name, c := range map[string]compare.Comparison{"a run": compare.Against("b", base, run("new", among), margins), "one of five slices": compare.Paired("a.yaml", base, pairs, margins)} {
		x := only(t, c)
		if x.Verdict != compare.Inconclusive || !x.Decides || c.Family != 1 || !math.IsInf(x.Change, 1) || !near(x.Baseline, 0.1, 1e-9) || x.Runs != 5 {
			t.Errorf("%s: %+v in a family of %d", name, x, c.Family)
		}
		if want := "message p99: 100ms -> slower than any answer"; !strings.HasPrefix(x.Reason, want) {
			t.Errorf("%s: %q, want %q", name, x.Reason, want)
		}
		if got := strings.Join(c.Reasons, "\n"); !strings.Contains(got, "nothing could be decided") {
			t.Errorf("%s: %s", name, got)
		}
	}
	// The baseline has runs of that kind: they are no fast ones, and none is made up for them.
	base[0] = run("r0", among)
	if x := only(t, compare.Against("b", base, run("new", p99(0.1)), margins)); x.Runs != 4 || x.Verdict != compare.Same {
		t.Errorf("one of five baseline runs among the failures: %+v", x)
	}
	if c := compare.Against("b", []compare.Run{run("r", among), run("s", among)}, run("new", among), margins); len(c.Changes) != 0 || c.Regressed {
		t.Errorf("where no run has a value: %+v", c.Changes)
	}
	// It comes from the record: of 1000 arrivals 20 failed, so the 990th of them is a failure.
	h := hist.New()
	h.RecordN(10*time.Millisecond, 980)
	s := &analysis.Summary{Judged: 10 * time.Second, Generator: analysis.Generator{Lag: hist.New()}, Total: analysis.Population{Tally: observation.Tally{Planned: 1000, Sent: 1000, Results: observation.Results{OK: 980, Failed: 20}}, Response: h}}
	for _, m := range compare.Of(s).Metrics {
		if m.Unit == compare.UnitSeconds && m.AmongFailures != (m.Name == "p99") {
			t.Errorf("%s: %+v", m.Label(), m)
		}
	}
}

func TestLargeNumbersArePrintedWhole(t *testing.T) {
	base := five(func(i int) compare.Metric { return rate(1003 + float64(i)/10) })
	if x := only(t, compare.Against("b", base, run("new", rate(852.4)), margins)); !strings.HasPrefix(x.Reason, "all arrivals ok/s regressed: 1003/s -> 852/s (-15%, at least -") {
		t.Errorf("%q", x.Reason)
	}
	base = five(func(int) compare.Metric { return calls("SELECT 1", 1) })
	if x := only(t, compare.Against("b", base, run("new", calls("SELECT 1", 1234.5)), margins)); !strings.Contains(x.Reason, "1 -> 1234 (x1235, at least x1219") {
		t.Errorf("%q", x.Reason)
	}
	x := compare.Change{Absolute: true}
	for v, want := range map[float64]string{2345.6: "+2346", -2345.6: "-2346", 0.05: "+0.05", 0: "+0"} {
		if got := x.FormatChange(v); got != want {
			t.Errorf("%g is %s, want %s", v, got, want)
		}
	}
}

func TestARampIsAnotherLoadThanAConstantRate(t *testing.T) {
	// 50% to 150% of 100/s for 60 s are 6000 arrivals, as 100% are.
	of := func(phase string) compare.Load {
		p, err := scenarios.Parse("plan.yaml", []byte("version: 1\nname: x\nsystem: {base_url: \"http://127.0.0.1:1\", username: u, password: p}\nload: [{scenario: auth, rate: 100/s}]\nphases: [{name: steady, duration: 60s"+phase+"}]\nobjectives: [p50 < 1s]\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return compare.LoadOf(p)
	}
	constant, ramp := of(""), of(", from: 50%, to: 150%")
	if constant.Lanes[0].PlannedJudged != ramp.Lanes[0].PlannedJudged {
		t.Fatalf("%d and %d arrivals: the example shows nothing", constant.Lanes[0].PlannedJudged, ramp.Lanes[0].PlannedJudged)
	}
	want := []string{"the phases are steady (60s at 50% to 150%), in the baseline steady (60s at 100%)"}
	if got := compare.LoadChanges(ramp, constant); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	unknown := constant
	unknown.Phases = []compare.Phase{{Name: "steady", Judged: true, DurationS: 60}}
	if got := compare.LoadChanges(constant, unknown); len(got) > 0 {
		t.Errorf("where the rate is not known: %q", got)
	}
}

func TestWhatIsNotKnownOfAllRunsIsSaidOnce(t *testing.T) {
	// Three statements of which nothing is known in two of five runs, nor their error rate.
	whole := []compare.Metric{p99(0.1), failed(0, 1), calls("SELECT 1", 1), calls("SELECT 2 FROM a", 1), calls("SELECT 3 FROM b", 1)}
	var base []compare.Run
	for i := range 5 {
		r := run(fmt.Sprintf("r%d", i), whole...)
		if i > 2 {
			r.Metrics, r.Watched = whole[:1], nil
		}
		base = append(base, r)
	}
	c := compare.Against("b", base, run("new", whole...), margins)
	want := []string{"all arrivals error rate is known of 3 of the baseline's 5 runs, and compared with these alone",
		"the calls of 3 statements are not known of all of the baseline's runs, and compared with the others alone"}
	if !slices.Equal(c.Warnings, want) {
		t.Errorf("warnings %q, want %q", c.Warnings, want)
	}
	// And of none: one line, however many statements there are.
	c = compare.Against("b", base[3:], run("new", whole...), margins)
	lines := 0
	for _, w := range c.Warnings {
		if strings.Contains(w, "statements") {
			lines++
		}
	}
	if lines != 1 || !strings.Contains(strings.Join(c.Warnings, "\n"), "the baseline has no statements' calls, or a part of them is lost; the run has those of 3") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestWhatLooksWorseButMayBeChanceIsNamed(t *testing.T) {
	loud := five(func(i int) compare.Metric { return p99(0.1 * math.Exp(0.1*float64(i-2))) })
	c := compare.Against("b", loud, run("new", p99(0.13)), margins)
	want := []string{"nothing could be decided: this is no proof that nothing became worse",
		"undecided, but worse by the margin or more as far as this run shows: message p99; run again to know whether that was chance"}
	if !slices.Equal(c.Reasons, want) || c.Regressed {
		t.Errorf("30%% worse where runs differ as much: %q, want %q", c.Reasons, want)
	}
	for _, value := range []float64{0.1, 0.077} { // no worse
		if c := compare.Against("b", loud, run("new", p99(value)), margins); strings.Contains(strings.Join(c.Reasons, "\n"), "worse by the margin") {
			t.Errorf("%g s: %q", value, c.Reasons)
		}
	}
}

func TestAQuantileOfAHandfulOfArrivalsIsSaid(t *testing.T) {
	of := func(n uint64) []compare.Metric {
		m, all := p99(0.1), p99(0.1)
		m.N, all.N, all.Kind, all.Scope = n, n, compare.KindAll, "" // of all arrivals it does not decide
		p50 := m
		p50.Name = "p50"
		return []compare.Metric{m, p50, all}
	}
	base := []compare.Run{run("r0", of(499)...), run("r1", of(499)...), run("r2", of(499)...), run("r3", of(499)...), run("r4", of(499)...)}
	// Of 499 arrivals 4.99 lie beyond the p99; of 500 it is 5.
	want := []string{"too few arrivals: fewer than 5 of a run lie beyond message p99, so chance moves it much; longer runs or higher rates are needed to compare it"}
	if c := compare.Against("b", base, run("new", of(499)...), margins); !slices.Equal(c.Warnings, want) {
		t.Errorf("of 499: %q, want %q", c.Warnings, want)
	}
	if c := compare.Against("b", base, run("new", of(500)...), margins); len(c.Warnings) > 0 {
		t.Errorf("of 500: %q", c.Warnings)
	}
}
