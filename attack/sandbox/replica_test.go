//go:build linux

package sandbox

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// query returns one value as text.
func query(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	var v string
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// becomes asks until the answer is want.
func becomes(t *testing.T, conn *pgx.Conn, sql, want string, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		got := query(t, conn, sql)
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %q after %v, want %q", sql, got, within, want)
		}
	}
}

const rows = "select count(*)::text from t"

func TestReplicaFollowsFallsBehindAndCatchesUp(t *testing.T) {
	dir := open(t)
	var log strings.Builder
	begin := time.Now()
	sb, err := Start(t.Context(), Options{Dir: dir, Replica: true, Log: &log, PostgresSettings: []string{"max_connections=123"}})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Stop()
	t.Logf("a pair starts in %v", time.Since(begin))
	if sb.RedisURL() != "" {
		t.Error("Redis was not asked for")
	}
	if password := strings.Split(strings.Split(sb.ReplicaURL(), "@")[0], ":")[2]; strings.Contains(log.String(), password) {
		t.Errorf("the password is in the log: %s", &log)
	}
	primary, replica := connect(t, sb.PostgresURL()), connect(t, sb.ReplicaURL())
	for conn, want := range map[*pgx.Conn]string{primary: "false 123", replica: "true 123"} {
		if got := query(t, conn, "select concat(pg_is_in_recovery()::text, ' ', current_setting('max_connections'))"); got != want {
			t.Errorf("in recovery and connections: %s, want %s", got, want)
		}
	}
	// Start has waited for the stream; the primary says "catchup" until it is through.
	becomes(t, primary, "select concat(application_name, ' ', state) from pg_stat_replication", "replica streaming", 5*time.Second)
	execute(t, primary, "create table t (i int)")
	execute(t, primary, "insert into t select generate_series(1, 10)")
	lsn := query(t, primary, "select pg_current_wal_lsn()::text")
	becomes(t, replica, "select (pg_last_wal_replay_lsn() >= '"+lsn+"')::text", "true", 2*time.Second)
	if got := query(t, replica, rows); got != "10" {
		t.Errorf("the replica has %s rows, want 10", got)
	}
	if _, err := replica.Exec(t.Context(), "insert into t values (11)"); err == nil {
		t.Error("the replica can be written to")
	}

	if err := sb.PausePostgresReplica(); err != nil {
		t.Fatal(err)
	}
	if err := sb.PausePostgresReplica(); err == nil {
		t.Error("a second pause is no error")
	}
	execute(t, primary, "insert into t values (11)")
	time.Sleep(300 * time.Millisecond)
	if got := query(t, replica, rows); got != "10" {
		t.Errorf("the paused replica has %s rows, want the 10 of before", got)
	}
	if err := sb.StopPostgres(t.Context()); err == nil || !strings.Contains(err.Error(), "resume it first") {
		t.Errorf("stop beside a paused replica: %v, want what to do", err)
	}
	for range 2 {
		if err := sb.ResumePostgresReplica(); err != nil {
			t.Fatal(err)
		}
	}
	becomes(t, replica, rows, "11", 2*time.Second)

	// Stop of a paused pair is as clean as any.
	if err := sb.PausePostgresReplica(); err != nil {
		t.Fatal(err)
	}
	execute(t, primary, "insert into t values (12)")
	primary.Close(t.Context())
	replica.Close(t.Context())
	if err := sb.Stop(); err != nil {
		t.Error(err)
	}
	gone(t, dir, 0)
	empty(t, dir)
}

func TestRestartKeepsAddressDataAndReplica(t *testing.T) {
	dir := open(t)
	sb, err := Start(t.Context(), Options{Dir: dir, Replica: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Stop()
	if err := sb.StartPostgres(t.Context()); err == nil {
		t.Error("a start of what is running is no error")
	}
	address := sb.PostgresURL()
	before, replica := connect(t, address), connect(t, sb.ReplicaURL())
	execute(t, before, "create table t as select 1 as i")
	execute(t, before, "select pg_stat_statements_reset()")
	execute(t, before, "select count(*) from t")

	begin := time.Now()
	if err := sb.StopPostgres(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped in %v", time.Since(begin))
	if err := before.Ping(t.Context()); err == nil {
		t.Error("a session has outlived the server")
	}
	if conn, err := pgx.Connect(t.Context(), address); err == nil {
		conn.Close(t.Context())
		t.Error("the stopped server answers")
	}
	if err := sb.StopPostgres(t.Context()); err == nil {
		t.Error("a stop of what is stopped is no error")
	}
	if got := query(t, replica, rows); got != "1" {
		t.Errorf("the replica has %s rows while the primary is stopped, want 1", got)
	}

	begin = time.Now()
	if err := sb.StartPostgres(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("started again in %v", time.Since(begin))
	if sb.PostgresURL() != address {
		t.Errorf("the address was %s and is %s", address, sb.PostgresURL())
	}
	after := connect(t, address)
	if got := query(t, after, "select sum(calls)::text from pg_stat_statements where query = 'select count(*) from t'"); got != "1" {
		t.Errorf("%s calls counted before the restart, want 1: a fast stop keeps statistics", got)
	}
	execute(t, after, "insert into t values (2)")
	becomes(t, replica, rows, "2", 3*time.Second)

	// A test may leave the server stopped.
	if err := sb.StopPostgres(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := sb.Stop(); err != nil {
		t.Errorf("Stop after StopPostgres: %v", err)
	}
	gone(t, dir, 0)
	empty(t, dir)
}

func TestStopPostgresTellsOfADeathAndOfACancel(t *testing.T) {
	dir := open(t)
	sb, err := Start(t.Context(), Options{Dir: dir, Postgres: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Stop()
	pid := sb.postgres.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // deaf to the shutdown
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := sb.StopPostgres(ctx); err == nil || !strings.HasSuffix(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("a stop without the time for it: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil { // it hears now
		t.Fatal(err)
	}
	<-sb.postgres.exited
	if err := sb.StopPostgres(t.Context()); err == nil || !strings.Contains(err.Error(), "had ended by itself") {
		t.Errorf("a stop of what has ended: %v", err)
	}
	if err := sb.StartPostgres(t.Context()); err != nil {
		t.Errorf("no new start after an end by itself: %v", err)
	}
	if err := sb.Stop(); err != nil {
		t.Error(err)
	}
	gone(t, dir, 0)
	empty(t, dir)
}

func TestReplicaNobodyAskedForCannotBePaused(t *testing.T) {
	sb := &Sandbox{}
	if err := sb.PausePostgresReplica(); err == nil {
		t.Error("paused")
	}
	if err := sb.StopPostgres(t.Context()); err == nil {
		t.Error("stopped a server that is not there")
	}
	if err := sb.StartPostgres(t.Context()); err == nil {
		t.Error("started a server that is not there")
	}
}

func TestNamedFolderOfPostgresIsUsed(t *testing.T) {
	dir := open(t)
	if _, err := Start(t.Context(), Options{Dir: dir, Postgres: true, PostgresBin: dir}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder without programs: %v, want an error that names it", err)
	}
	progs, err := defaultSearch("").find(true, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{progs.initdb, progs.postgres} {
		if err := os.WriteFile(dir+"/"+baseName(name), []byte("#!/bin/sh\nexec "+name+" \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(BinEnv, "/nowhere")
	sb, err := Start(t.Context(), Options{Dir: dir, Postgres: true, PostgresBin: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := sb.Stop(); err != nil {
		t.Error(err)
	}
}
