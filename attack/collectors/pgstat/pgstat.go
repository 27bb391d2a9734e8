// Package pgstat samples PostgreSQL from inside: pg_stat_statements, the database's
// counters, sessions and locks, what the server does in the background, how long
// statements have been running, and how far a replica is behind. All of it is raw and
// cumulative.
//
// It is a guest: two connections of its own (and one to the replica), read-only, named
// arqload, a time limit from this side on every query, no setting changed, no statistics
// reset, and what it costs is in each sample. Connect it directly: it also works through
// PgBouncer, but what the pooler's other clients do to its server connections is then out
// of its hands.
package pgstat

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
)

// statementsEvery is how often the statements and the background are read between edges; a
// little less than two ticks, which come a few microseconds early or late.
const statementsEvery = 2*collectors.Every - 100*time.Millisecond

// Collector reads one database of one server.
type Collector struct {
	main   *link
	cost   *cost
	facts  facts
	news   bool // facts are not yet in a sample
	views  catalog
	layout layout
	// refused are queries that this role or server will not answer on this connection.
	refused map[string]error
	// statementsErr says why the statements cannot be read on this connection; it is final
	// until the next one.
	statementsErr error

	own    map[ownKey]bool // rows of our own statements
	server time.Time       // start of the server that own was learned from

	reading int64     // how many times the statements were read
	readAt  time.Time // when that was
	rows    map[observation.StatementKey]observation.Statement
	changed map[int64]bool // queryids that were called since the first reading

	backgroundAt time.Time // when the background was read last

	chase    *chase // nil: no replica was named, or lagErr
	lagErr   string // why the replica that was named cannot be chased
	pollSQL  string // activitySQL of the server that was opened
	polling  sync.WaitGroup
	stop     context.CancelFunc // nil: the first sample has not been taken
	watching sync.Mutex         // guards watch and latest
	watch    watch
	latest   look
}

// ownKey is a row's user and queryid.
type ownKey struct {
	user  uint32
	query int64
}

// facts is what preflight reads once a connection.
type facts struct {
	version    int
	postmaster time.Time
	extension  string
	schema     string
	database   string
	role       string
	dbid       uint32
	user       uint32
	readAll    bool
	maxConns   int
	reserved   int
	flush      bool // flushSQL works
	settings   map[string]string
}

// Options are what may be measured beside the database itself.
type Options struct {
	Replica string // connection string of a streaming replica; empty: none
}

// Open connects to the database that dsn names, a URL or key=value list. Where only
// pg_stat_statements is missing, or the replica cannot be read, the collector works for the
// rest, and each sample that should have read it says why it could not. The error says what
// to do and holds no password.
func Open(ctx context.Context, dsn string, o Options) (*Collector, error) {
	c := &Collector{
		cost:    &cost{},
		own:     map[ownKey]bool{},
		rows:    map[observation.StatementKey]observation.Statement{},
		changed: map[int64]bool{},
	}
	var err error
	if c.main, err = newLink(dsn, c.cost); err != nil {
		return nil, fmt.Errorf("pgstat: %w", err)
	}
	if o.Replica != "" {
		replica, err := newLink(o.Replica, &cost{})
		if err != nil {
			c.lagErr = "postgres_replica: " + err.Error()
		} else {
			c.chase = &chase{replica: replica, wake: make(chan struct{}, 1)}
		}
	}
	if err := c.connect(ctx); err != nil {
		c.main.disconnect()
		return nil, fmt.Errorf("pgstat: %s: %w", c.main.where(), c.main.explain(err))
	}
	if c.chase != nil {
		if err := c.chase.check(ctx, c.main); err != nil {
			c.lagErr = "postgres_replica: " + err.Error()
			c.chase.replica.disconnect()
			c.chase = nil
		}
	}
	return c, nil
}

// Name is "pgstat".
func (c *Collector) Name() string { return "pgstat" }

// Close ends the polling and closes the connections.
func (c *Collector) Close(ctx context.Context) error {
	if c.stop != nil {
		c.stop()
		c.polling.Wait()
	}
	if c.chase != nil {
		c.chase.replica.disconnect()
	}
	if err := c.main.close(ctx); err != nil {
		return fmt.Errorf("pgstat: %s: %w", c.main.where(), c.main.explain(err))
	}
	return nil
}

// Doubts says what this role and server will not show, each with what to do about it.
func (c *Collector) Doubts() []string {
	var d []string
	if !c.facts.readAll {
		d = append(d, fmt.Sprintf("the role %q may not see other roles' sessions and statements: let an administrator run GRANT pg_read_all_stats TO %s",
			c.facts.role, pgx.Identifier{c.facts.role}.Sanitize()))
	}
	if c.statementsErr != nil {
		d = append(d, "pg_stat_statements cannot be read: "+c.main.explain(c.statementsErr).Error())
	}
	if c.lagErr != "" {
		d = append(d, "the replica's lag will not be measured: "+c.lagErr)
	}
	if c.facts.settings["track_activities"] == "off" {
		d = append(d, "track_activities is off: running statements cannot be seen; set it to on")
	}
	return d
}

// connect makes the main connection where there is none, and learns what server it is.
func (c *Collector) connect(ctx context.Context) error {
	fresh, err := c.main.connect(ctx)
	if err != nil || !fresh {
		return err
	}
	if err := c.preflight(ctx); err != nil {
		c.main.disconnect()
		return err
	}
	return nil
}

// Sample returns an [observation.Postgres]. The sessions, locks and the database's counters
// are in each, with what polling has shown since the one before; the statements and the
// background are in the first, at each edge, in the final one and every two seconds. A
// connection that was lost since the last sample is replaced at once.
func (c *Collector) Sample(ctx context.Context, at collectors.Tick) (any, error) {
	began := time.Now()
	c.startPolling()
	fresh := c.main.conn == nil
	s, err := c.sample(ctx, at)
	if err != nil && !fresh && c.main.conn == nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		s, err = c.sample(ctx, at)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.main.where(), c.main.explain(err))
	}
	c.polled(began, at.Final, s)
	s.Own.Queries, s.Own.Wall = c.cost.queries.Load(), observation.Seconds(c.cost.nanos.Load())
	return s, nil
}

func (c *Collector) sample(ctx context.Context, at collectors.Tick) (*observation.Postgres, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	s := &observation.Postgres{
		ServerVersion: c.facts.version,
		Name:          c.facts.database,
		Extension:     c.facts.extension,
		MaxConns:      c.facts.maxConns,
		Reserved:      c.facts.reserved,
	}
	if err := c.read(ctx, at, s); err != nil {
		if c.main.conn.IsClosed() {
			c.main.disconnect()
		}
		return nil, err
	}
	if c.news {
		s.Settings, c.news = c.facts.settings, false
	}
	return s, nil
}

// read fills s. The sessions come first: a statement that is in none of the rows because
// it still runs is then among them.
func (c *Collector) read(ctx context.Context, at collectors.Tick, s *observation.Postgres) error {
	s.Own.Published = c.facts.flush || c.facts.version < 150000
	if err := c.sessions(ctx, s); err != nil {
		return err
	}
	c.locks(ctx, s)
	var changed *reading
	if at.Seq == 0 || at.Edge != "" || at.Final || time.Since(c.readAt) >= statementsEvery {
		var err error
		if changed, err = c.statements(ctx, s); err != nil {
			if c.main.conn.IsClosed() {
				return err
			}
			s.StatementsError = c.main.explain(err).Error()
		}
	}
	if at.Seq == 0 || at.Edge != "" || at.Final || time.Since(c.backgroundAt) >= statementsEvery {
		c.background(ctx, s)
		c.backgroundAt = time.Now()
	}
	if s.Own.Counted = c.cost.queries.Load(); c.facts.flush {
		s.Own.Counted = c.cost.published.Load()
	}
	if err := c.database(ctx, s); err != nil {
		return err
	}
	if changed != nil {
		c.commit(changed, s)
	}
	if at.Seq == 0 || at.Final {
		c.tables(ctx, s)
	}
	// Once at the end, and before it at each edge in case there is no end.
	if (at.Final || at.Edge != "") && c.statementsErr == nil {
		texts, err := c.texts(ctx)
		if err != nil {
			s.TextsError = c.main.explain(err).Error()
		}
		s.Texts = texts
	}
	if c.facts.flush {
		_ = c.main.flush(ctx) // what it fails to publish is not counted as ours
	}
	return nil
}

// preflight reads what server this is, and whether its statements can be read.
func (c *Collector) preflight(ctx context.Context) error {
	var f facts
	var extension, schema, track, most, utility, compute *string
	var ioTiming, activities, timeout string
	err := c.main.query(ctx, queryWithin, preflightSQL, func(r pgx.Rows) error {
		return r.Scan(&f.version, &f.postmaster, &extension, &schema, &f.database, &f.role, &f.dbid, &f.user, &f.readAll,
			&f.maxConns, &f.reserved, &track, &most, &utility, &compute, &ioTiming, &activities, &timeout, &f.flush)
	})
	if err != nil {
		return err
	}
	f.settings = map[string]string{
		"role": f.role, "pg_read_all_stats": strconv.FormatBool(f.readAll),
		"track_io_timing": ioTiming, "track_activities": activities, "statement_timeout": timeout,
	}
	for name, v := range map[string]*string{"pg_stat_statements.track": track, "pg_stat_statements.max": most,
		"pg_stat_statements.track_utility": utility, "compute_query_id": compute} {
		if v != nil {
			f.settings[name] = *v
		}
	}
	if extension != nil && schema != nil {
		f.extension, f.schema = *extension, *schema
	}
	if c.views, err = c.readCatalog(ctx); err != nil {
		return err
	}
	c.facts, c.news, c.refused = f, true, map[string]error{}
	if c.pollSQL == "" {
		c.pollSQL = c.views.activitySQL(c.chase != nil)
	}
	return c.learn(ctx)
}

// startPolling begins to look at the running statements, and at the replica, until Close.
func (c *Collector) startPolling() {
	if c.stop != nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop, c.watch.lastAt = stop, time.Now()
	l, flush := c.main.again(), c.facts.flush
	c.polling.Go(func() { c.poll(ctx, l, flush) })
	if c.chase != nil {
		c.polling.Go(func() { c.chase.run(ctx) })
	}
}

// poll looks at fixed instants on a connection of its own. One that passes while a look
// takes long is left out: the gap says so.
func (c *Collector) poll(ctx context.Context, l *link, flush bool) {
	defer l.disconnect()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		began := time.Now()
		_, err := l.connect(ctx)
		refused := err != nil
		var k look
		if err == nil {
			k, err = l.look(ctx, c.pollSQL)
		}
		if err == nil && flush && n%int(collectors.Every/pollEvery) == 0 {
			_ = l.flush(ctx) // the look is what counts
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			err = l.explain(err)
		}
		c.watching.Lock()
		if err != nil {
			c.watch.failed(err)
		} else {
			c.watch.see(k)
			c.latest = k
		}
		c.watching.Unlock()
		if c.chase != nil {
			if err != nil {
				c.chase.lost(began, err)
			} else {
				c.chase.begin(k.at, k.position)
			}
		}
		if refused { // the server may have no connection left: a guest does not knock ten times a second
			sleep(ctx, pollAgain)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// polled puts into a sample that began at an instant what was polled since the one before.
func (c *Collector) polled(began time.Time, final bool, s *observation.Postgres) {
	c.watching.Lock()
	s.Activity = c.watch.take(began, final, c.latest)
	c.watching.Unlock()
	switch {
	case c.chase != nil:
		s.Lag = c.chase.take(began, final)
	case c.lagErr != "":
		s.Lag = &observation.ReplicaLag{Error: c.lagErr}
	}
}
