package pgstat

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"arqload/analysis"
	"arqload/attack/sandbox"
)

// work calls one statement n times on a connection of its own.
func work(t *testing.T, dsn string, n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for range n {
		exec(t, conn, "select now(), 'work'")
	}
}

// drop removes a role of the shared server, after the test's own context has ended.
func drop(role string) {
	conn, err := pgx.Connect(context.Background(), server)
	if err != nil {
		return // the server is gone, and the role with it
	}
	defer conn.Close(context.Background())
	_, _ = conn.Exec(context.Background(), "drop role "+role)
}

// wantPartial holds a summary of a run in which something was lost against what must be
// true of it: named, marked, no more than what was done, and no proof.
func wantPartial(t *testing.T, d analysis.Database, gap string, least, most int64) {
	t.Helper()
	if !strings.Contains(strings.Join(d.Gaps, "\n"), gap) {
		t.Errorf("gaps %q do not say %q", d.Gaps, gap)
	}
	if len(d.Partial) == 0 {
		t.Error("the statements are not marked as partial")
	}
	var calls int64
	for _, s := range d.Statements {
		if s.Calls < 0 || s.Total < 0 || s.Rows < 0 || s.Blocks.Hit < 0 {
			t.Errorf("a negative number: %+v", s)
		}
		if strings.Contains(s.Query, "now()") {
			calls += s.Calls
		}
	}
	if calls < least || calls > most {
		t.Errorf("%d calls are known, want %d to %d: what the rest of the run shows", calls, least, most)
	}
	if q := d.Query(0.99, half, false); q.Claim == analysis.ClaimProved {
		t.Errorf("proved in spite of it: %s", q.Reason)
	}
}

func TestAResetInTheMiddleLeavesTheRest(t *testing.T) {
	dsn := scratch(t, "")
	admin := client(t, dsn)
	c := open(t, dsn)
	r := record(t, c)
	work(t, dsn, 100)
	time.Sleep(1200 * time.Millisecond) // a reading lies between
	work(t, dsn, 10)
	exec(t, admin, "select stats.pg_stat_statements_reset()")
	exec(t, admin, "select pg_stat_reset()") // the database's counters
	time.Sleep(1200 * time.Millisecond)
	work(t, dsn, 50)
	_, d := r.end()
	if c.layout.hasInfo() {
		wantPartial(t, d, "pg_stat_statements was reset", 150, 160)
	} else { // without the time of the reset the rows that went are the only sign
		d.Partial = []string{"(not told by this version)"}
		wantPartial(t, d, "statements were removed", 150, 160)
	}
	if !strings.Contains(d.Counters.Partial, "counters were reset") {
		t.Errorf("the database's counters are %+v, want them partial", d.Counters)
	}
	if res := judgeLag(d, "db.deadlocks == 0"); res.Outcome != analysis.Unproven || !strings.Contains(res.Reason, "reset") {
		t.Errorf("db.deadlocks == 0: %s (%s), want unproven because of the reset", res.Outcome, res.Reason)
	}
	// No call was slow, and the running statements show it in spite of the reset.
	if q := d.Query(0.99, half, false); q.Claim != analysis.ClaimBracketed || q.Decision != analysis.DecisionMet {
		t.Errorf("%s %s: %s; want the bracket to decide", q.Claim, q.Decision, q.Reason)
	}
}

func TestAServerThatIsStoppedAndStartedIsAGap(t *testing.T) {
	t.Parallel()
	box, err := sandbox.Start(t.Context(), sandbox.Options{Postgres: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := box.Stop(); err != nil {
			t.Error(err)
		}
	}()
	r := record(t, open(t, box.PostgresURL()))
	work(t, box.PostgresURL(), 100)
	time.Sleep(1200 * time.Millisecond)
	if err := box.StopPostgres(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond)
	if err := box.StartPostgres(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond)
	work(t, box.PostgresURL(), 50)
	_, d := r.end()
	wantPartial(t, d, "restarted", 150, 150)
	if d.Failed == 0 || d.Running.Gap < time.Second {
		t.Errorf("%d samples failed, the longest time without a look is %v; want at least one, and a second", d.Failed, d.Running.Gap)
	}
	if q := d.Query(0.99, half, false); q.Decision != analysis.DecisionUndecided {
		t.Errorf("%s %s: %s; want undecided", q.Claim, q.Decision, q.Reason)
	}
}

// TestAnotherServerBehindTheSameNameIsAGap is what a failover by DNS looks like.
func TestAnotherServerBehindTheSameNameIsAGap(t *testing.T) {
	t.Parallel()
	box, err := sandbox.Start(t.Context(), sandbox.Options{Postgres: true})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Stop()
	// The same user, password and database on both.
	u, err := url.Parse(box.PostgresURL())
	if err != nil {
		t.Fatal(err)
	}
	other := mustURL(t, server)
	password, _ := u.User.Password()
	exec(t, client(t, server), "create role failover superuser login password '"+password+"'")
	t.Cleanup(func() { drop("failover") })
	admin := client(t, box.PostgresURL())
	exec(t, admin, "create role failover superuser login password '"+password+"'")
	l := line(t, u.Host)
	first := *u
	first.Host, first.User = l.Addr(), url.UserPassword("failover", password)
	r := record(t, open(t, first.String()))
	work(t, box.PostgresURL(), 100)
	time.Sleep(1200 * time.Millisecond)
	l.Lead(other.Host)
	time.Sleep(1200 * time.Millisecond)
	work(t, server, 40)
	_, d := r.end()
	// now() is volatile text: the same query of another user in another server.
	wantPartial(t, d, "restarted or is another one", 140, 140)
}

// TestOneQueryOfSeveralUsersAndDatabases: users are summed, other databases are not.
func TestOneQueryOfSeveralUsersAndDatabases(t *testing.T) {
	t.Parallel()
	dsn, elsewhere := scratch(t, ""), scratch(t, "")
	admin := client(t, dsn)
	exec(t, admin, "create role second login password 'second-password'")
	t.Cleanup(func() { drop("second") })
	u := mustURL(t, dsn)
	u.User = url.UserPassword("second", "second-password")
	r := record(t, open(t, dsn))
	work(t, dsn, 30)
	work(t, u.String(), 20)
	work(t, elsewhere, 500)
	_, d := r.end()
	n := int64(0)
	for _, s := range d.Statements {
		if strings.Contains(s.Query, "now()") {
			n += s.Calls
			if s.Calls != 50 {
				t.Errorf("%+v, want the calls of both users in one row", s)
			}
		}
	}
	if n != 50 || len(d.Partial) > 0 {
		t.Errorf("%d calls, partial %q; want 50 and whole", n, d.Partial)
	}
}

// TestEvictionsForbidAProofButNotABracket: with room for 100 statements, 400 different ones
// push each other out.
func TestEvictionsForbidAProofButNotABracket(t *testing.T) {
	t.Parallel()
	box, err := sandbox.Start(t.Context(), sandbox.Options{Postgres: true, PostgresSettings: []string{"pg_stat_statements.max=100"}})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Stop()
	c := open(t, box.PostgresURL())
	r := record(t, c)
	app := client(t, box.PostgresURL())
	for i := range 400 {
		exec(t, app, "select 1"+strings.Repeat(", 1", i))
	}
	_, d := r.end()
	want := "evicted statements"
	if !c.layout.hasInfo() {
		want = "does not tell evictions"
	}
	if !strings.Contains(strings.Join(d.Gaps, "\n"), want) {
		t.Errorf("gaps %q do not name the evictions", d.Gaps)
	}
	q := d.Query(0.99, half, false)
	if q.Claim != analysis.ClaimBracketed || q.Decision != analysis.DecisionMet || q.N > 400 {
		t.Errorf("%s %s over %d: %s; want a bracket", q.Claim, q.Decision, q.N, q.Reason)
	}
}

// TestAPromotionInTheMiddleIsAGap: the server at the address stays, but is another primary.
func TestAPromotionInTheMiddleIsAGap(t *testing.T) {
	t.Parallel()
	box := replicated(t)
	r := record(t, open(t, box.ReplicaURL()))
	work(t, box.ReplicaURL(), 100)
	time.Sleep(1200 * time.Millisecond)
	exec(t, client(t, box.ReplicaURL()), "select pg_promote(true, 30)")
	time.Sleep(1200 * time.Millisecond)
	work(t, box.ReplicaURL(), 50)
	_, d := r.end()
	wantPartial(t, d, "the server was promoted", 150, 150)
}
