//go:build linux && matrix

package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// These need pgbouncer and pgbench, which `make test` does not install.

func TestMatrixPgBouncerPoolsTransactionsAndLeavesNothing(t *testing.T) {
	dir := open(t)
	var log strings.Builder
	sb, err := Start(t.Context(), Options{Dir: dir, PgBouncer: true, Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Stop()
	u, err := url.Parse(sb.PgBouncerURL())
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := u.User.Password(); password == "" || strings.Contains(log.String(), password) {
		t.Errorf("the password is in the log: %s", &log)
	}
	// Two clients share one session of the server when they ask in turn.
	first, second := bouncer(t, u), bouncer(t, u)
	pid := query(t, first, "select pg_backend_pid()::text")
	if got := query(t, second, "select pg_backend_pid()::text"); got != pid {
		t.Errorf("sessions %s and %s, want one for both clients", pid, got)
	}
	// In a transaction each has its own.
	execute(t, first, "begin")
	one := query(t, first, "select pg_backend_pid()::text")
	if got := query(t, second, "select pg_backend_pid()::text"); got == one {
		t.Errorf("session %s serves both clients inside a transaction", got)
	}
	execute(t, first, "rollback")

	// A role and a database made later are there too, with their own passwords.
	admin := connect(t, sb.PostgresURL())
	execute(t, admin, "create role watcher login password 'of-its-own'")
	execute(t, admin, "create database other")
	watcher := *u
	watcher.User, watcher.Path = url.UserPassword("watcher", "of-its-own"), "/other"
	if got := query(t, bouncer(t, &watcher), "select concat(current_user, '@', current_database())"); got != "watcher@other" {
		t.Errorf("connected as %s", got)
	}
	watcher.User = url.UserPassword("watcher", "wrong")
	if conn, err := pgx.Connect(t.Context(), watcher.String()); err == nil {
		conn.Close(t.Context())
		t.Error("PgBouncer accepts a wrong password")
	}

	// It survives a restart of the primary.
	if err := sb.StopPostgres(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := sb.StartPostgres(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, bouncer(t, u), "select current_database()"); got != pgName {
		t.Errorf("after a restart of the primary: database %q", got)
	}
	if err := sb.Stop(); err != nil {
		t.Error(err)
	}
	gone(t, dir, 0)
	empty(t, dir)
}

// bouncer connects without prepared statements, which PgBouncer before 1.21 cannot pool.
func bouncer(t *testing.T, u *url.URL) *pgx.Conn {
	t.Helper()
	q := u.Query()
	q.Set("default_query_exec_mode", "exec")
	v := *u
	v.RawQuery = q.Encode()
	return connect(t, v.String())
}

func TestMatrixPgBouncerOnATakenPortIsTriedAgain(t *testing.T) {
	stranger, err := net.Listen("tcp4", loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	bin, err := Program("pgbouncer")
	if err != nil {
		t.Fatal(err)
	}
	s := &Sandbox{thread: newThread()}
	if s.account, err = serverAccount(); err != nil {
		t.Fatal(err)
	}
	if s.folder, err = newFolder(open(t), s.account); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	config, err := s.folder.writeFile("config.ini", pgbouncerConfig("/nowhere", stranger.Addr().(*net.TCPAddr).Port, 1), s.account)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.spawn(syscall.SIGKILL, "/", bin, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.waitReady(t.Context(), func() bool { return p.logs("process up: ") }); !errors.Is(err, errPortTaken) {
		t.Errorf("PgBouncer on a taken port: %v, want %v", err, errPortTaken)
	}
}

func TestMatrixPgbenchCountsWhatTheServerCounts(t *testing.T) {
	sb, err := Start(t.Context(), Options{Dir: open(t), Postgres: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Stop()
	run := func(args ...string) string {
		cmd, err := ClientCommand(t.Context(), sb.PostgresURL(), "pgbench", args...)
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("pgbench: %v\n%s", err, out)
		}
		return string(out)
	}
	run("-i", "-s", "1", "-q")
	conn := connect(t, sb.PostgresURL())
	execute(t, conn, "select pg_stat_statements_reset()")
	out := run("-c", "2", "-t", "50", "-n")
	m := regexp.MustCompile(`actually processed: (\d+)/100`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("pgbench says no count:\n%s", out)
	}
	n, _ := strconv.Atoi(m[1]) // digits
	got := query(t, conn, "select sum(calls)::text from pg_stat_statements where query ~* '^insert into pgbench_history'")
	if n != 100 || got != fmt.Sprint(n) {
		t.Errorf("pgbench made %d transactions, the server counts %s, want 100 of both", n, got)
	}
}
