package pgstat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"arqload/analysis/observation"
	"arqload/attack/attacktest"
	"arqload/attack/collectors"
)

func TestARoleThatMayNotSeeEverythingIsVisible(t *testing.T) {
	dsn := scratch(t, "")
	admin := client(t, dsn)
	exec(t, admin, "create role watcher login password 'planted-secret'")
	defer exec(t, client(t, server), "drop role watcher")
	defer exec(t, admin, "revoke usage on schema stats from watcher")
	exec(t, admin, "grant usage on schema stats to watcher")
	c := open(t, with(t, func(u *url.URL) {
		u.User = url.UserPassword("watcher", "planted-secret")
		u.Path = "/" + strings.TrimPrefix(mustURL(t, dsn).Path, "/")
	}))
	exec(t, admin, "select 1")
	s := sample(t, c, first)
	if s.Hidden == 0 || s.Settings["pg_read_all_stats"] != "false" {
		t.Errorf("hidden = %d, settings = %v; want hidden rows and the missing right", s.Hidden, s.Settings)
	}
	if len(s.Statements) != 0 {
		t.Errorf("statements = %+v, want none: what is hidden must not be summed under one key, what is our own is left out", s.Statements)
	}
	var unseen int
	for _, n := range s.Sessions {
		if n.State == "?" {
			unseen += n.Count
		}
	}
	if unseen == 0 {
		t.Errorf("sessions = %+v, want the administrator's, of unknown state", s.Sessions)
	}
	c.Close(context.Background())
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestWithoutTheExtensionTheRestStillWorks(t *testing.T) {
	c := open(t, scratch(t, "none"))
	for _, at := range []collectors.Tick{first, edge, final} {
		s := sample(t, c, at)
		if s.StatementsRead || !strings.Contains(s.StatementsError, "CREATE EXTENSION") {
			t.Errorf("%+v: read %v, error %q; want what to do", at, s.StatementsRead, s.StatementsError)
		}
		// Before 15 a new database's counters take half a second to appear.
		if s.ServerVersion >= 150000 && s.Database.Commits == 0 || s.Postmaster.IsZero() || len(s.Sessions) == 0 {
			t.Errorf("%+v: the database's counters or sessions are missing: %+v", at, s)
		}
	}
	if s := sample(t, c, collectors.Tick{Seq: 3}); s.StatementsError == "" {
		t.Error("a later sample does not say why it has no statements")
	}
}

func TestWhatKeepsItFromOpeningIsSaidWithoutThePassword(t *testing.T) {
	gone := line(t, "")
	for _, c := range []struct{ name, dsn, want string }{
		{"wrong password", with(t, func(u *url.URL) { u.User = url.UserPassword("arq", "planted-secret") }), "check user and password"},
		{"unknown user", with(t, func(u *url.URL) { u.User = url.UserPassword("nobody", "planted-secret") }), "check user and password"},
		{"unknown database", with(t, func(u *url.URL) { u.Path = "/nothing" }), "127.0.0.1:" + mustURL(t, server).Port() + "/nothing: "},
		{"nobody there", "postgres://arq:planted-secret@127.0.0.1:1/arq", "is PostgreSQL running there"},
		{"closes at once", "postgres://arq:planted-secret@" + gone.Addr() + "/arq", gone.Addr() + "/arq"},
		{"key=value form", "host=127.0.0.1 port=1 user=arq password=planted-secret dbname=arq", "127.0.0.1:1/arq"},
		{"no URL", "postgres://arq:planted-secret/%zz@host/arq", "percent-encoded"},
		{"another scheme", "mysql://arq:planted-secret@host/arq", "postgres://user:password@host"},
	} {
		_, err := Open(t.Context(), c.dsn, Options{})
		if err == nil {
			t.Errorf("%s: opened", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q does not say %q", c.name, err, c.want)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), "planted-secret") {
			t.Errorf("%s: the error holds the password: %v", c.name, err)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has several lines: %q", c.name, err)
		}
	}
}

// behind returns the address of the scratch database through a proxy.
func behind(t *testing.T, dsn string) (*attacktest.Line, string) {
	u := mustURL(t, dsn)
	p := line(t, u.Host)
	u.Host = p.Addr()
	return p, u.String()
}

func TestACutLineIsAnErrorSampleAndThenRecovers(t *testing.T) {
	dsn := scratch(t, "")
	app := client(t, dsn)
	p, line := behind(t, dsn)
	c := open(t, line)
	before := sample(t, c, first)
	exec(t, app, "select 1")
	p.Lead("")
	for range 3 {
		start := time.Now()
		_, err := c.Sample(t.Context(), edge)
		if err == nil || !strings.Contains(err.Error(), p.Addr()) {
			t.Errorf("a sample over a cut line: %v", err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("the failure took %v", d)
		}
	}
	p.Lead(mustURL(t, dsn).Host)
	after := sample(t, c, final)
	if got := calls(before, after); got["select 1"]+got["select $1"] != 1 || after.Reading != 2 || !after.Postmaster.Equal(before.Postmaster) {
		t.Errorf("after recovery calls = %v in reading %d, want the one call and reading 2: nothing is lost by failed samples", got, after.Reading)
	}
	if after.Settings == nil {
		t.Error("a new connection must tell its settings again")
	}
}

func TestALineThatIsReplacedBetweenSamplesIsNoError(t *testing.T) {
	dsn := scratch(t, "")
	p, line := behind(t, dsn)
	c := open(t, line)
	sample(t, c, first)
	p.Lead(mustURL(t, dsn).Host)
	sample(t, c, edge)
}

func TestASilentServerCostsNoMoreThanTheContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = Open(ctx, "postgres://arq:x@"+l.Addr().String()+"/arq?sslmode=disable", Options{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v, want a deadline", err)
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("gave up after %v, want 0.3 s", d)
	}
}

func TestALockedTableDelaysOneSampleAndNoMore(t *testing.T) {
	dsn := scratch(t, "")
	app, c := client(t, dsn), open(t, dsn)
	sample(t, c, first)
	exec(t, app, "begin")
	exec(t, app, "lock table pg_database in access exclusive mode") // our queries read it
	start := time.Now()
	_, err := c.Sample(t.Context(), edge)
	if d := time.Since(start); err == nil || d > queryWithin+time.Second {
		t.Errorf("the sample ended after %v with %v, want an error after %v", d, err, queryWithin)
	}
	exec(t, app, "rollback")
	if s := sample(t, c, edge); !s.StatementsRead {
		t.Errorf("no recovery: %+v", s)
	}
}

func TestACrashOfAServerProcessShowsAsAReset(t *testing.T) {
	dsn := scratch(t, "")
	app, c := client(t, dsn), open(t, dsn)
	for range 10 {
		exec(t, app, "select now()")
	}
	before := sample(t, c, first)
	victim := client(t, dsn)
	// A killed process makes the server end all others and start anew.
	if err := syscall.Kill(int(victim.PgConn().PID()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var after *observation.Postgres
	failed := 0
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		data, err := c.Sample(t.Context(), edge)
		if err == nil {
			// Before extension 1.9 the rows that went are the only sign.
			if after = data.(*observation.Postgres); !after.StatsReset.Equal(before.StatsReset) || len(after.Vanished) > 0 {
				break
			}
		} else {
			failed++
		}
		if time.Now().After(deadline) {
			t.Fatalf("no recovery in 10 s: %v", err)
		}
	}
	if failed == 0 {
		t.Error("no sample failed while the server recovered")
	}
	if !after.Postmaster.Equal(before.Postmaster) {
		t.Error("the postmaster is another one")
	}
	if len(after.Vanished) == 0 {
		t.Errorf("vanished = %v, want the rows that the crash took", after.Vanished)
	}
}

// TestAPoolerThatRefusesAStartupParameter stands in for PgBouncer, which answers SQLSTATE
// 08P01 to parameters it does not know.
func TestAPoolerThatRefusesAStartupParameter(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	params := make(chan map[string]string, 2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2 {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b := pgproto3.NewBackend(conn, conn)
			if m, err := b.ReceiveStartupMessage(); err == nil {
				params <- m.(*pgproto3.StartupMessage).Parameters
			}
			b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: protocolViolation, Message: "unsupported startup parameter"})
			_ = b.Flush() // the client reads it or the test fails
			conn.Close()
		}
	}()
	_, err = Open(t.Context(), "postgres://arq:x@"+l.Addr().String()+"/arq?sslmode=disable", Options{})
	l.Close()
	<-done
	if err == nil {
		t.Fatal("opened")
	}
	if p := <-params; p["default_transaction_read_only"] != "on" || p["application_name"] != "arqload" {
		t.Errorf("first attempt with %v", p)
	}
	if p := <-params; p["default_transaction_read_only"] != "" || p["application_name"] != "arqload" {
		t.Errorf("second attempt with %v, want one without the parameter", p)
	}
}
