//go:build linux

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

const holdEnv = "SANDBOX_TEST_HOLD" // set: be a process that starts a sandbox in this folder and waits to be killed

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdEnv); dir != "" {
		sb, err := Start(context.Background(), Options{Dir: dir, Redis: true, Replica: true})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("started", sb.Dir())
		time.Sleep(time.Minute)
		os.Exit(2) // nobody killed us
	}
	goleak.VerifyTestMain(m)
}

// open is a folder that the servers' user can enter: t.TempDir's parents are closed to others.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sandbox-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// inside lists the processes with dir in their command line, their working folder or their program's open files.
func inside(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		cmdline, err := os.ReadFile(proc + "/cmdline")
		if err != nil || filepath.Base(proc) == fmt.Sprint(os.Getpid()) {
			continue
		}
		cwd, _ := os.Readlink(proc + "/cwd") // PostgreSQL's and Redis' titles hide their arguments, their folder stays
		if strings.Contains(string(cmdline), dir) || strings.HasPrefix(cwd, dir) {
			found = append(found, strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return found
}

// gone fails the test unless dir is empty and no process is in it. PostgreSQL's children may need a moment.
func gone(t *testing.T, dir string, within time.Duration) {
	t.Helper()
	var left []string
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		if left = inside(t, dir); len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	if len(left) > 0 {
		t.Errorf("processes left: %q", left)
	}
}

func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left in %s: %v %v", dir, entries, err)
	}
}

func TestServersAnswerAndLeaveNothing(t *testing.T) {
	ctx, dir := t.Context(), open(t)
	var log strings.Builder
	sb, err := Start(ctx, Options{Dir: dir, Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Stop()

	conn, err := pgx.Connect(ctx, sb.PostgresURL())
	if err != nil {
		t.Fatal(err)
	}
	var preload, fsync, commit, ioTiming, listen, connections string
	err = conn.QueryRow(ctx, `SELECT current_setting('shared_preload_libraries'), current_setting('fsync'),
		current_setting('synchronous_commit'), current_setting('track_io_timing'), current_setting('listen_addresses'),
		current_setting('max_connections')`).Scan(&preload, &fsync, &commit, &ioTiming, &listen, &connections)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{preload, fsync, commit, ioTiming, listen, connections}
	want := []string{"pg_stat_statements", "off", "on", "on", "127.0.0.1", "200"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("settings %v, want %v", got, want)
	}
	var calls int
	if err := conn.QueryRow(ctx, `SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE 'SELECT current_setting%'`).Scan(&calls); err != nil || calls != 1 {
		t.Errorf("pg_stat_statements counts %d calls, want 1 (%v)", calls, err)
	}
	conn.Close(ctx)

	wrong := strings.Replace(sb.PostgresURL(), "arq:", "arq:x", 1)
	if conn, err := pgx.Connect(ctx, wrong); err == nil {
		conn.Close(ctx)
		t.Error("PostgreSQL accepts a wrong password")
	}
	if password := strings.Split(strings.Split(sb.PostgresURL(), "@")[0], ":")[2]; strings.Contains(log.String(), password) {
		t.Errorf("the password is in the log: %s", &log)
	}

	opts, err := redis.ParseURL(sb.RedisURL())
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	if save, err := rdb.ConfigGet(ctx, "save").Result(); err != nil || save["save"] != "" {
		t.Errorf("Redis saves at %q, want never (%v)", save, err)
	}
	rdb.Close()

	if os.Geteuid() == 0 {
		for _, pid := range []int{sb.postgres.cmd.Process.Pid, sb.redis.cmd.Process.Pid} {
			info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
			if err != nil || info.Sys().(*syscall.Stat_t).Uid == 0 {
				t.Errorf("process %d runs as root (%v)", pid, err)
			}
		}
	}
	for _, p := range []*process{sb.postgres.process, sb.redis} {
		pid := p.cmd.Process.Pid
		if group, err := syscall.Getpgid(pid); err != nil || group != pid {
			t.Errorf("%s is in process group %d, not its own %d: Ctrl-C would hit it (%v)", p.name, group, pid, err)
		}
	}
	if err := sb.Stop(); err != nil {
		t.Error(err)
	}
	if err := sb.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	gone(t, dir, 0)
	empty(t, dir)
}

func TestOneServerAlone(t *testing.T) {
	dir := open(t)
	sb, err := Start(t.Context(), Options{Dir: dir, Redis: true})
	if err != nil {
		t.Fatal(err)
	}
	if sb.PostgresURL() != "" || sb.RedisURL() == "" {
		t.Errorf("postgres %q, redis %q; want Redis alone", sb.PostgresURL(), sb.RedisURL())
	}
	if err := sb.Stop(); err != nil {
		t.Error(err)
	}
	gone(t, dir, 0)
	empty(t, dir)
}

func TestStopTellsOfAServerThatDiedBefore(t *testing.T) {
	dir := open(t)
	sb, err := Start(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	sb.redis.cmd.Process.Kill()
	<-sb.redis.exited
	err = sb.Stop()
	if err == nil || !strings.Contains(err.Error(), "redis-server had ended by itself (signal: killed)") ||
		!strings.Contains(err.Error(), "Ready to accept connections") {
		t.Errorf("Stop says %v; want the signal and the log's tail", err)
	}
	gone(t, dir, 0)
	empty(t, dir)
}

// A postmaster that ignores shutdown (stopped by SIGSTOP) is killed with its children, which are in groups of their own.
func TestStopForcesAServerThatHangs(t *testing.T) {
	dir := open(t)
	sb, err := Start(t.Context(), Options{Dir: dir, Postgres: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := sb.postgres.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	err = sb.postgres.stop(stopStep{syscall.SIGINT, 100 * time.Millisecond}, stopStep{syscall.SIGQUIT, 100 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "had to be killed") {
		t.Errorf("stop says %v; want that it had to be killed", err)
	}
	gone(t, dir, 2*time.Second)
	sb.Stop() // reports the same death again
	empty(t, dir)
}

func TestTakenPortIsTriedAgain(t *testing.T) {
	stranger, err := net.Listen("tcp4", loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	taken := stranger.Addr().(*net.TCPAddr).Port
	progs, err := defaultSearch("").find(false, true)
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
	p, err := s.spawn(syscall.SIGKILL, "/", progs.redis, "--bind", "127.0.0.1", "--port", fmt.Sprint(taken))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.waitReady(t.Context(), func() bool { return false }); !errors.Is(err, errPortTaken) {
		t.Errorf("Redis on a taken port: %v, want %v", err, errPortTaken)
	}
	tries := 0
	err = onFreePort(func(int) error {
		if tries++; tries < 3 {
			return errPortTaken
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("two taken ports: %v after %d tries, want success at the third", err, tries)
	}
	if err := onFreePort(func(int) error { return errPortTaken }); !errors.Is(err, errPortTaken) {
		t.Errorf("only taken ports: %v", err)
	}
}
