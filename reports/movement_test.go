package reports_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"arqload/analysis"
	"arqload/reports"
	"arqload/scenarios"
)

// moved is a summary in which p95 doubled at 31 s and this moved with it: a gauge that led, a counter of
// bytes, a statement of a long name, and a share that may be chance; n more of that.
func moved(t *testing.T, n int) *analysis.Summary {
	s := analysis.Summarize(record(t))
	one := func(name, of string, unit scenarios.Unit, rate bool, lag int, rho, before, after, holm float64) analysis.Mover {
		return analysis.Mover{Series: analysis.Series{Name: name, Of: of, Source: "postgres", Unit: unit}, Rate: rate, Lag: lag, Correlation: rho, Seconds: 58, Effective: 21.5,
			CorrelationP: 0.002, Level: &analysis.SeriesChange{Before: before, After: after, Delta: 0.75, P: 0.0005}, P: 0.001, Holm: holm}
	}
	m := analysis.Movement{
		Seconds: 60, Lags: 11, Looked: 40, Constant: 12, Sparse: 3, ByChance: 2,
		P95:    analysis.Spread{Min: 80 * ms, Q1: 95 * ms, Median: 140 * ms, Q3: 210 * ms, Max: 1234567 * time.Microsecond},
		Change: &analysis.LevelChange{At: 31 * time.Second, Before: 100 * ms, After: 205 * ms, P: 1e-6},
		Found: []analysis.Mover{
			one("db.locks.waiting", "", scenarios.UnitCount, false, 2, 0.871, 0, 12.5, 0.003),
			one("db.temp_bytes", "", scenarios.UnitBytes, true, 0, 0.7, 1000.4, 3<<20, 0.01),
			one("db.statement "+strings.Repeat("SELECT dialogue ", 20), "", scenarios.UnitSeconds, true, -1, 0.6, 0.25, 1.5, 0.04),
			one("cache.memory_share", "10.0.0.8:6379", scenarios.UnitShare, false, 5, -0.55, 0.4, 0.75, 0.2),
		},
		Cautions: []string{"moving together does not say what caused what"},
	}
	for i := range n {
		m.Found = append(m.Found, one(fmt.Sprint("more.", i), "", scenarios.UnitCount, false, 0, 0.5, 1, 2, 0.3))
	}
	s.Movement = m
	return s
}

func movementOf(t *testing.T, s *analysis.Summary, width int) string {
	t.Helper()
	out := text(t, reports.New(s, analysis.Judge(s, nil), nil), reports.TextOptions{Width: width})
	_, out, ok := strings.Cut(out, "\nWhat moved with the latency\n")
	if !ok {
		t.Fatal("there is no such section")
	}
	out, _, _ = strings.Cut(out, "\nWarnings\n")
	return out
}

func TestWhatMovedReadsAsItDid(t *testing.T) {
	golden(t, "movement-80.txt", movementOf(t, moved(t, 0), 80))
	golden(t, "movement-100.txt", movementOf(t, moved(t, 7), 100))
}

func TestNothingMovedIsOneLine(t *testing.T) {
	s := moved(t, 0)
	s.Movement.Found, s.Movement.Cautions, s.Movement.Change = nil, nil, nil
	out := strings.TrimRight(movementOf(t, s, 300), "\n")
	if strings.Contains(out, "\n") || !strings.Contains(out, "Nothing moved with it (40 series compared, 12 constant, 3 with too few seconds)") {
		t.Errorf("got:\n%s", out)
	}
}

func TestTheJSONReportSaysWhatMoved(t *testing.T) {
	s := moved(t, 0)
	doc := gjson.Get(encoded(t, reports.New(s, analysis.Judge(s, nil), nil)), "movement")
	for path, want := range map[string]float64{
		"seconds": 60, "series": 40, "series_constant": 12, "series_sparse": 3, "lags": 11, "expected_by_chance": 2,
		"p95.min_s": 0.08, "p95.q1_s": 0.095, "p95.median_s": 0.14, "p95.q3_s": 0.21, "p95.max_s": 1.234567,
		"change.at_s": 31, "change.before_s": 0.1, "change.after_s": 0.205, "change.p": 1e-6, "found.#": 4,
		"found.0.lag_s": 2, "found.0.correlation": 0.871, "found.0.seconds": 58, "found.0.effective_seconds": 21.5, "found.0.correlation_p": 0.002,
		"found.0.before": 0, "found.0.after": 12.5, "found.0.cliffs_delta": 0.75, "found.0.level_p": 0.0005, "found.0.p": 0.001, "found.0.p_holm": 0.003,
	} {
		if got := doc.Get(path); got.Type != gjson.Number || got.Num != want {
			t.Errorf("movement.%s = %s, want %v", path, got.Raw, want)
		}
	}
	for path, want := range map[string]string{"moved": "true", "found.0.significant": "true", "found.3.significant": "false", "found.1.rate": "true", "found.1.unit": `"bytes"`,
		"found.3.name": `"cache.memory_share"`, "found.3.of": `"10.0.0.8:6379"`, "found.3.source": `"postgres"`, "found.3.tied": `""`, "reason": `""`} {
		if got := doc.Get(path).Raw; got != want {
			t.Errorf("movement.%s = %s, want %s", path, got, want)
		}
	}
	// Where p95 did not change its level there is no before and no after, and not one of 0.
	s.Movement.Found[0].Level, s.Movement.Change = nil, nil
	doc = gjson.Get(encoded(t, reports.New(s, analysis.Judge(s, nil), nil)), "movement")
	for _, path := range []string{"change", "found.0.before", "found.0.after", "found.0.level_p"} {
		if got := doc.Get(path); got.Raw != "null" {
			t.Errorf("movement.%s = %q, want null", path, got.Raw)
		}
	}
}
