// Package sandbox starts a private PostgreSQL and Redis on this machine and takes them away again; for the demo and for
// every test that needs real servers. Beside the primary PostgreSQL a test may have a streaming replica and PgBouncer, and
// it may stop, start and hold up what it will; [StartRedis] starts a Redis cluster, or a primary with replicas.
//
// Everything lives in one temporary folder and on free loopback ports. The servers run as an unprivileged user when the
// caller is root. They end with [Sandbox.Stop], with a canceled [Start], and on Linux also with the death of this
// process, whatever its cause; a folder that a killed process could not remove is removed by the next Start.
//
// The settings suit measuring, not keeping data: fsync is off, pg_stat_statements is loaded, Redis persists nothing.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	readyWithin = 30 * time.Second // for a server to answer after its start
	portTries   = 5                // how often a port may be taken between choosing and binding it
)

// Options says what to start. The zero value starts both servers under os.TempDir and says nothing.
type Options struct {
	Postgres, Redis bool      // both false means both
	Dir             string    // parent of the temporary folder; "" is os.TempDir()
	Log             io.Writer // a line a step, for people; nil is silence

	PostgresBin      string   // folder of initdb and postgres; "" is BinEnv's, else the newest installed
	PostgresSettings []string // "name=value", over the sandbox's own; the replica has them too
	Replica          bool     // a hot standby that streams from the primary; implies Postgres
	PgBouncer        bool     // in front of the primary, in transaction mode; implies Postgres
}

// A Sandbox is a set of running servers and the folder they live in.
type Sandbox struct {
	log     io.Writer
	folder  *folder
	account *account // whom the servers run as; nil is the caller itself
	thread  *thread

	postgres, replica       *pgServer // nil if not asked for
	redis, pgbouncer        *process
	postgresURL, redisURL   string
	replicaURL              string
	pgbouncerURL            string
	resumeReplica           func() error // nil unless the replica is paused
	stopOnce                sync.Once
	stopErr                 error
	wantPostgres, wantRedis bool
}

// Start returns when the servers asked for accept connections. A context that ends during Start leaves neither process
// nor folder behind; afterwards it has no effect, and the caller owes a [Sandbox.Stop]. The error is a *[MissingError]
// when a program is not installed.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	o.Postgres = o.Postgres || o.Replica || o.PgBouncer
	if !o.Postgres && !o.Redis {
		o.Postgres, o.Redis = true, true
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	progs, err := defaultSearch(o.PostgresBin).find(o.Postgres, o.Redis)
	if err != nil {
		return nil, err
	}
	if o.PgBouncer {
		if progs.pgbouncer, err = Program("pgbouncer"); err != nil {
			return nil, err
		}
	}
	s := &Sandbox{log: o.Log, wantPostgres: o.Postgres, wantRedis: o.Redis}
	if err := s.start(ctx, o, progs); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Sandbox) start(ctx context.Context, o Options, progs programs) error {
	err := ctx.Err()
	if err != nil {
		return err
	}
	if s.account, err = serverAccount(); err != nil {
		return err
	}
	if s.folder, err = newFolder(o.Dir, s.account); err != nil {
		return err
	}
	s.thread = newThread()
	fmt.Fprintf(s.log, "sandbox: %s\n", s.folder.path)
	if s.wantRedis {
		if err := s.startRedis(ctx, progs.redis); err != nil {
			return fmt.Errorf("redis: %w", err)
		}
		fmt.Fprintf(s.log, "sandbox: %s answers at %s\n", progs.redis, s.redisURL)
	}
	if s.wantPostgres {
		if err := s.startPostgres(ctx, progs, o); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		fmt.Fprintf(s.log, "sandbox: %s answers at %s\n", progs.postgres, redacted(s.postgresURL))
		if s.replica != nil {
			fmt.Fprintf(s.log, "sandbox: its replica answers at %s\n", redacted(s.replicaURL))
		}
	}
	if o.PgBouncer {
		if err := s.startPgBouncer(ctx, progs.pgbouncer); err != nil {
			return fmt.Errorf("pgbouncer: %w", err)
		}
		fmt.Fprintf(s.log, "sandbox: %s answers at %s\n", progs.pgbouncer, redacted(s.pgbouncerURL))
	}
	return ctx.Err()
}

// PostgresURL is the address of database arq with a superuser's name and generated password, "" if not asked for.
func (s *Sandbox) PostgresURL() string { return s.postgresURL }

// RedisURL is the address of database 0, "" if not asked for.
func (s *Sandbox) RedisURL() string { return s.redisURL }

// Dir is the temporary folder; it holds each server's log, such as postgres.log, until Stop.
func (s *Sandbox) Dir() string { return s.folder.path }

// Stop ends the servers and removes the folder. It may be called more than once and on a nil Sandbox. Its error names a
// server that had ended by itself or had to be forced, with the last lines of that server's log.
func (s *Sandbox) Stop() error {
	if s == nil {
		return nil
	}
	s.stopOnce.Do(func() { s.stopErr = s.stop() })
	return s.stopErr
}

func (s *Sandbox) stop() error {
	var errs []error
	if s.pgbouncer != nil {
		errs = append(errs, s.pgbouncer.stop(pgbouncerStop...))
	}
	if s.replica != nil { // before the primary, whose shutdown waits for its replica to have everything
		errs = append(errs, s.ResumePostgresReplica(), s.replica.shut(context.Background()))
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.shut(context.Background()))
	}
	if s.redis != nil {
		errs = append(errs, s.redis.stop(redisStop...))
	}
	if s.thread != nil {
		s.thread.close()
	}
	if s.folder != nil {
		errs = append(errs, s.folder.remove())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sandbox: stop: %w", err)
	}
	return nil
}

// environ is what the servers see of the environment: enough to be found and linked, nothing that steers them (PGPORT)
// and none of the caller's secrets. C messages, because a taken port is recognised by its text.
func environ() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// redacted is an address of ours without its password.
func redacted(address string) string {
	u, _ := url.Parse(address) // built by url.URL.String
	return u.Redacted()
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
