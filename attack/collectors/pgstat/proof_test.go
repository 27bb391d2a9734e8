package pgstat

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"arqload/analysis"
	"arqload/analysis/observation"
)

// TestAProofFromARealServer goes the whole way from PostgreSQL to the decision, twice: over
// calls that are all fast, and over calls of which 5% take 700 ms.
func TestAProofFromARealServer(t *testing.T) {
	dsn := scratch(t, "")
	c := open(t, dsn)
	conns := make([]*pgx.Conn, 20)
	for i := range conns {
		conns[i] = client(t, dsn)
	}
	run := &observation.Run{Footer: &observation.Footer{}}
	read := func(at time.Duration, s *observation.Postgres) {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		run.Samples = append(run.Samples, observation.Sample{Collector: "pgstat", At: observation.Seconds(at), Data: data})
	}
	calls := func(slow int) {
		var wg sync.WaitGroup
		errs := make(chan error, len(conns))
		for i, conn := range conns {
			wg.Go(func() {
				for j := range 20 {
					sleep := 0.002
					if i < slow && j == 7 {
						sleep = 0.7
					}
					if _, err := conn.Exec(context.Background(), "select pg_sleep($1)", sleep); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			t.Fatal(err)
		}
	}
	read(0, sample(t, c, first))
	read(10*time.Second, sample(t, c, edge))
	calls(0)
	read(20*time.Second, sample(t, c, edge))
	calls(20)
	read(30*time.Second, sample(t, c, final))

	judge := func(from, to time.Duration) analysis.QueryClaim {
		run.Header.Phases = []observation.Phase{{Judged: true, Start: observation.Seconds(from), End: observation.Seconds(to)}}
		return analysis.SummarizeDatabase(run).Query(0.99, 500*time.Millisecond, false)
	}
	q := judge(10*time.Second, 20*time.Second)
	if q.Claim != analysis.ClaimProved || q.Decision != analysis.DecisionMet || q.N != 400 || q.SlowHigh != 0 || !q.UpperOK || q.Upper > 500*time.Millisecond {
		t.Errorf("fast calls: %+v, want p99 < 500ms proved over 400 calls", q)
	}
	q = judge(20*time.Second, 30*time.Second)
	if q.Claim != analysis.ClaimProved || q.Decision != analysis.DecisionMissed || q.N != 400 || q.SlowLow > 20 || q.SlowHigh < 20 {
		t.Errorf("5%% slow calls: %+v, want a proved miss, with the true 20 within the bounds", q)
	}
	t.Logf("20 of 400 calls were slow: %s", q.Reason)
}

func TestAStatementThatTheServerCanceledForbidsAProof(t *testing.T) {
	dsn := scratch(t, "")
	c, app := open(t, dsn), client(t, dsn)
	run := &observation.Run{Footer: &observation.Footer{}, Header: observation.Header{
		Phases: []observation.Phase{{Judged: true, End: observation.Seconds(10 * time.Second)}}}}
	read := func(at time.Duration, s *observation.Postgres) {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		run.Samples = append(run.Samples, observation.Sample{Collector: "pgstat", At: observation.Seconds(at), Data: data})
	}
	read(0, sample(t, c, first))
	exec(t, app, "set statement_timeout = 100")
	for range 3 {
		exec(t, app, "select 1")
		if _, err := app.Exec(t.Context(), "select pg_sleep(1)"); err == nil {
			t.Fatal("the server let it run")
		}
	}
	app.Close(context.Background()) // publishes its counters
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		s := sample(t, c, final)
		if s.Database.Rollbacks >= 3 || time.Now().After(deadline) {
			read(10*time.Second, s)
			break
		}
	}
	// pg_stat_statements denies that anything was slow: 3 fast calls.
	q := analysis.SummarizeDatabase(run).Query(0.99, 50*time.Millisecond, false)
	if q.Decision != analysis.DecisionUndecided || q.Unseen != 3 || q.N < 3 || q.SlowHigh != 0 {
		t.Errorf("claim = %+v, want undecided for 3 unseen statements", q)
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
