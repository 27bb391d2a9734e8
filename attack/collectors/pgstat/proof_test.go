package pgstat

import (
	"context"
	"errors"
	"testing"
	"time"

	"arqload/analysis"
)

// TestAFailedStatementForbidsAProofWhereNothingElseSawIt: a limit of 50 ms is below what
// looking at the running statements ten times a second can bracket, so each of the 3
// rolled back transactions may have been slow. (One that a look happens to see is a fact.)
func TestAFailedStatementForbidsAProofWhereNothingElseSawIt(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	c, app := open(t, dsn), client(t, dsn)
	r := record(t, c)
	exec(t, app, "set statement_timeout = 100")
	for range 3 {
		exec(t, app, "select 1")
		if _, err := app.Exec(t.Context(), "select pg_sleep(1)"); err == nil {
			t.Fatal("the server let it run")
		}
	}
	app.Close(context.Background()) // publishes its counters
	_, d := r.end()
	// pg_stat_statements denies that anything was slow: 3 fast calls.
	q := d.Query(0.99, 50*time.Millisecond, false)
	if q.Decision == analysis.DecisionMet || q.N < 3 || q.SlowHigh != 0 || d.Counters.Rollbacks != 3 || c.layout.hasInfo() && q.Unseen != 3 {
		t.Errorf("claim = %+v, want it not met for 3 unseen statements", q)
	}
}

func BenchmarkSample(b *testing.B) {
	c, err := Open(b.Context(), server, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := c.Close(context.Background()); err != nil && !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
	}()
	for name, at := range map[string]func(){
		"light":      func() { c.readAt = time.Now() },
		"statements": func() { c.readAt = time.Time{} },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				at()
				if _, err := c.Sample(b.Context(), tick); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
