package bundle

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"arqload/analysis/compare"
)

// baselineRun is a run as compare.Of makes it.
func baselineRun(id, started string) compare.Run {
	return compare.Run{
		Schema: compare.Schema, ID: id, Name: "uat", StartedAt: started, PlanSHA256: "abc", ToolVersion: "v1",
		Load: compare.Load{Arrivals: "constant", Phases: []compare.Phase{{Name: "steady", Judged: true, DurationS: 60}},
			Lanes: []compare.Lane{{Scenario: "auth", Steps: []string{"token"}, RatePerS: 50, InFlight: 10, PlannedRun: 3000, PlannedJudged: 3000}}},
		Environment: map[string]string{"host": "vm", "cpus": "2", "rows.public.t": "7"},
		Watched:     []string{"statements"},
		Metrics: []compare.Metric{
			{Kind: compare.KindScenario, Scope: "auth", Name: "p99", Unit: compare.UnitSeconds, Value: 0.0651, N: 3000, Lower: true, SE: 0.02, LagS: 0.001},
			{Kind: compare.KindStatement, Scope: "SELECT \"a\" <\n&> $1", Name: "calls_per_arrival", Unit: compare.UnitPerArrival, Value: 1, N: 3000, Lower: true},
		},
	}
}

func TestABaselineReadsBackWhatWasAdded(t *testing.T) {
	b := OpenBaselines(filepath.Join(t.TempDir(), "not", "there"))
	if names, err := b.Names(); err != nil || len(names) != 0 {
		t.Fatalf("of no folder: %v, %v", names, err)
	}
	late, early := baselineRun("b", "2026-11-23T10:00:00Z"), baselineRun("c", "2026-11-23T09:00:00Z")
	must(t, b.Add("v1.0", late))
	must(t, b.Add("v1.0", early))
	must(t, b.Add("other", late))
	runs, err := b.Runs("v1.0")
	must(t, err)
	if diff := cmp.Diff([]compare.Run{early, late}, runs); diff != "" {
		t.Errorf("read back, oldest first (-added +read):\n%s", diff)
	}
	if names, err := b.Names(); err != nil || !slices.Equal(names, []string{"other", "v1.0"}) {
		t.Errorf("names %v, %v", names, err)
	}
}

func TestAChangedMetricIsOneChangedLine(t *testing.T) {
	a := baselineRun("a", "2026-11-23T09:00:00Z")
	first, err := encodeBaselineRun(a)
	must(t, err)
	again, err := encodeBaselineRun(a)
	must(t, err)
	if string(first) != string(again) {
		t.Error("the same run is written in two ways")
	}
	a.Metrics[0].Value = 0.07
	second, err := encodeBaselineRun(a)
	must(t, err)
	x, y := strings.Split(string(first), "\n"), strings.Split(string(second), "\n")
	changed := 0
	for i := range x {
		if x[i] != y[i] {
			changed++
		}
	}
	if len(x) != len(y) || changed != 1 {
		t.Errorf("%d lines of %d and %d changed, want 1", changed, len(x), len(y))
	}
}

func TestARunIsInABaselineOnce(t *testing.T) {
	b := OpenBaselines(t.TempDir())
	a := baselineRun("a", "2026-11-23T09:00:00Z")
	must(t, b.Add("v1", a))
	changed := a
	changed.Metrics = a.Metrics[:1]
	if err := b.Add("v1", changed); err == nil || !strings.Contains(err.Error(), "is in the baseline v1 already") {
		t.Errorf("added twice: %v", err)
	}
	runs, err := b.Runs("v1")
	must(t, err)
	if len(runs) != 1 || len(runs[0].Metrics) != 2 {
		t.Errorf("what was refused was written: %+v", runs)
	}
}

func TestNoNameLeavesTheFolder(t *testing.T) {
	dir := t.TempDir()
	b := OpenBaselines(filepath.Join(dir, "store"))
	for _, name := range []string{"", ".", "..", "../x", "a/b", ".hidden", `a\b`, "a b", strings.Repeat("x", 101)} {
		_, err := b.Runs(name)
		for what, err := range map[string]error{"add": b.Add(name, baselineRun("a", "")), "remove": b.RemoveAll(name), "remove a run": b.Remove(name, "a"), "show": err} {
			if err == nil || !strings.Contains(err.Error(), "is no name of a baseline") {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
	if err := b.Add("v1", baselineRun("../../x", "")); err == nil {
		t.Error("a run's id may leave the folder")
	}
	must(t, b.Add("v1", baselineRun("a", "")))
	if err := b.Remove("v1", "../v1/a"); err == nil || !strings.Contains(err.Error(), "is no run's id") {
		t.Errorf("removed by a path: %v", err)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*")); len(found) != 1 {
		t.Errorf("beside the store: %v", found)
	}
}

func TestADamagedBaselineIsNamedAndNotComparedWith(t *testing.T) {
	whole, err := encodeBaselineRun(baselineRun("a", "2026-11-23T09:00:00Z"))
	must(t, err)
	text := string(whole)
	for name, content := range map[string]string{
		"cut": text[:len(text)/2], "empty": "", "no JSON": "<<<<<<< HEAD\n" + text, "another form": strings.Replace(text, compare.Schema, "arqload.baseline/9", 1),
		"another run": strings.Replace(text, `"id": "a"`, `"id": "b"`, 1), "no metrics": strings.Replace(text, `"metrics"`, `"metrix"`, 1),
		"a negative time": strings.Replace(text, `"value":0.0651`, `"value":-1`, 1), "an impossible number": strings.Replace(text, `"value":0.0651`, `"value":1e999`, 1),
	} {
		dir := t.TempDir()
		b := OpenBaselines(dir)
		must(t, b.Add("v1", baselineRun("z", "2026-11-23T08:00:00Z")))
		path := filepath.Join(dir, "v1", "a.json")
		must(t, os.WriteFile(path, []byte(content), 0o644))
		if _, err := b.Runs("v1"); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v; the error must name %s", name, err, path)
		}
	}
}

func TestRemovingTakesRunsAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	b := OpenBaselines(dir)
	must(t, b.Add("v1", baselineRun("a", "1")))
	must(t, b.Add("v1", baselineRun("b", "2")))
	must(t, b.Remove("v1", "a"))
	runs, err := b.Runs("v1")
	must(t, err)
	if len(runs) != 1 || runs[0].ID != "b" {
		t.Errorf("left are %+v", runs)
	}
	if err := b.Remove("v1", "a"); err == nil || !strings.Contains(err.Error(), "there is no run a in the baseline v1") {
		t.Errorf("removed twice: %v", err)
	}
	notes := filepath.Join(dir, "v1", "NOTES.md")
	must(t, os.WriteFile(notes, nil, 0o644))
	if err := b.Remove("v1", ""); err == nil || !strings.Contains(err.Error(), "is no run's id") {
		t.Errorf("a run without an id, as of a variable that is not set: %v", err)
	}
	if runs, err := b.Runs("v1"); err != nil || len(runs) != 1 {
		t.Errorf("it took %v, %v", runs, err)
	}
	if err := b.RemoveAll("v1"); err == nil || !strings.Contains(err.Error(), "its folder is not") {
		t.Errorf("a folder with other files: %v", err)
	}
	if _, err := os.Stat(notes); err != nil {
		t.Errorf("a file of somebody else is gone: %v", err)
	}
	if _, err := b.Runs("v1"); err == nil {
		t.Error("the runs are still there")
	}
	if names, err := b.Names(); err != nil || len(names) != 0 {
		t.Errorf("a folder without a run is the baseline %v, %v", names, err)
	}
	if err := b.RemoveAll("v2"); err == nil || !strings.Contains(err.Error(), "there is no baseline v2") {
		t.Errorf("a baseline that is not there: %v", err)
	}
}

func TestANumberThatJSONDoesNotHaveIsRefused(t *testing.T) {
	b := OpenBaselines(t.TempDir())
	r := baselineRun("a", "")
	r.Metrics[0].Value = math.NaN()
	if err := b.Add("v1", r); err == nil {
		t.Error("NaN was written")
	}
	if names, _ := b.Names(); len(names) > 0 {
		t.Errorf("a refused run left %v", names)
	}
}

func TestRunsOfTwoLoadsAreNoBaseline(t *testing.T) {
	// As where two branches made a baseline of one name, and git merged the files.
	b := OpenBaselines(t.TempDir())
	must(t, b.Add("v1", baselineRun("a", "2026-11-23T09:00:00Z")))
	other := baselineRun("b", "2026-11-23T10:00:00Z")
	other.Load.Lanes = slices.Clone(other.Load.Lanes)
	other.Load.Lanes[0].RatePerS = 5
	must(t, b.Add("v1", other))
	if _, err := b.Runs("v1"); err == nil || !strings.Contains(err.Error(), "different loads") || !strings.Contains(err.Error(), "of b, with a as the baseline: auth is planned with 5/s, in the baseline with 50/s") {
		t.Errorf("runs of two loads: %v", err)
	}
	must(t, b.Remove("v1", "b"))
	if _, err := b.Runs("v1"); err != nil {
		t.Error(err)
	}
}
