// Package reference is the reference ARQ: the API the scenarios speak, over a real PostgreSQL and Redis, with fault switches.
//
// Users, dialogues and messages live in PostgreSQL; tokens and a read cache of users and dialogues live in Redis. So the
// calls in pg_stat_statements and the hits in Redis' INFO come from real work, and GET /reference/stats tells the
// server's own count of everything it did: the known truth that a measurement of it can be held against.
package reference

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"
)

const (
	defaultTokenTTL = time.Hour
	connectWithin   = 10 * time.Second // for PostgreSQL and Redis to answer at the start
	shutdownWithin  = 5 * time.Second  // for requests in progress at the end
	workWithin      = 30 * time.Second // for one request's statements and look-ups
	maxBodyBytes    = 64 << 10
)

// Config says where to listen, which servers to use and whom to let in.
type Config struct {
	Listen                string // host:port; port 0 is a free one
	PostgresURL, RedisURL string
	Username, Password    string        // the one account; made or given this password at the start
	TokenTTL              time.Duration // how long a token is good, whole seconds; 0 is an hour
	Faults                Faults
}

func (c *Config) validate() error {
	var errs []error
	for _, field := range []struct{ name, value string }{
		{"Listen", c.Listen}, {"PostgresURL", c.PostgresURL}, {"RedisURL", c.RedisURL},
		{"Username", c.Username}, {"Password", c.Password},
	} {
		if field.value == "" {
			errs = append(errs, fmt.Errorf("%s is empty", field.name))
		}
	}
	if c.TokenTTL == 0 {
		c.TokenTTL = defaultTokenTTL
	}
	if c.TokenTTL < time.Second {
		errs = append(errs, fmt.Errorf("TokenTTL is %v, less than a second", c.TokenTTL))
	}
	return errors.Join(append(errs, c.Faults.validate())...)
}

// A server is one running reference ARQ.
type server struct {
	cfg    Config
	store  *store
	cache  *cache
	inject *injector
	record *recorder
	work   context.Context // of statements and look-ups; outlives the client, ends with the server
}

// Run creates the schema and the account if absent, calls ready with the server's address, serves until ctx is done, and
// then ends what a fault makes wait and lets the other requests in progress finish, for at most five seconds.
func Run(ctx context.Context, cfg Config, ready func(baseURL string)) (err error) {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	s := &server{cfg: cfg, record: newRecorder(cfg.Faults.Seed)}
	connect, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	if s.store, err = openStore(connect, cfg.PostgresURL, s.record); err != nil {
		return fmt.Errorf("reference: postgres: %w", err)
	}
	defer s.store.close()
	if s.cache, err = openCache(connect, cfg.RedisURL, s.record); err != nil {
		return fmt.Errorf("reference: redis: %w", err)
	}
	defer s.cache.close()
	if err := s.makeAccount(connect); err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	defer endWork() // before the closing of the store, which waits for its statements
	s.work = work
	s.inject = newInjector(cfg.Faults, s.record, time.Now())
	return s.serve(ctx, listener, ready)
}

func (s *server) serve(ctx context.Context, listener net.Listener, ready func(string)) error {
	// No read or write timeout: the faults hold requests for as long as they are told to, and net/http would take a read
	// timeout that passes meanwhile for the client's leaving.
	web := &http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: log.New(s.record, "", 0)}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	ready(baseURL(listener.Addr()))
	select {
	case err := <-served:
		web.Close()
		return fmt.Errorf("reference: %w", err)
	case <-ctx.Done():
	}
	s.inject.close()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWithin)
	defer cancel()
	if err := web.Shutdown(grace); err != nil {
		web.Close()
		return fmt.Errorf("reference: requests were still in progress %v after the end: %w", shutdownWithin, err)
	}
	return nil
}

// baseURL is an address that works on this machine, even for a server that listens on all of them.
func baseURL(addr net.Addr) string {
	tcp := addr.(*net.TCPAddr)
	if tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port)
	}
	return "http://" + tcp.String()
}

// makeAccount also forgets what the cache may hold of the account from an earlier run.
func (s *server) makeAccount(ctx context.Context) error {
	if err := s.store.upsertUser(ctx, s.cfg.Username, newCredential(s.cfg.Password)); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := s.cache.forget(ctx, userKey(s.cfg.Username)); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}
