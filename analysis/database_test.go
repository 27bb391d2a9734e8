package analysis

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"arqload/analysis/observation"
)

// at is a second of the run as the samples' offsets have it: 10 ms after the tick.
func at(second float64) observation.Seconds {
	return observation.Seconds(second*1e9) + observation.Seconds(10*time.Millisecond)
}

// phases: 10 s of warm-up, 10 s judged; the run's last sample comes at 23 s.
func runOf(phases ...observation.Phase) *observation.Run {
	if phases == nil {
		phases = []observation.Phase{phase("warm-up", 0, 10, false), phase("steady", 10, 20, true)}
	}
	return &observation.Run{
		Header: observation.Header{Phases: phases},
		Footer: &observation.Footer{Ended: at(21)},
	}
}

func phase(name string, from, to float64, judged bool) observation.Phase {
	return observation.Phase{Name: name, Start: observation.Seconds(from * 1e9), End: observation.Seconds(to * 1e9), Judged: judged}
}

// put adds a sample.
func put(t *testing.T, run *observation.Run, collector string, second float64, data any, err error) {
	t.Helper()
	s := observation.Sample{Collector: collector, At: at(second), Took: observation.Seconds(4 * time.Millisecond)}
	if err != nil {
		s.Error = err.Error()
	} else {
		var e error
		if s.Data, e = json.Marshal(data); e != nil {
			t.Fatal(e)
		}
	}
	run.Samples = append(run.Samples, s)
}

var epoch = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

const (
	selects = 101 // 10 calls a second of 10 ms each
	begins  = 102 // 10 calls a second of 0 ms: control
	sleeps  = 103 // 1 call a second of 700 ms
)

func row(query, calls int64, each float64) observation.Statement {
	return observation.Statement{
		StatementKey: observation.StatementKey{UserID: 10, DBID: 5, QueryID: query, TopLevel: true},
		Calls:        calls, Total: float64(calls) * each, Min: each, Max: each, Mean: each, Rows: calls, BlocksHit: 3 * calls,
	}
}

// postgres makes a run whose PostgreSQL did the same every second from 0 on; readings come
// with the even seconds. edit changes the sample of a second, or fails it.
func postgres(t *testing.T, run *observation.Run, edit func(second int, p *observation.Postgres) error) *observation.Run {
	t.Helper()
	reading := int64(0)
	for s := -2; s <= 23; s++ {
		if s > 20 && s < 23 {
			continue
		}
		done := int64(max(0, min(s, 20)))
		p := observation.Postgres{
			ServerVersion: 150018, Name: "arq", Postmaster: epoch, Extension: "1.10", StatsReset: epoch, MaxConns: 100,
			Database: observation.DatabaseCounters{Commits: 1000 + 20*done, BlocksHit: 70 * done, Deadlocks: done / 15},
			Sessions: []observation.SessionCount{{State: "active", Wait: "CPU", Count: 2}, {State: "active", Wait: "IO", Count: 1}, {State: "idle", Wait: "Client", Count: 4}},
		}
		if s == 12 {
			p.Sessions[0].Count = 9
		}
		if s%2 == 0 || s == 23 {
			reading++
			p.StatementsRead, p.Reading = true, reading
			p.Statements = []observation.Statement{row(selects, 50+10*done, 0.01), row(begins, 50+10*done, 0)}
		}
		if s == -2 {
			p.Settings = map[string]string{"role": "arq", "pg_read_all_stats": "true", "pg_stat_statements.track": "top"}
		}
		if s == 23 {
			p.Texts = map[string]string{"101": "select $1", "102": "BEGIN", "103": "select pg_sleep($1)"}
		}
		var err error
		if edit != nil {
			err = edit(s, &p)
		}
		if err != nil && p.StatementsRead {
			reading-- // the collector counts only what it hands over
		}
		put(t, run, "pgstat", float64(s), p, err)
	}
	return run
}

func TestDatabaseOfAQuietRun(t *testing.T) {
	d := SummarizeDatabase(postgres(t, runOf(), nil))
	if !d.Asked || !d.Available || !d.StatementsOK || !d.Counters.OK || len(d.Gaps) > 0 {
		t.Fatalf("database = %+v, %q, want all of it", d.Available, d.Gaps)
	}
	want := []StatementUse{
		{Query: "select $1", QueryID: selects, Calls: 100, Rows: 100, Total: time.Second, Mean: 10 * time.Millisecond,
			Max: 10 * time.Millisecond, Share: 1, Blocks: StatementBlocks{Hit: 300}},
		{Query: "BEGIN", QueryID: begins, Calls: 100, Rows: 100, Control: true, Blocks: StatementBlocks{Hit: 300}},
	}
	if diff := cmp.Diff(want, d.Statements); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
	// 20 commits a second; deadlock number 1 at 15 s.
	if want := (DatabaseCounters{OK: true, Commits: 200, BlocksHit: 700, Deadlocks: 1}); d.Counters != want {
		t.Errorf("counters = %+v, want %+v", d.Counters, want)
	}
	if diff := cmp.Diff([]SessionUse{{"active", 10}, {"idle", 4}}, d.Sessions); diff != "" || d.ConnectionsMax != 14 || d.MaxConnections != 100 {
		t.Errorf("sessions: at most %d of %d (-want +got):\n%s", d.ConnectionsMax, d.MaxConnections, diff)
	}
	if d.Version != "15.18" || d.Name != "arq" || d.Covered != 10*time.Second || d.SampleMean != 4*time.Millisecond || d.Samples != 10 {
		t.Errorf("identity or cost: %+v", d)
	}
	q := d.Query(0.99, 500*time.Millisecond, false)
	if q.Claim != ClaimProved || q.Decision != DecisionMet || q.N != 100 || q.SlowHigh != 0 || !q.UpperOK || q.Upper > 11*time.Millisecond {
		t.Errorf("claim = %+v, want proved: 100 calls, BEGIN is none", q)
	}
	// The 10 ms calls are not under 10 ms, but not over 10 ms.
	if q := d.Query(0.99, 10*time.Millisecond, false); q.Decision != DecisionMissed || q.SlowLow != 100 {
		t.Errorf("p99 < 10ms: %+v, want missed", q)
	}
	if q := d.Query(0.99, 10*time.Millisecond, true); q.Decision != DecisionMet {
		t.Errorf("p99 <= 10ms: %+v, want met", q)
	}
}

func TestSlowCallsAreProvedToMissTheLimit(t *testing.T) {
	d := SummarizeDatabase(postgres(t, runOf(), func(s int, p *observation.Postgres) error {
		if p.StatementsRead && s >= 0 {
			p.Statements = append(p.Statements, row(sleeps, int64(1+min(s, 20)), 0.7))
		}
		return nil
	}))
	q := d.Query(0.99, 500*time.Millisecond, false)
	// 10 of 110 calls took 0.7 s, 1 is allowed.
	if q.Claim != ClaimProved || q.Decision != DecisionMissed || q.N != 110 || q.SlowLow != 10 || q.SlowHigh != 10 {
		t.Errorf("claim = %+v, want 10 slow calls of 110", q)
	}
}

func TestWhatIsLostLeavesThePartThatIsKnownAndProvesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(s int, p *observation.Postgres) error
		want string
		left int64 // calls that are still known
	}{
		"statistics reset in the middle": {func(s int, p *observation.Postgres) error {
			if s >= 15 {
				p.StatsReset = epoch.Add(time.Hour)
			}
			return nil
		}, "was reset", 80},
		"server restarted": {func(s int, p *observation.Postgres) error {
			if s >= 13 {
				p.Postmaster = epoch.Add(time.Hour)
			}
			return nil
		}, "restarted", 80},
		"fewer evictions than before": {func(s int, p *observation.Postgres) error {
			if s < 13 {
				p.Dealloc, p.DeallocAfter = 5, 5
			}
			return nil
		}, "was reset", 80},
		"lost across the start": {func(s int, p *observation.Postgres) error {
			if s >= 7 && s <= 13 {
				return errors.New("connection refused")
			}
			return nil
		}, "no sample of the judged time's start", 60},
		"a reading is missing from the record": {func(s int, p *observation.Postgres) error {
			if p.Reading > 7 {
				p.Reading++
			}
			return nil
		}, "lacks a reading", 0},
		"no extension": {func(s int, p *observation.Postgres) error {
			if p.StatementsRead {
				p.StatementsRead, p.Reading, p.Statements, p.StatementsError = false, 0, nil, "run CREATE EXTENSION"
			}
			return nil
		}, "CREATE EXTENSION", 0},
	} {
		d := SummarizeDatabase(postgres(t, runOf(), c.edit))
		q := d.Query(0.99, 500*time.Millisecond, false)
		if !d.Available || d.StatementsOK != (c.left > 0) || q.N != c.left || q.Decision != DecisionUndecided || q.Claim == ClaimProved || q.UpperOK || len(d.Partial) == 0 {
			t.Errorf("%s: partial %q, claim %+v; want %d calls and nothing proved", name, d.Partial, q, c.left)
		}
		if !strings.Contains(q.Reason, c.want) || !strings.Contains(strings.Join(d.Gaps, "\n"), c.want) {
			t.Errorf("%s: reason %q, gaps %q; want both to say %q", name, q.Reason, d.Gaps, c.want)
		}
	}
}

func TestWhatHappensOutsideOfTheJudgedTimeVoidsNothing(t *testing.T) {
	d := SummarizeDatabase(postgres(t, runOf(), func(s int, p *observation.Postgres) error {
		if s < 6 { // another life, with evictions, until 4 s
			p.StatsReset, p.Dealloc, p.DeallocAfter = epoch.Add(-time.Hour), int64(s), int64(s)
		} else {
			p.Dealloc, p.DeallocAfter = 9, 9
		}
		return nil
	}))
	if q := d.Query(0.99, 500*time.Millisecond, false); q.Decision != DecisionMet || len(d.Gaps) > 0 {
		t.Errorf("claim %+v, gaps %v; want proved and none", q, d.Gaps)
	}
}

func TestWhatForbidsAProofIsSaid(t *testing.T) {
	later := func(f func(p *observation.Postgres)) func(int, *observation.Postgres) error {
		return func(s int, p *observation.Postgres) error {
			if s >= 15 {
				f(p)
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		edit func(s int, p *observation.Postgres) error
		want string
	}{
		"an eviction":                     {later(func(p *observation.Postgres) { p.Dealloc, p.DeallocAfter = 1, 1 }), "evicted"},
		"an eviction while it was read":   {later(func(p *observation.Postgres) { p.DeallocAfter = 1 }), "evicted"},
		"hidden rows":                     {later(func(p *observation.Postgres) { p.Hidden = 2 }), "hidden"},
		"a removed statement":             {later(func(p *observation.Postgres) { p.Vanished = []observation.StatementKey{{QueryID: 9}} }), "removed"},
		"a statement that began anew":     {later(func(p *observation.Postgres) { rename(p, row(selects, 400, 0.001)) }), "reset or evicted"},
		"an extension that cannot tell":   {func(_ int, p *observation.Postgres) error { p.Extension, p.StatsReset = "1.8", time.Time{}; return nil }, "1.8"},
		"a statement that ran at the end": {later(func(p *observation.Postgres) { p.Sessions[0].OldestQuery = at(0.6) }), "had been running for 610ms"},
		"rolled back transactions uncounted": {later(func(p *observation.Postgres) { p.Database.StatsReset = epoch }),
			"could not be counted"},
		"more rolled back transactions than slow calls are allowed": {later(func(p *observation.Postgres) { p.Database.Rollbacks = 2 }),
			"2 transactions rolled back"},
		"a slow statement whose text is unknown": {later(func(p *observation.Postgres) {
			if p.StatementsRead {
				p.Statements = append(p.Statements, row(999, 3, 2))
			}
		}), "between 0 and 3 of 100 calls"},
	} {
		d := SummarizeDatabase(postgres(t, runOf(), c.edit))
		q := d.Query(0.99, 500*time.Millisecond, false)
		if q.Claim != ClaimEstimated || q.Decision != DecisionUndecided || q.N == 0 {
			t.Errorf("%s: %s %s, %s; want undecided", name, q.Claim, q.Decision, q.Reason)
		}
		if !strings.Contains(q.Reason, c.want) {
			t.Errorf("%s: %q does not say %q", name, q.Reason, c.want)
		}
	}
}

func rename(p *observation.Postgres, s observation.Statement) {
	if p.StatementsRead {
		p.Statements[0] = s
	}
}

func TestAFewRolledBackTransactionsAreCountedAsSlow(t *testing.T) {
	d := SummarizeDatabase(postgres(t, runOf(), func(s int, p *observation.Postgres) error {
		if s >= 15 {
			p.Database.Rollbacks = 1
		}
		return nil
	}))
	// 1 of 101: floor(0.01 * 101) = 1 is allowed.
	q := d.Query(0.99, 500*time.Millisecond, false)
	if q.Decision != DecisionMet || q.Unseen != 1 || !strings.Contains(q.Reason, "1 transaction rolled back") {
		t.Errorf("claim = %+v, want met with one unseen", q)
	}
}

func TestALostEdgeIsReplacedByTheSampleOutsideAndSaid(t *testing.T) {
	d := SummarizeDatabase(postgres(t, runOf(), func(s int, p *observation.Postgres) error {
		if s == 10 || s == 20 {
			return errors.New("timeout")
		}
		return nil
	}))
	// From 8 s to the final sample: 120 calls, so that no judged one is left out.
	if len(d.Statements) != 2 || d.Statements[0].Calls != 120 || d.Covered != 15*time.Second {
		t.Errorf("statements = %+v over %v, want 120 calls over 15 s", d.Statements, d.Covered)
	}
	gaps := strings.Join(d.Gaps, "\n")
	for _, want := range []string{"start is missing; counted from 1.99s before", "end is missing; counted until 3.01s after", "the sample at 10s failed: timeout"} {
		if !strings.Contains(gaps, want) {
			t.Errorf("gaps do not say %q:\n%s", want, gaps)
		}
	}
}

func TestSeveralJudgedPhasesArePooledWithoutWhatLiesBetween(t *testing.T) {
	d := SummarizeDatabase(postgres(t, runOf(
		phase("a", 2, 6, true), phase("b", 6, 8, true), phase("pause", 8, 12, false), phase("c", 12, 14, true), phase("d", 14, 20, false),
	), nil))
	// 6 s of a and b, 2 s of c, 10 calls a second each. Counters of c are read 2 s after it: 2 more.
	if d.Statements[0].Calls != 80 || d.Covered != 8*time.Second {
		t.Errorf("%d calls over %v, want 80 over 8 s", d.Statements[0].Calls, d.Covered)
	}
	if d.Counters.Commits != 20*(6+2+2+2) {
		t.Errorf("%d commits, want %d: late counters are read 2 s after each stretch", d.Counters.Commits, 20*12)
	}
}

func TestAnInterruptedRunIsCountedAsFarAsItCame(t *testing.T) {
	run := runOf()
	run.Footer.Interrupted, run.Footer.StoppedAt = true, observation.Seconds(14*time.Second)
	d := SummarizeDatabase(postgres(t, run, nil))
	if !d.StatementsOK || d.Statements[0].Calls != 40 {
		t.Errorf("statements = %+v (%s), want 40 calls", d.Statements, d.StatementsReason)
	}
	run.Footer.StoppedAt = observation.Seconds(5 * time.Second)
	if d := SummarizeDatabase(run); d.Available || !strings.Contains(d.Reason, "no judged phase") {
		t.Errorf("stopped in the warm-up: %+v, want no data", d)
	}
}

func TestARecordWithoutEndIsPartial(t *testing.T) {
	run := postgres(t, runOf(), nil)
	run.Footer = nil
	run.Seconds = []observation.Second{{Start: observation.Seconds(14 * time.Second), Length: observation.Seconds(time.Second)}}
	run.Samples = run.Samples[:17] // the last one is of 14 s
	d := SummarizeDatabase(run)
	if len(d.Partial) != 1 || !strings.Contains(d.Partial[0], "end at 15s") {
		t.Errorf("partial %q; want it for want of an end", d.Partial)
	}
}

func TestADatabaseThatGaveNothingSaysWhy(t *testing.T) {
	run := runOf()
	if d := SummarizeDatabase(run); d.Asked || d.Available || !strings.Contains(d.Reason, "system.postgres") {
		t.Errorf("not asked for: %+v", d)
	}
	run.Header.Sources = []observation.Source{{Collector: "pgstat", Asked: true, Error: "connection refused"}}
	if d := SummarizeDatabase(run); !d.Asked || d.Available || d.Reason != "connection refused" {
		t.Errorf("could not be opened: %+v", d)
	}
	run.Header.Sources[0].Error = ""
	postgres(t, run, func(s int, p *observation.Postgres) error {
		if s > 5 {
			return fmt.Errorf("server closed the connection")
		}
		return nil
	})
	d := SummarizeDatabase(run)
	if d.Available || !strings.Contains(d.Reason, "server closed") || d.Query(0.99, time.Second, false).N != 0 {
		t.Errorf("lost: %+v", d)
	}
}

func TestNoCallIsNoData(t *testing.T) {
	d := SummarizeDatabase(postgres(t, runOf(), func(_ int, p *observation.Postgres) error {
		p.Statements = nil
		return nil
	}))
	if q := d.Query(0.99, time.Second, false); q.N != 0 || q.Decision != DecisionUndecided || !strings.Contains(q.Reason, "pg_stat_statements.track = top") {
		t.Errorf("claim = %+v, want no data and the setting", q)
	}
}

func TestWithoutTextsNothingIsAQuery(t *testing.T) {
	d := SummarizeDatabase(postgres(t, runOf(), func(_ int, p *observation.Postgres) error {
		if p.Texts != nil {
			p.Texts, p.TextsError = nil, "timeout"
		}
		return nil
	}))
	if q := d.Query(0.99, time.Second, false); q.N != 0 || q.Decision != DecisionUndecided || !strings.Contains(q.Reason, "texts") {
		t.Errorf("claim = %+v, want no data for want of texts", q)
	}
	if len(d.Statements) != 2 || d.Statements[0].Query != "queryid 101" || d.Statements[0].Calls != 100 {
		t.Errorf("statements = %+v, want the calls by queryid", d.Statements)
	}
}

func TestOneStatementOfTwoUsersIsOne(t *testing.T) {
	d := SummarizeDatabase(postgres(t, runOf(), func(s int, p *observation.Postgres) error {
		if p.StatementsRead {
			other := row(selects, 50+10*int64(max(0, min(s, 20))), 0.03)
			other.UserID = 11
			p.Statements = append(p.Statements, other)
		}
		return nil
	}))
	got := d.Statements[0]
	// 100 calls of 10 ms and 100 of 30 ms: mean 20 ms, deviation 10 ms.
	if got.Calls != 200 || got.Mean != 20*time.Millisecond || math.Abs(got.Stddev.Seconds()-0.01) > 1e-6 || got.Total != 4*time.Second {
		t.Errorf("%+v, want 200 calls of 20 ms with a deviation of 10 ms", got)
	}
}

func TestControlStatementsAreToldByTheirFirstWord(t *testing.T) {
	for text, want := range map[string]bool{
		"BEGIN": true, "commit;": true, "SET": true, "PREPARE TRANSACTION": true, "PREPARE": false, "prepare x as select 1": false,
		"select $1": false, "(select 1)": false, "insert into t": false, "with a as (select 1) select": false, "CALL": false, "COPY": false,
		"ROLLBACK TO": true, "DISCARD": true, "settings": false, "FETCH": false,
	} {
		if got := isControl(text); got != want {
			t.Errorf("isControl(%q) = %v, want %v", text, got, want)
		}
	}
}
