package pgstat

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"arqload/analysis/observation"
)

// sessions counts the client sessions by state and what they wait for.
func (c *Collector) sessions(ctx context.Context, s *observation.Postgres) error {
	s.Sessions, s.Clients = nil, 0
	return c.main.query(ctx, queryWithin, sessionsSQL, func(r pgx.Rows) error {
		var n observation.SessionCount
		var own bool
		var age, xact float64
		if err := r.Scan(&n.State, &n.Wait, &n.Event, &own, &n.Count, &age, &xact); err != nil {
			return err
		}
		s.Clients += n.Count
		if own {
			return nil
		}
		n.OldestQuery, n.OldestXact = seconds(age), seconds(xact)
		s.Sessions = append(s.Sessions, n)
		return nil
	})
}

// database reads the counters of the connected database, and which server this is.
func (c *Collector) database(ctx context.Context, s *observation.Postgres) error {
	return c.main.query(ctx, queryWithin, databaseSQL, func(r pgx.Rows) error {
		var reset *time.Time
		var read, write float64
		d := &s.Database
		err := r.Scan(&s.Clock, &s.Postmaster, &s.InRecovery, &s.Address, &d.Commits, &d.Rollbacks, &d.BlocksHit, &d.BlocksRead,
			&d.TempFiles, &d.TempBytes, &d.Deadlocks, &d.Conflicts, &read, &write, &reset)
		d.ReadTime, d.WriteTime = seconds(read/1000), seconds(write/1000)
		d.StatsReset = since(reset)
		return err
	})
}

// locks, background and tables are read where they can be: what cannot is said in the
// sample, which is worth having without them.

func (c *Collector) locks(ctx context.Context, s *observation.Postgres) {
	c.try(ctx, s, "locks", c.views.locksSQL(), func(r pgx.Rows) error {
		var l observation.LockWait
		var longest float64
		err := r.Scan(&l.Type, &l.Mode, &l.Count, &longest)
		l.Longest = seconds(longest)
		s.Locks = append(s.Locks, l)
		return err
	})
}

func (c *Collector) background(ctx context.Context, s *observation.Postgres) {
	var b observation.Background
	c.try(ctx, s, "background", c.views.checkpointsSQL(), func(r pgx.Rows) error {
		b.Checkpoints = &observation.Checkpoints{}
		var write, sync float64
		var reset *time.Time
		k := b.Checkpoints
		err := r.Scan(&k.Timed, &k.Requested, &write, &sync, &k.Buffers, &reset)
		k.WriteTime, k.SyncTime, k.StatsReset = seconds(write/1000), seconds(sync/1000), since(reset)
		return err
	})
	c.try(ctx, s, "background", c.views.walSQL(), func(r pgx.Rows) error {
		b.WAL = &observation.WAL{}
		var reset *time.Time
		err := r.Scan(&b.WAL.Records, &b.WAL.FullPages, &b.WAL.Bytes, &b.WAL.BuffersFull, &reset)
		b.WAL.StatsReset = since(reset)
		return err
	})
	c.try(ctx, s, "background", c.views.ioSQL(), func(r pgx.Rows) error {
		b.IO = &observation.IO{}
		var read, write, fsync float64
		var reset *time.Time
		i := b.IO
		err := r.Scan(&i.Reads, &i.Writes, &i.Extends, &i.Fsyncs, &i.Evictions, &read, &write, &fsync, &reset)
		i.ReadTime, i.WriteTime, i.FsyncTime, i.StatsReset = seconds(read/1000), seconds(write/1000), seconds(fsync/1000), since(reset)
		return err
	})
	s.Background = &b
	c.try(ctx, s, "replicas", replicasSQL, func(r pgx.Rows) error {
		var n observation.Replica
		var behind *int64
		err := r.Scan(&n.Name, &n.State, &n.Sync, &behind)
		if behind != nil {
			n.LagBytes, n.BytesKnow = *behind, true
		}
		s.Replicas = append(s.Replicas, n)
		return err
	})
}

func (c *Collector) tables(ctx context.Context, s *observation.Postgres) {
	c.try(ctx, s, "tables", tablesSQL, func(r pgx.Rows) error {
		var t observation.Table
		err := r.Scan(&t.Name, &t.Bytes, &t.LiveRows, &t.DeadRows, &t.Inserted, &t.Updated, &t.Deleted, &t.SeqScans, &t.IndexScans, &t.Autovacuums)
		s.Tables = append(s.Tables, t)
		return err
	})
}

// try runs a query that the sample can do without; an empty one is of a view that this
// server lacks.
func (c *Collector) try(ctx context.Context, s *observation.Postgres, what, sql string, scan func(pgx.Rows) error) {
	if sql == "" || c.main.conn == nil || c.main.conn.IsClosed() {
		return
	}
	err := c.refused[sql]
	if err == nil {
		err = c.main.query(ctx, queryWithin, sql, scan)
	}
	if err == nil {
		return
	}
	switch code(err) {
	case insufficientRights, undefinedTable, undefinedFunction: // asked again, it would be one more rollback of ours
		c.refused[sql] = err
	}
	if s.Errors == nil {
		s.Errors = map[string]string{}
	}
	s.Errors[what] = c.main.explain(err).Error()
}

// since is when a counter began; the zero time where the server does not say.
func since(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
