package pgstat

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"arqload/analysis/observation"
)

const (
	chaseEvery  = 5 * time.Millisecond // the least time between two questions to the replica
	probesKept  = 6000                 // open, or ended and not taken: ten minutes
	replaySQL   = mark + `select pg_is_in_recovery() as standby, pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::int8 as position) select standby, position from arqload`
	identitySQL = mark + `select system_identifier from pg_control_system()) select system_identifier from arqload`
)

// chase measures how far a replica is behind. Each look at the primary notes the position
// to which its WAL is flushed, at a local instant before the question; the replica is then
// asked until it has replayed that position. What lies between is an upper bound on the
// lag, by one clock, and needs no write. Probes are begun at fixed instants whether or not
// earlier ones have ended, so that a stall does not hide those it would have held up.
type chase struct {
	replica *link
	wake    chan struct{} // a probe was added

	mu      sync.Mutex
	open    []pendingProbe // by position, which only grows
	done    []endedProbe
	dropped int64
	reason  string // why probes were lost
}

type pendingProbe struct {
	began    time.Time
	position int64
}

type endedProbe struct {
	began time.Time
	observation.LagProbe
}

// begin opens a probe. A position of nil is that of a server that is no primary.
func (c *chase) begin(at time.Time, position *int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case position == nil:
		c.lose(at, "the server at system.postgres is itself in recovery")
	case len(c.open) == probesKept:
		c.lose(at, fmt.Sprintf("%d probes are open already", probesKept))
	default:
		c.open = append(c.open, pendingProbe{at, *position})
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// lost notes a probe that could not be begun.
func (c *chase) lost(at time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lose(at, err.Error())
}

func (c *chase) lose(at time.Time, reason string) {
	c.end(endedProbe{at, observation.LagProbe{Lost: true}})
	c.reason = reason
}

// end keeps a probe for the next sample, as far as there is room: samples may fail for long.
func (c *chase) end(p endedProbe) {
	if len(c.done) == probesKept {
		c.dropped++
		return
	}
	c.done = append(c.done, p)
}

// run asks the replica until ctx ends.
func (c *chase) run(ctx context.Context) {
	defer c.replica.disconnect()
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		for c.waiting() > 0 && ctx.Err() == nil {
			if err := c.ask(ctx); err != nil && ctx.Err() == nil {
				c.loseOpen(c.replica.where() + ": " + c.replica.explain(err).Error())
				sleep(ctx, pollAgain)
			}
			if oldest := c.oldest(); oldest > 0 {
				// A replica that stands still is not asked 200 times a second: what it is behind is
				// known to a twentieth.
				sleep(ctx, max(chaseEvery, oldest/20))
			}
		}
	}
}

// ask looks once how far the replica is, and ends the probes that it has passed.
func (c *chase) ask(ctx context.Context) error {
	if _, err := c.replica.connect(ctx); err != nil {
		return err
	}
	var standby bool
	var position *int64
	if err := c.replica.query(ctx, queryWithin, replaySQL, func(r pgx.Rows) error { return r.Scan(&standby, &position) }); err != nil {
		return err
	}
	now := time.Now()
	if !standby || position == nil {
		return fmt.Errorf("this server is not in recovery: it is no replica, or was promoted")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for n < len(c.open) && c.open[n].position <= *position {
		p := c.open[n]
		c.end(endedProbe{p.began, observation.LagProbe{Lag: observation.Seconds(now.Sub(p.began))}})
		n++
	}
	c.open = c.open[n:]
	return nil
}

func (c *chase) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// oldest is the age of the oldest open probe; 0: none is open.
func (c *chase) oldest() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) == 0 {
		return 0
	}
	return time.Since(c.open[0].began)
}

// loseOpen gives up the open probes: while the replica did not answer, it may have caught up.
func (c *chase) loseOpen(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.open {
		c.lose(p.began, reason)
	}
	c.open = nil
}

// take empties the ended probes into a sample that is taken now. With the final one come
// those that are still open.
func (c *chase) take(now time.Time, final bool) *observation.ReplicaLag {
	c.mu.Lock()
	defer c.mu.Unlock()
	if final {
		for _, p := range c.open {
			c.end(endedProbe{p.began, observation.LagProbe{Lag: observation.Seconds(now.Sub(p.began)), Open: true}})
		}
		c.open = nil
	}
	l := &observation.ReplicaLag{Error: c.reason, Dropped: c.dropped,
		Queries: c.replica.cost.queries.Load(), Wall: observation.Seconds(c.replica.cost.nanos.Load())}
	for _, p := range c.done {
		p.Ago = observation.Seconds(now.Sub(p.began))
		l.Probes = append(l.Probes, p.LagProbe)
	}
	c.done, c.dropped, c.reason = nil, 0, ""
	return l
}

// check refuses a replica that is none, or one of another primary. A role that may not read
// the identity is believed.
func (c *chase) check(ctx context.Context, main *link) error {
	if _, err := c.replica.connect(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.replica.where(), c.replica.explain(err))
	}
	var standby bool
	var position *int64
	if err := c.replica.query(ctx, queryWithin, replaySQL, func(r pgx.Rows) error { return r.Scan(&standby, &position) }); err != nil {
		return fmt.Errorf("%s: %w", c.replica.where(), c.replica.explain(err))
	}
	if !standby {
		return fmt.Errorf("%s is not in recovery: it is no replica", c.replica.where())
	}
	identity := func(l *link) (id int64) {
		_ = l.query(ctx, queryWithin, identitySQL, func(r pgx.Rows) error { return r.Scan(&id) })
		return id
	}
	if a, b := identity(main), identity(c.replica); a != 0 && b != 0 && a != b {
		return fmt.Errorf("%s is no replica of %s: their system identifiers differ", c.replica.where(), main.where())
	}
	return nil
}

// sleep waits, or less where ctx ends before.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
