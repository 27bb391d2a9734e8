package pgstat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"arqload/analysis"
)

const half = 500 * time.Millisecond

// firmest is the firmest claim that this server's extension allows. Before 1.9 it does not
// tell what it lost: nothing is proved, and how many calls there were at most is not known,
// so that no share of them can be shown to be too large.
func firmest(c *Collector, claim analysis.Claim, decision analysis.Decision) string {
	switch {
	case c.layout.hasInfo():
	case decision == analysis.DecisionMissed:
		claim, decision = analysis.ClaimEstimated, analysis.DecisionUndecided
	default:
		claim = analysis.ClaimBracketed
	}
	return fmt.Sprintf("%s %s", claim, decision)
}

func said(q analysis.QueryClaim) string { return fmt.Sprintf("%s %s", q.Claim, q.Decision) }

// TestOnePointFivePercentSlowIsProvedToMiss is the mixture whose mean + 2.33 deviations is
// 217 ms: 20 connections make 100 calls each, of which 1.5% (30 of 2,000) take 700 ms and
// the others 5 ms.
func TestOnePointFivePercentSlowIsProvedToMiss(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	c := open(t, dsn)
	r := record(t, c)
	crowd(t, dsn, 20, func(i int, conn *pgx.Conn) error {
		var calls []float64
		for n := range 100 {
			if s := 0.005; n == 50 || n == 70 && i < 10 {
				calls = append(calls, 0.7)
			} else {
				calls = append(calls, s)
			}
		}
		return sleeps(conn, calls...)
	})
	_, d := r.end()
	q := d.Query(0.99, half, false)
	if said(q) != firmest(c, analysis.ClaimProved, analysis.DecisionMissed) || q.N != 2000 {
		t.Errorf("%s over %d calls, want a proved miss over 2000: %s", said(q), q.N, q.Reason)
	}
	if q.Known && (q.SlowLow > 30 || q.SlowHigh < 30 || q.SlowLow < 21) {
		t.Errorf("between %d and %d slow calls are proved, the truth is 30, and 20 are allowed", q.SlowLow, q.SlowHigh)
	}
	if !q.RunningOK || q.RunningLow > 30 || q.RunningHigh < 30 {
		t.Errorf("bracket %d..%d (%v, gap %v), the truth is 30", q.RunningLow, q.RunningHigh, q.RunningOK, d.Running.Gap)
	}
	var mean, deviation time.Duration
	for _, s := range d.Statements {
		if strings.Contains(s.Query, "pg_sleep") {
			mean, deviation = s.Mean, s.Stddev
		}
	}
	recipe := mean + time.Duration(2.33*float64(deviation))
	if recipe > half {
		t.Errorf("mean + 2.33 deviations is %v: the mixture does not show that the recipe is wrong", recipe)
	}
	t.Logf("proved %d..%d, bracket %d..%d, truth 30 of 2000; mean + 2.33 deviations says %v, the estimate %v",
		q.SlowLow, q.SlowHigh, q.RunningLow, q.RunningHigh, recipe, q.Estimate)
}

// TestCanceledStatementsAreSeenAlthoughNoRowHoldsThem: 5% of 1,000 calls would take 2 s and
// are canceled by statement_timeout after 600 ms. pg_stat_statements denies that anything
// was slow.
func TestCanceledStatementsAreSeenAlthoughNoRowHoldsThem(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	c := open(t, dsn)
	r := record(t, c)
	crowd(t, dsn, 25, func(_ int, conn *pgx.Conn) error {
		if _, err := conn.Exec(context.Background(), "set statement_timeout = 600"); err != nil {
			return err
		}
		for n := range 40 {
			if n%20 != 7 {
				if err := sleeps(conn, 0.005); err != nil {
					return err
				}
				continue
			}
			var pg *pgconn.PgError
			if _, err := conn.Exec(context.Background(), "select pg_sleep($1)", 2.0); !errors.As(err, &pg) || pg.Code != "57014" {
				return errors.New("a statement of 2 s was not canceled")
			}
		}
		return nil
	})
	_, d := r.end()
	q := d.Query(0.99, half, false)
	if q.N != 950 || q.SlowHigh != 0 {
		t.Errorf("pg_stat_statements counts %d calls, at most %d of them slow; want 950 and 0", q.N, q.SlowHigh)
	}
	if !q.RunningOK || q.RunningLow > 50 || q.RunningHigh < 50 || q.RunningLow < 40 {
		t.Errorf("bracket %d..%d (%v, gap %v), the truth is 50", q.RunningLow, q.RunningHigh, q.RunningOK, d.Running.Gap)
	}
	if said(q) != firmest(c, analysis.ClaimBracketed, analysis.DecisionMissed) || !strings.Contains(q.Reason, "Timeout/PgSleep") {
		t.Errorf("%s: %s; want a bracketed miss that says what they waited for", said(q), q.Reason)
	}
	if q.Known && (q.Hidden < 40 || !strings.Contains(q.Reason, "not in pg_stat_statements")) {
		t.Errorf("%d hidden: %s; want some 50, named", q.Hidden, q.Reason)
	}
}

// TestAFewFailedStatementsDoNotForbidAProof: 30 of 630 calls fail at once, which is more
// than the 6 slow ones allowed; but the running statements were looked at, and none ran long.
func TestAFewFailedStatementsDoNotForbidAProof(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	c := open(t, dsn)
	r := record(t, c)
	crowd(t, dsn, 10, func(_ int, conn *pgx.Conn) error {
		for n := range 63 {
			if n%20 == 3 {
				_, _ = conn.Exec(context.Background(), "select 1/0")
			} else if err := sleeps(conn, 0.002); err != nil {
				return err
			}
		}
		return conn.Close(context.Background()) // publishes its counters
	})
	_, d := r.end()
	q := d.Query(0.99, half, false)
	if d.Counters.Rollbacks < 30 {
		t.Fatalf("%d rollbacks, want 40", d.Counters.Rollbacks)
	}
	if said(q) != firmest(c, analysis.ClaimProved, analysis.DecisionMet) || q.Unseen != 0 {
		t.Errorf("%s with %d unseen: %s; want proved", said(q), q.Unseen, q.Reason)
	}
}

// TestAWaitForATableLockIsSeen: 30 of 330 calls wait 1.3 s for a table that somebody holds.
// The executor's time of each is next to nothing.
func TestAWaitForATableLockIsSeen(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	admin := client(t, dsn)
	exec(t, admin, "create table held (i int)")
	c := open(t, dsn)
	r := record(t, c)
	var ready sync.WaitGroup
	ready.Add(30)
	held := make(chan struct{})
	unlocked := make(chan error, 1)
	go func() {
		ready.Wait()
		_, err := admin.Exec(context.Background(), "begin; lock table held in access exclusive mode")
		close(held)
		time.Sleep(1300 * time.Millisecond) // a sample lies within
		_, err2 := admin.Exec(context.Background(), "commit")
		unlocked <- errors.Join(err, err2)
	}()
	crowd(t, dsn, 30, func(_ int, conn *pgx.Conn) error {
		err := sleeps(conn, make([]float64, 10)...)
		ready.Done()
		<-held
		_, err2 := conn.Exec(context.Background(), "select count(*) from held")
		return errors.Join(err, err2)
	})
	if err := <-unlocked; err != nil {
		t.Fatal(err)
	}
	_, d := r.end()
	q := d.Query(0.99, half, false)
	if q.SlowHigh != 0 || said(q) != firmest(c, analysis.ClaimBracketed, analysis.DecisionMissed) || q.RunningLow < 25 || q.RunningLow > 31 {
		t.Errorf("%s %s, pg_stat_statements at most %d, seen %d..%d: %s; want a bracketed miss of 30",
			q.Claim, q.Decision, q.SlowHigh, q.RunningLow, q.RunningHigh, q.Reason)
	}
	if !strings.Contains(q.Reason, "Lock/relation") {
		t.Errorf("the reason does not name the lock: %s", q.Reason)
	}
	if d.LocksMax == 0 || d.Measures["db.locks.waiting"].Value < 1 {
		t.Errorf("no lock was seen waited for: %d", d.LocksMax)
	}
}

// TestAStatementThatStillRunsIsSeen: it is in no row, and would be in none after a crash.
func TestAStatementThatStillRunsIsSeen(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	app, stuck := client(t, dsn), client(t, dsn)
	c := open(t, dsn)
	r := record(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = stuck.Exec(ctx, "select pg_sleep(60)")
	}()
	if err := sleeps(app, make([]float64, 50)...); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	_, d := r.end()
	cancel()
	<-done
	q := d.Query(0.99, half, false)
	// 1 of 51: floor(0.01 * 51) = 0 are allowed.
	if said(q) != firmest(c, analysis.ClaimBracketed, analysis.DecisionMissed) || q.RunningLow != 1 || q.RunningHigh != 1 {
		t.Errorf("%s %s, seen %d..%d: %s; want it missed by the one that runs", q.Claim, q.Decision, q.RunningLow, q.RunningHigh, q.Reason)
	}
}
