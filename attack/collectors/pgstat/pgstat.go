// Package pgstat samples PostgreSQL from inside: pg_stat_statements, the database's
// counters and the sessions, raw and cumulative.
//
// It is a guest: one connection of its own, read-only, named arqload, a time limit from
// this side on every query, no setting changed, no statistics reset. Connect it directly:
// it also works through PgBouncer, but what the pooler's other clients do to its server
// connections is then out of its hands.
package pgstat

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
)

const (
	connectWithin = 3 * time.Second
	queryWithin   = 2 * time.Second
	textsWithin   = 4 * time.Second // the one query that loads all texts

	// statementsEvery is how often the statements are read between edges; a little less
	// than two ticks, which come a few microseconds early or late.
	statementsEvery = 2*collectors.Every - 100*time.Millisecond
)

// Collector reads one database of one server.
type Collector struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn // nil: to be connected at the next sample
	facts  facts
	news   bool // facts are not yet in a sample
	layout layout
	// statementsErr says why the statements cannot be read on this connection; it is final
	// until the next one.
	statementsErr error

	own    map[ownKey]bool // rows of our own statements
	server time.Time       // start of the server that own was learned from

	reading int64     // how many times the statements were read
	readAt  time.Time // when that was
	rows    map[observation.StatementKey]observation.Statement
	changed map[int64]bool // queryids that were called since the first reading
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
	dbid       uint32
	user       uint32
	maxConns   int
	settings   map[string]string
}

// Open connects to the database that dsn names, a URL or key=value list. Where only
// pg_stat_statements is missing the collector works for the rest, and each sample that
// should have read it says why it could not. The error says what to do and holds no
// password.
func Open(ctx context.Context, dsn string) (*Collector, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The parser's words may quote the address with its password.
		return nil, errors.New("pgstat: the address is not a PostgreSQL URL; write postgres://user:password@host:5432/database, with special characters of the password percent-encoded")
	}
	// Named prepared statements would not survive a pooler in transaction mode.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	config.RuntimeParams["application_name"] = "arqload"
	config.RuntimeParams["default_transaction_read_only"] = "on"
	if config.ConnectTimeout == 0 || config.ConnectTimeout > connectWithin {
		config.ConnectTimeout = connectWithin
	}
	c := &Collector{
		config:  config,
		own:     map[ownKey]bool{},
		rows:    map[observation.StatementKey]observation.Statement{},
		changed: map[int64]bool{},
	}
	if err := c.connect(ctx); err != nil {
		return nil, fmt.Errorf("pgstat: %s: %w", c.where(), c.explain(err))
	}
	return c, nil
}

// Name is "pgstat".
func (c *Collector) Name() string { return "pgstat" }

// Close closes the connection.
func (c *Collector) Close(ctx context.Context) error {
	if c.conn == nil {
		return nil
	}
	conn := c.conn
	c.conn = nil
	if err := conn.Close(ctx); err != nil {
		return fmt.Errorf("pgstat: %s: %w", c.where(), c.explain(err))
	}
	return nil
}

func (c *Collector) connect(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, c.config)
	if code(err) == protocolViolation && c.config.RuntimeParams["default_transaction_read_only"] != "" {
		// PgBouncer refuses startup parameters that it does not know. We write nothing anyway.
		delete(c.config.RuntimeParams, "default_transaction_read_only")
		conn, err = pgx.ConnectConfig(ctx, c.config)
	}
	if err != nil {
		return err
	}
	c.conn = conn
	if err := c.preflight(ctx); err != nil {
		c.disconnect()
		return err
	}
	return nil
}

// disconnect gives up a connection that failed; there is nothing to say to the server.
func (c *Collector) disconnect() {
	if c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.conn.Close(ctx)
	c.conn = nil
}

// Sample returns an [observation.Postgres]. The sessions and the database's counters are in
// each; the statements are in the first, at each edge, in the final one and every two
// seconds. A connection that was lost since the last sample is replaced at once.
func (c *Collector) Sample(ctx context.Context, at collectors.Tick) (any, error) {
	fresh := c.conn == nil
	s, err := c.sample(ctx, at)
	if err != nil && !fresh && c.conn == nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		s, err = c.sample(ctx, at)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.where(), c.explain(err))
	}
	return s, nil
}

func (c *Collector) sample(ctx context.Context, at collectors.Tick) (*observation.Postgres, error) {
	if c.conn != nil && c.conn.IsClosed() {
		c.disconnect()
	}
	if c.conn == nil {
		if err := c.connect(ctx); err != nil {
			return nil, err
		}
	}
	s := &observation.Postgres{
		ServerVersion: c.facts.version,
		Name:          c.facts.database,
		Extension:     c.facts.extension,
		MaxConns:      c.facts.maxConns,
	}
	if err := c.read(ctx, at, s); err != nil {
		if c.conn.IsClosed() {
			c.disconnect()
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
	if err := c.sessions(ctx, s); err != nil {
		return err
	}
	var changed *reading
	if at.Seq == 0 || at.Edge != "" || at.Final || time.Since(c.readAt) >= statementsEvery {
		var err error
		if changed, err = c.statements(ctx, s); err != nil {
			if c.conn.IsClosed() {
				return err
			}
			s.StatementsError = c.explain(err).Error()
		}
	}
	if err := c.database(ctx, s); err != nil {
		return err
	}
	if changed != nil {
		c.commit(changed, s)
	}
	if at.Final && c.statementsErr == nil {
		texts, err := c.texts(ctx)
		if err != nil {
			s.TextsError = c.explain(err).Error()
		}
		s.Texts = texts
	}
	return nil
}

// query runs one statement with its own time limit.
func (c *Collector) query(ctx context.Context, within time.Duration, sql string, scan func(pgx.Rows) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	rows, err := c.conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (c *Collector) preflight(ctx context.Context) error {
	var f facts
	var role string
	var readAll, recovery bool
	var extension, schema, track, most, utility, compute *string
	var ioTiming, activities, timeout string
	err := c.query(ctx, queryWithin, preflightSQL, func(r pgx.Rows) error {
		return r.Scan(&f.version, &f.postmaster, &extension, &schema, &f.database, &role, &f.dbid, &f.user, &readAll, &recovery,
			&f.maxConns, &track, &most, &utility, &compute, &ioTiming, &activities, &timeout)
	})
	if err != nil {
		return err
	}
	f.settings = map[string]string{
		"role": role, "pg_read_all_stats": strconv.FormatBool(readAll), "in_recovery": strconv.FormatBool(recovery),
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
	c.facts, c.news = f, true
	return c.learn(ctx)
}

func (c *Collector) sessions(ctx context.Context, s *observation.Postgres) error {
	return c.query(ctx, queryWithin, sessionsSQL, func(r pgx.Rows) error {
		var n observation.SessionCount
		var age float64
		if err := r.Scan(&n.State, &n.Wait, &n.Count, &age); err != nil {
			return err
		}
		n.OldestQuery = seconds(age)
		s.Sessions = append(s.Sessions, n)
		return nil
	})
}

func (c *Collector) database(ctx context.Context, s *observation.Postgres) error {
	return c.query(ctx, queryWithin, databaseSQL, func(r pgx.Rows) error {
		var reset *time.Time
		d := &s.Database
		err := r.Scan(&s.Clock, &s.Postmaster, &d.Commits, &d.Rollbacks, &d.BlocksHit, &d.BlocksRead,
			&d.TempFiles, &d.TempBytes, &d.Deadlocks, &d.Conflicts, &reset)
		if reset != nil {
			d.StatsReset = *reset
		}
		return err
	})
}
