package pgstat

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
	"arqload/attack/sandbox"
)

// server is the address of one real PostgreSQL for all tests; its user is a superuser.
var server string

func TestMain(m *testing.M) {
	box, err := sandbox.Start(context.Background(), sandbox.Options{Postgres: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = box.PostgresURL()
	// The parallel tests wait for each other's seconds to pass rather than for the CPU.
	flag.Parse()
	_ = flag.Set("test.parallel", "6")
	code := m.Run()
	if err := box.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var databases atomic.Int64

// with returns the server's address with changes.
func with(t *testing.T, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

// scratch makes a database of its own, with the extension's version ("" is the default,
// "none" none), and returns its address: rows of other tests are not in it.
func scratch(t *testing.T, version string) string {
	t.Helper()
	name := fmt.Sprintf("scratch_%d", databases.Add(1))
	exec(t, client(t, server), "create database "+name+" template template0")
	dsn := with(t, func(u *url.URL) { u.Path = "/" + name })
	if version != "none" {
		sql := "create schema stats; create extension pg_stat_statements schema stats"
		if version != "" {
			sql += " version '" + version + "'"
		}
		exec(t, client(t, dsn), sql)
	}
	return dsn
}

func client(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func open(t *testing.T, dsn string) *Collector {
	t.Helper()
	c, err := Open(t.Context(), dsn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

var (
	tick  = collectors.Tick{Seq: 9}
	first = collectors.Tick{Seq: 0}
	edge  = collectors.Tick{Seq: 1, Edge: "start of steady"}
	final = collectors.Tick{Seq: 2, Edge: "final", Final: true}
)

func sample(t *testing.T, c *Collector, at collectors.Tick) *observation.Postgres {
	t.Helper()
	data, err := c.Sample(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return data.(*observation.Postgres)
}

// calls sums the changes of two samples by the statements' texts, which the last one holds.
func calls(before, after *observation.Postgres) map[string]int64 {
	base := map[observation.StatementKey]int64{}
	for _, s := range before.Statements {
		base[s.StatementKey] = s.Calls
	}
	sum := map[string]int64{}
	for _, s := range after.Statements {
		sum[after.Texts[fmt.Sprint(s.QueryID)]] += s.Calls - base[s.StatementKey]
	}
	return sum
}

func TestCallsEqualWhatAClientExecutedBesideAnother(t *testing.T) {
	dsn := scratch(t, "")
	app, other := client(t, dsn), client(t, dsn)
	exec(t, app, "create table message (id int primary key, body text)")
	exec(t, app, "insert into message select i, 'm' from generate_series(1, 100) i")
	exec(t, app, "select body from message where id = $1", 1) // before the window
	c := open(t, dsn)
	before := sample(t, c, first)

	done := make(chan error, 1)
	go func() { // the same server, database and role, but other statements
		for range 300 {
			if _, err := other.Exec(context.Background(), "select count(*) from message where body = $1", "x"); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range 123 {
		exec(t, app, "select body from message where id = $1", i)
		if i%3 == 0 {
			exec(t, app, "insert into message values ($1, $2)", 1000+i, "n")
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for range 4 {
		sample(t, c, collectors.Tick{Seq: 1}) // too soon for statements
	}
	after := sample(t, c, final)

	want := map[string]int64{
		"select body from message where id = $1":          123,
		"insert into message values ($1, $2)":             41,
		"select count(*) from message where body = $1":    300,
		"select body from message where id = $1 for dont": 0,
	}
	got := calls(before, after)
	for text, n := range want {
		if got[text] != n {
			t.Errorf("%q: %d calls, want %d", text, got[text], n)
		}
		delete(got, text)
	}
	if len(got) > 0 {
		t.Errorf("statements that nobody but the collector can have executed: %v", got)
	}
	for _, s := range after.Statements {
		if s.Rows > 0 && (s.Total <= 0 || s.Max < s.Min || s.Mean < s.Min || s.Mean > s.Max || s.Total > 10) {
			t.Errorf("implausible times in seconds: %+v", s)
		}
	}
	if before.Reading != 1 || after.Reading != 2 || !after.StatementsRead || len(after.Vanished) != 0 || after.Hidden != 0 {
		t.Errorf("readings %d and %d, want 1 and 2; vanished %v, hidden %d", before.Reading, after.Reading, after.Vanished, after.Hidden)
	}
}

func TestAStatementsTimeIsInSeconds(t *testing.T) {
	dsn := scratch(t, "")
	app, c := client(t, dsn), open(t, dsn)
	sample(t, c, first)
	exec(t, app, "select pg_sleep(0.25)")
	s := sample(t, c, final).Statements
	if len(s) != 1 || s[0].Total < 0.25 || s[0].Total > 1 || s[0].Max != s[0].Total || s[0].Mean != s[0].Total {
		t.Errorf("statements = %+v, want one call of 0.25 s", s)
	}
}

func TestAReadingHoldsOnlyWhatChanged(t *testing.T) {
	dsn := scratch(t, "")
	app, c := client(t, dsn), open(t, dsn)
	exec(t, app, "select 1")
	exec(t, app, "select 1, 2")
	if n := len(sample(t, c, first).Statements); n < 2 {
		t.Errorf("the first reading has %d statements, want all", n)
	}
	exec(t, app, "select 1, 2")
	if s := sample(t, c, edge).Statements; len(s) != 1 || s[0].Calls != 2 {
		t.Errorf("the second reading has %+v, want the one that was called again", s)
	}
	s := sample(t, c, collectors.Tick{Seq: 9})
	if s.StatementsRead || s.Statements != nil || s.StatementsError != "" {
		t.Errorf("an ordinary sample right after reads the statements: %+v", s)
	}
	c.readAt = time.Now().Add(-2 * time.Second)
	if s := sample(t, c, collectors.Tick{Seq: 10}); !s.StatementsRead || s.Reading != 3 || len(s.Statements) != 0 {
		t.Errorf("after 2 s: %+v, want reading 3 without changes", s)
	}
	exec(t, app, "select stats.pg_stat_statements_reset(0, (select oid from pg_database where datname = current_database()), 0)")
	if s := sample(t, c, edge); len(s.Vanished) < 2 {
		t.Errorf("vanished = %v, want the two that were removed", s.Vanished)
	}
}

func TestEveryLayoutOfTheExtension(t *testing.T) {
	versions, err := client(t, server).Query(t.Context(), "select version from pg_available_extension_versions where name = 'pg_stat_statements'")
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(versions, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range all {
		if l, err := newLayout(version, ""); err != nil || l.minor < oldest {
			continue
		}
		dsn := scratch(t, version)
		app, c := client(t, dsn), open(t, dsn)
		before := sample(t, c, first)
		for range 5 {
			exec(t, app, "select now()")
		}
		after := sample(t, c, final)
		if after.StatementsError != "" || after.Extension != version {
			t.Errorf("%s: error %q of version %s", version, after.StatementsError, after.Extension)
		}
		if got := calls(before, after); got["select now()"] != 5 || len(got) != 1 {
			t.Errorf("%s: calls = %v, want 5 of select now() and nothing else", version, got)
		}
		if hasReset := !after.StatsReset.IsZero(); hasReset != (c.layout.minor >= 9) {
			t.Errorf("%s: reset time %v", version, after.StatsReset)
		}
		for _, s := range after.Statements {
			if hasSince := !s.Since.IsZero() && !s.MinMaxSince.IsZero(); hasSince != (c.layout.minor >= 11) {
				t.Errorf("%s: counts since %v", version, s.Since)
			}
		}
	}
}

func TestSessionsAndCountersOfTheDatabase(t *testing.T) {
	dsn := scratch(t, "")
	app, idle, c := client(t, dsn), client(t, dsn), open(t, dsn)
	exec(t, idle, "begin")
	before := sample(t, c, first)
	done := make(chan error, 1)
	go func() {
		_, err := app.Exec(context.Background(), "select pg_sleep(0.5)")
		done <- err
	}()
	time.Sleep(250 * time.Millisecond)
	s := sample(t, c, edge)
	var sleeping, inTransaction bool
	for _, n := range s.Sessions {
		sleeping = sleeping || n.State == "active" && n.Wait == "Timeout" && n.Count == 1 && n.OldestQuery.Duration() > 200*time.Millisecond
		inTransaction = inTransaction || n.State == "idle in transaction" && n.Count >= 1 && n.OldestQuery == 0
	}
	if !sleeping || !inTransaction {
		t.Errorf("sessions = %+v, want one asleep for 0.25 s and one idle in a transaction", s.Sessions)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_, _ = app.Exec(t.Context(), "select 1/0") // a transaction that rolls back
	exec(t, idle, "rollback")
	// A session publishes its counters when it goes idle, at most once a second; what is left
	// then waits for its next statement (or 10 s).
	time.Sleep(1100 * time.Millisecond)
	exec(t, app, "select 1")
	exec(t, idle, "select 1")
	deadline := time.Now().Add(5 * time.Second)
	for {
		s := sample(t, c, edge)
		if d := s.Database.Rollbacks - before.Database.Rollbacks; d == 2 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("%d rollbacks, want 2", d)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if s.MaxConns != 200 || s.ServerVersion < 130000 || s.Postmaster.IsZero() || s.Clock.Before(s.Postmaster) || !strings.HasPrefix(s.Name, "scratch_") {
		t.Errorf("implausible identity: %+v", s)
	}
	if before.Settings["pg_read_all_stats"] != "true" || before.Settings["pg_stat_statements.track"] != "top" || s.Settings != nil {
		t.Errorf("settings = %v in the first sample, %v later", before.Settings, s.Settings)
	}
}

func TestTheConnectionIsReadOnlyAndNamed(t *testing.T) {
	dsn := scratch(t, "")
	c := open(t, dsn)
	if _, err := c.main.conn.Exec(t.Context(), "create table t (i int)"); err == nil {
		t.Error("the connection can write")
	}
	var n int
	err := client(t, dsn).QueryRow(t.Context(), "select count(*) from pg_stat_activity where application_name = 'arqload' and datname = current_database()").Scan(&n)
	if err != nil || n != 1 {
		t.Errorf("%d sessions named arqload, %v; want 1", n, err)
	}
}

func TestTextsHoldNoSecrets(t *testing.T) {
	dsn := scratch(t, "")
	app, c := client(t, dsn), open(t, dsn)
	sample(t, c, first)
	exec(t, app, "create role planted password 'planted-secret'")
	exec(t, app, "drop role planted")
	exec(t, app, "select 'planted-secret' /* planted-secret */ as x")
	s := sample(t, c, final)
	if len(s.Texts) < 3 {
		t.Errorf("texts = %v, want three", s.Texts)
	}
	for _, text := range s.Texts {
		if strings.Contains(text, "secret") {
			t.Errorf("a text holds the secret: %q", text)
		}
	}
}
