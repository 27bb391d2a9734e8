package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pgName is the superuser and the database.
const pgName = "arq"

// SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one.
var postgresStop = []stopStep{{syscall.SIGINT, 5 * time.Second}, {syscall.SIGQUIT, 6 * time.Second}}

// pgSettings hold for the server, its replica and the single-user session that prepares the database: what that session
// leaves in the data folder is held against the replica's settings.
func pgSettings(o Options) []string {
	settings := []string{
		"-c", "fsync=off", // commits stay synchronous in order, but cost no disk
		"-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", // a socket's path may have 107 bytes at most; TCP is enough
		"-c", "max_connections=200",
		"-c", "shared_preload_libraries=pg_stat_statements",
		"-c", "track_io_timing=on",
	}
	if o.Replica {
		settings = append(settings, replicaSettings()...)
	}
	for _, v := range o.PostgresSettings {
		settings = append(settings, "-c", v)
	}
	return settings
}

// A pgServer is one PostgreSQL: what starts it, and its process while it runs.
type pgServer struct {
	*process // nil while it is stopped

	name, bin, dir string
	port           int
	settings       []string // arguments: "-c", "name=value"
}

// launch starts a server on its port and returns when it accepts connections.
func (s *Sandbox) launch(ctx context.Context, v *pgServer) error {
	args := append([]string{"-D", v.dir, "-p", strconv.Itoa(v.port)}, v.settings...)
	p, err := s.spawnAs(syscall.SIGQUIT, v.name, v.dir, v.bin, args...)
	if err != nil {
		return err
	}
	if err := p.waitReady(ctx, func() bool { return postmasterReady(v.dir, p.cmd.Process.Pid) }); err != nil {
		return s.discard(p, err, postgresStop)
	}
	v.process = p
	return nil
}

// shut ends a server that is running; one that has ended, by itself or by us, counts as stopped from then on.
func (v *pgServer) shut(ctx context.Context) error {
	if v.process == nil {
		return nil
	}
	err := v.end(ctx, postgresStop...)
	select {
	case <-v.exited:
		v.process = nil
	default:
	}
	return err
}

func (s *Sandbox) startPostgres(ctx context.Context, progs programs, o Options) error {
	dir, err := s.folder.mkdir("pg", s.account)
	if err != nil {
		return err
	}
	password := randomHex(16)
	if err := s.initdb(ctx, progs.initdb, dir, password); err != nil {
		return err
	}
	primary := &pgServer{name: "postgres", bin: progs.postgres, dir: dir, settings: pgSettings(o)}
	if err := s.createDatabase(ctx, primary); err != nil {
		return err
	}
	var replica *pgServer
	if o.Replica {
		// The primary was never started, so that a plain copy is a whole one.
		if replica, err = s.copyForReplica(ctx, primary); err != nil {
			return fmt.Errorf("replica: %w", err)
		}
	}
	err = onFreePort(func(port int) error {
		primary.port = port
		return s.launch(ctx, primary)
	})
	if err != nil {
		return err
	}
	s.postgres, s.postgresURL = primary, pgURL(primary.port, password)
	if replica == nil {
		return nil
	}
	if err := s.startReplica(ctx, replica, password); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	return nil
}

// StopPostgres ends the primary in the middle of a run, as an administrator's restart does: sessions are cut, data and
// statistics are kept. [Sandbox.StartPostgres] brings it back under the same address. A primary that had ended by itself
// is told as [Sandbox.Stop] would. Not at the same time as another method that stops, starts or pauses.
func (s *Sandbox) StopPostgres(ctx context.Context) error {
	switch {
	case s.postgres == nil || s.postgres.process == nil:
		return errors.New("sandbox: stop postgres: it is not running")
	case s.resumeReplica != nil: // a fast shutdown waits until the replica has everything
		return errors.New("sandbox: stop postgres: its replica is paused; resume it first")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	if err := s.postgres.shut(ctx); err != nil {
		return fmt.Errorf("sandbox: stop postgres: %w", err)
	}
	return nil
}

// StartPostgres starts the primary that [Sandbox.StopPostgres] ended, on the same port and data folder, and returns when
// it accepts connections. After an error it is still stopped, and may be started again.
func (s *Sandbox) StartPostgres(ctx context.Context) error {
	if s.postgres == nil || s.postgres.process != nil {
		return errors.New("sandbox: start postgres: it was not stopped")
	}
	var err error
	for range portTries { // the port was free for a while: somebody's outgoing connection may have it
		if err = s.launch(ctx, s.postgres); !errors.Is(err, errPortTaken) {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
	if err != nil {
		return fmt.Errorf("sandbox: start postgres at %s: %w", loopback(s.postgres.port), err)
	}
	return nil
}

func pgURL(port int, password string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(pgName, password), Host: loopback(port),
		Path: "/" + pgName, RawQuery: "sslmode=disable"}
	return u.String()
}

// initdb makes the cluster. The password travels in a file that only the servers' user can read.
func (s *Sandbox) initdb(ctx context.Context, bin, dir, password string) error {
	file, err := s.folder.writeFile("pg-password", password+"\n", s.account)
	if err != nil {
		return err
	}
	defer os.Remove(file)
	_, err = s.run(ctx, "", dir, bin, "-D", dir, "-U", pgName, "--pwfile", file, "-A", "scram-sha-256",
		"-E", "UTF8", "--locale=C", "--no-sync")
	return err
}

// createDatabase runs before the server is started, in PostgreSQL's single-user mode: no driver, no port, no waiting.
// Made in template1, the extension is in the copy too.
func (s *Sandbox) createDatabase(ctx context.Context, v *pgServer) error {
	args := slices.Concat([]string{"--single", "-D", v.dir}, v.settings, []string{"template1"})
	out, err := s.run(ctx, "CREATE EXTENSION pg_stat_statements\nCREATE DATABASE "+pgName+"\n", v.dir, v.bin, args...)
	if err != nil {
		return err
	}
	if strings.Contains(out, "ERROR:") { // single-user mode goes on after an error and exits with 0
		return fmt.Errorf("preparing database %s:%s", pgName, strings.TrimPrefix(tail(out), ":"))
	}
	return nil
}

// postmasterReady reads what pg_ctl reads: the server's own word, in the eighth line of postmaster.pid, that it accepts
// connections. That the first line is our process excludes a stranger on the same port.
func postmasterReady(dir string, pid int) bool {
	text, err := os.ReadFile(dir + "/postmaster.pid")
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}
