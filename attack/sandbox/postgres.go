package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pgName is the superuser and the database.
const pgName = "arq"

// SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one.
var postgresStop = []stopStep{{syscall.SIGINT, 5 * time.Second}, {syscall.SIGQUIT, 6 * time.Second}}

// pgSettings hold for the server and for the single-user session that prepares the database.
func pgSettings() []string {
	return []string{
		"-c", "fsync=off", // commits stay synchronous in order, but cost no disk
		"-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", // a socket's path may have 107 bytes at most; TCP is enough
		"-c", "max_connections=200",
		"-c", "shared_preload_libraries=pg_stat_statements",
		"-c", "track_io_timing=on",
	}
}

func (s *Sandbox) startPostgres(ctx context.Context, progs programs) error {
	dir, err := s.folder.mkdir("pg", s.account)
	if err != nil {
		return err
	}
	password := randomHex(16)
	if err := s.initdb(ctx, progs.initdb, dir, password); err != nil {
		return err
	}
	if err := s.createDatabase(ctx, progs.postgres, dir); err != nil {
		return err
	}
	return onFreePort(func(port int) error {
		args := append([]string{"-D", dir, "-p", strconv.Itoa(port)}, pgSettings()...)
		p, err := s.spawn(syscall.SIGQUIT, dir, progs.postgres, args...)
		if err != nil {
			return err
		}
		if err := p.waitReady(ctx, func() bool { return postmasterReady(dir, p.cmd.Process.Pid) }); err != nil {
			return s.discard(p, err, postgresStop)
		}
		s.postgres = p
		u := url.URL{Scheme: "postgres", User: url.UserPassword(pgName, password), Host: loopback(port),
			Path: "/" + pgName, RawQuery: "sslmode=disable"}
		s.postgresURL = u.String()
		return nil
	})
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
func (s *Sandbox) createDatabase(ctx context.Context, bin, dir string) error {
	args := append([]string{"--single", "-D", dir}, pgSettings()...)
	out, err := s.run(ctx, "CREATE EXTENSION pg_stat_statements\nCREATE DATABASE "+pgName+"\n", dir, bin,
		append(args, "template1")...)
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
