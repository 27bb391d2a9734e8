package pgstat

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	connectWithin = 3 * time.Second
	queryWithin   = 2 * time.Second
	textsWithin   = 4 * time.Second // the one query that loads all texts
)

// link is one connection of ours, for one goroutine; it is made again when it was lost.
type link struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn // nil: to be connected
	cost   *cost     // of all links to one server
	held   int64     // queries of this link that the server may keep to itself
}

// cost counts what we ask of a server. Published are those queries whose transactions the
// server has counted.
type cost struct {
	queries, published, nanos atomic.Int64
}

// newLink reads a connection string.
func newLink(dsn string, c *cost) (*link, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The parser's words may quote the address with its password.
		return nil, errors.New("the address is not a PostgreSQL URL; write postgres://user:password@host:5432/database, with special characters of the password percent-encoded")
	}
	// Named prepared statements would not survive a pooler in transaction mode.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	config.RuntimeParams["application_name"] = applicationName
	config.RuntimeParams["default_transaction_read_only"] = "on"
	if config.ConnectTimeout == 0 || config.ConnectTimeout > connectWithin {
		config.ConnectTimeout = connectWithin
	}
	return &link{config: config, cost: c}, nil
}

// again is a second link to the same server.
func (l *link) again() *link { return &link{config: l.config.Copy(), cost: l.cost} }

// connect makes the connection where there is none that lives; fresh says that it did.
func (l *link) connect(ctx context.Context) (fresh bool, err error) {
	if l.conn != nil && !l.conn.IsClosed() {
		return false, nil
	}
	l.disconnect()
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if code(err) == protocolViolation && l.config.RuntimeParams["default_transaction_read_only"] != "" {
		// PgBouncer refuses startup parameters that it does not know. We write nothing anyway.
		delete(l.config.RuntimeParams, "default_transaction_read_only")
		conn, err = pgx.ConnectConfig(ctx, l.config)
	}
	if err != nil {
		return false, err
	}
	l.conn = conn
	return true, nil
}

// disconnect gives up a connection that failed; there is nothing to say to the server.
func (l *link) disconnect() {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx)
	l.conn = nil
}

// query runs one statement with its own time limit and hands each row to scan.
func (l *link) query(ctx context.Context, within time.Duration, sql string, scan func(pgx.Rows) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	began := time.Now()
	l.held++
	defer func() {
		l.cost.queries.Add(1)
		l.cost.nanos.Add(int64(time.Since(began)))
	}()
	rows, err := l.conn.Query(ctx, sql)
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

// flush has the server publish what this link did, where it can be asked to. A session that
// ends publishes too.
func (l *link) flush(ctx context.Context) error {
	err := l.query(ctx, queryWithin, flushSQL, func(pgx.Rows) error { return nil })
	if err == nil || l.conn.IsClosed() {
		l.cost.published.Add(l.held)
		l.held = 0
	}
	return err
}

// close says goodbye.
func (l *link) close(ctx context.Context) error {
	if l.conn == nil {
		return nil
	}
	conn := l.conn
	l.conn = nil
	return conn.Close(ctx)
}

// where is host:port/database.
func (l *link) where() string {
	return net.JoinHostPort(l.config.Host, strconv.Itoa(int(l.config.Port))) + "/" + l.config.Database
}
