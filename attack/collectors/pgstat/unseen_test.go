package pgstat

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"arqload/analysis"
)

// canceled runs a statement of 5 s, which statement_timeout ends; anything else fails the test.
func canceled(conn *pgx.Conn) error {
	if _, err := conn.Exec(context.Background(), "select pg_sleep(5)"); code(err) != "57014" {
		return err
	}
	return nil
}

// TestCallsThatFailInSavepointsAreCounted: 50 of 1,000 are canceled at the limit, and no
// transaction is rolled back. Some drivers set a savepoint before every statement.
func TestCallsThatFailInSavepointsAreCounted(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	r := record(t, open(t, dsn))
	crowd(t, dsn, 10, func(_ int, conn *pgx.Conn) error {
		statements := []string{"begin", "savepoint s", "", "rollback to savepoint s", "select 'good'", "commit"}
		if _, err := conn.Exec(context.Background(), "set statement_timeout = '500ms'"); err != nil {
			return err
		}
		for range 5 {
			for range 18 {
				if _, err := conn.Exec(context.Background(), "select 'good'"); err != nil {
					return err
				}
			}
			for _, sql := range statements {
				if sql == "" {
					if err := canceled(conn); err != nil {
						return err
					}
				} else if _, err := conn.Exec(context.Background(), sql); err != nil {
					return err
				}
			}
		}
		return nil
	})
	_, d := r.end()
	if q := d.Query(0.99, half, false); q.Decision == analysis.DecisionMet {
		t.Errorf("%s, although 50 of 1000 calls took 500ms: %s", said(q), q.Reason)
	}
}

// TestAPollerThatIsKeptOutIsAGap: the role may have two connections, then one; the poller's
// is ended, and 30 of 630 statements are canceled after a second while nobody looks.
func TestAPollerThatIsKeptOutIsAGap(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	admin := client(t, dsn)
	exec(t, admin, "create role narrow login password 'planted-secret' connection limit 2")
	t.Cleanup(func() { drop("narrow") })
	exec(t, admin, "grant pg_monitor to narrow")
	exec(t, admin, "grant usage on schema stats to narrow")
	u := mustURL(t, dsn)
	u.User = url.UserPassword("narrow", "planted-secret")
	r := record(t, open(t, u.String()))
	time.Sleep(1200 * time.Millisecond)
	exec(t, admin, "alter role narrow connection limit 1")
	exec(t, admin, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'narrow' and query like '%array_agg(pid)%'")
	crowd(t, dsn, 10, func(_ int, conn *pgx.Conn) error {
		if _, err := conn.Exec(context.Background(), "set statement_timeout = '1s'"); err != nil {
			return err
		}
		for n := range 63 {
			if n%21 == 7 {
				if err := canceled(conn); err != nil {
					return err
				}
			} else if _, err := conn.Exec(context.Background(), "select 'good'"); err != nil {
				return err
			}
		}
		return nil
	})
	_, d := r.end()
	if q := d.Query(0.99, half, false); q.Decision == analysis.DecisionMet || d.Running.Failed == 0 || d.Running.Gap < time.Second {
		t.Errorf("%s with %d looks failed and a gap of %v: %s", said(q), d.Running.Failed, d.Running.Gap, q.Reason)
	}
}

// TestAStallOverTheJudgedStartIsJudged: a lock holds up the first sample of the judged time
// and 10 of 510 calls alike. By the time the sample is read, the calls have ended.
//
// It is not parallel: the lock holds up whoever connects to the server.
func TestAStallOverTheJudgedStartIsJudged(t *testing.T) {
	dsn := scratch(t, "")
	admin := client(t, dsn)
	apps := make([]*pgx.Conn, 10)
	for i := range apps {
		apps[i] = client(t, dsn)
		if err := sleeps(apps[i], 0); err != nil {
			t.Fatal(err)
		}
	}
	c := open(t, dsn)
	epoch := make(chan time.Time, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		start := <-epoch
		time.Sleep(time.Until(start.Add(-50 * time.Millisecond)))
		// The collector reads pg_database; a table of this database alone would not hold it up.
		_, _ = admin.Exec(context.Background(), "begin; lock table pg_catalog.pg_database in access exclusive mode")
		time.Sleep(time.Until(start.Add(1500 * time.Millisecond)))
		_, _ = admin.Exec(context.Background(), "commit")
	})
	for _, app := range apps {
		wg.Go(func() {
			time.Sleep(500 * time.Millisecond)
			_ = sleeps(app, append([]float64{0.8}, make([]float64, 30)...)...)
		})
	}
	epoch <- time.Now().Add(200 * time.Millisecond)
	r := record(t, c)
	wg.Wait()
	_ = sleeps(apps[0], make([]float64, 200)...)
	time.Sleep(2 * time.Second)
	_, d := r.end()
	if q := d.Query(0.99, half, false); q.Decision == analysis.DecisionMet {
		t.Errorf("%s, although 10 of some 510 calls took 0.8 s: %s", said(q), q.Reason)
	}
}
