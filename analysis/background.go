package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// BackgroundUse is what the server did beside the statements over the judged time, for all
// of its databases. A nil part is not told by this version, or not known.
type BackgroundUse struct {
	Checkpoints *observation.Checkpoints // differences
	WAL         *observation.WAL         // likewise
	IO          *observation.IO          // likewise
	Partial     string                   // why they cover a part alone
}

// ReplicaUse is a replica as the primary saw it.
type ReplicaUse struct {
	Name, State, Sync string // at the last sample
	LagBytesMax       int64
	Known             bool // the role may see it
}

// TableUse is one of the largest tables, before the run and after it.
type TableUse struct {
	Name                       string
	Before, After              int64 // bytes with indexes and TOAST
	New                        bool  // it was not there, or not among the largest, before
	DeadBefore                 int64
	Known                      bool  // the rest: it was not reset in between
	LiveRows, DeadRows         int64 // after, as the server estimates them
	Inserted, Updated, Deleted int64 // differences
	SeqScans, IndexScans       int64 // likewise
	Autovacuums                int64 // likewise
}

// behind sums the differences of what the server does in the background between the
// readings at the ends of the judged time, and takes the tables and replicas.
func (d *Database) behind(all []taken[observation.Postgres], stretches []stretch) {
	some, at := good(all, func(p *observation.Postgres) bool { return p.Background != nil })
	if len(some) == 0 {
		d.Measures["db.checkpoints_requested"] = noMeasure("checkpoints were not read")
		return
	}
	wal := Series{Name: "db.wal_bytes", Source: "postgres", Unit: scenarios.UnitBytes}
	written := Series{Name: "db.checkpoint_buffers", Source: "postgres", Unit: scenarios.UnitCount}
	for i := 1; i < len(some); i++ {
		u, void := backgroundDelta(&some[i-1].data, &some[i].data)
		if void != "" {
			continue
		}
		p := Point{At: at[i-1], Length: at[i] - at[i-1]}
		if u.WAL != nil {
			p.Value = float64(u.WAL.Bytes)
			wal.Points = append(wal.Points, p)
		}
		if u.Checkpoints != nil {
			p.Value = float64(u.Checkpoints.Buffers)
			written.Points = append(written.Points, p)
		}
	}
	d.Series = append(d.Series, wal, written)
	lost := func(reason string) {
		d.gap("checkpoints, WAL and I/O: %s", reason)
		if d.Background.Partial == "" {
			d.Background.Partial = reason
		}
	}
	var besides int64
	for _, s := range stretches {
		from, to, _, partial, ok := s.bounds(at)
		if partial != "" {
			lost(partial)
		}
		if !ok {
			continue
		}
		for i := from + 1; i <= to; i++ {
			u, void := backgroundDelta(&some[i-1].data, &some[i].data)
			if void != "" {
				lost(fmt.Sprintf("%s, noticed at %s", void, duration(at[i])))
				continue
			}
			d.Background.add(u)
			if u.Checkpoints != nil && !s.surely(some[i-1].at, at[i]) {
				besides += u.Checkpoints.Requested
			}
		}
	}
	m := noMeasure("the server does not tell its checkpoints, or they could not be read")
	if c := d.Background.Checkpoints; c != nil {
		m = Measure{Value: float64(c.Requested - besides), Partial: d.Background.Partial, N: len(at)}
		m.upTo(float64(besides))
	}
	d.Measures["db.checkpoints_requested"] = m
	d.replicas(some, stretches)
	d.tables(all)
}

// backgroundDelta subtracts two readings, or says why that cannot be done.
func backgroundDelta(a, b *observation.Postgres) (u BackgroundUse, void string) {
	if void = sameServer(a, b); void != "" {
		return u, void
	}
	x, y := a.Background, b.Background
	if why := cmp.Or(a.Errors["background"], b.Errors["background"]); why != "" {
		return u, "they could not be read: " + why
	}
	if x.Checkpoints != nil && y.Checkpoints != nil {
		p, q := *x.Checkpoints, *y.Checkpoints
		u.Checkpoints = &observation.Checkpoints{Timed: q.Timed - p.Timed, Requested: q.Requested - p.Requested,
			WriteTime: q.WriteTime - p.WriteTime, SyncTime: q.SyncTime - p.SyncTime, Buffers: q.Buffers - p.Buffers}
		if !p.StatsReset.Equal(q.StatsReset) || min(u.Checkpoints.Timed, u.Checkpoints.Requested, u.Checkpoints.Buffers) < 0 {
			return BackgroundUse{}, "the checkpoints' counters were reset"
		}
	}
	if x.WAL != nil && y.WAL != nil {
		p, q := *x.WAL, *y.WAL
		u.WAL = &observation.WAL{Records: q.Records - p.Records, FullPages: q.FullPages - p.FullPages, Bytes: q.Bytes - p.Bytes, BuffersFull: q.BuffersFull - p.BuffersFull}
		if !p.StatsReset.Equal(q.StatsReset) || min(u.WAL.Records, u.WAL.Bytes) < 0 {
			return BackgroundUse{}, "the WAL's counters were reset"
		}
	}
	if x.IO != nil && y.IO != nil {
		p, q := *x.IO, *y.IO
		u.IO = &observation.IO{Reads: q.Reads - p.Reads, Writes: q.Writes - p.Writes, Extends: q.Extends - p.Extends, Fsyncs: q.Fsyncs - p.Fsyncs,
			Evictions: q.Evictions - p.Evictions, ReadTime: q.ReadTime - p.ReadTime, WriteTime: q.WriteTime - p.WriteTime, FsyncTime: q.FsyncTime - p.FsyncTime}
		if !p.StatsReset.Equal(q.StatsReset) || min(u.IO.Reads, u.IO.Writes, u.IO.Fsyncs) < 0 {
			return BackgroundUse{}, "the I/O counters were reset"
		}
	}
	return u, ""
}

func (u *BackgroundUse) add(o BackgroundUse) {
	if o.Checkpoints != nil {
		if u.Checkpoints == nil {
			u.Checkpoints = &observation.Checkpoints{}
		}
		c := u.Checkpoints
		c.Timed, c.Requested, c.Buffers = c.Timed+o.Checkpoints.Timed, c.Requested+o.Checkpoints.Requested, c.Buffers+o.Checkpoints.Buffers
		c.WriteTime, c.SyncTime = c.WriteTime+o.Checkpoints.WriteTime, c.SyncTime+o.Checkpoints.SyncTime
	}
	if o.WAL != nil {
		if u.WAL == nil {
			u.WAL = &observation.WAL{}
		}
		w := u.WAL
		w.Records, w.FullPages, w.Bytes, w.BuffersFull = w.Records+o.WAL.Records, w.FullPages+o.WAL.FullPages, w.Bytes+o.WAL.Bytes, w.BuffersFull+o.WAL.BuffersFull
	}
	if o.IO != nil {
		if u.IO == nil {
			u.IO = &observation.IO{}
		}
		i := u.IO
		i.Reads, i.Writes, i.Extends, i.Fsyncs, i.Evictions = i.Reads+o.IO.Reads, i.Writes+o.IO.Writes, i.Extends+o.IO.Extends, i.Fsyncs+o.IO.Fsyncs, i.Evictions+o.IO.Evictions
		i.ReadTime, i.WriteTime, i.FsyncTime = i.ReadTime+o.IO.ReadTime, i.WriteTime+o.IO.WriteTime, i.FsyncTime+o.IO.FsyncTime
	}
}

// replicas takes what the primary knew of its replicas in the judged time. One that is not
// there any more is a gap.
func (d *Database) replicas(some []taken[observation.Postgres], stretches []stretch) {
	byName := map[string]*ReplicaUse{}
	lag := map[string]*Series{}
	var last time.Duration
	seen := map[string]time.Duration{}
	for _, t := range some {
		judged := holds(stretches, t.at)
		for _, r := range t.data.Replicas {
			if lag[r.Name] == nil {
				lag[r.Name] = &Series{Name: "db.replica_lag_bytes", Of: r.Name, Source: "postgres", Unit: scenarios.UnitBytes}
			}
			if r.BytesKnow {
				lag[r.Name].Points = append(lag[r.Name].Points, Point{At: t.at, Value: float64(r.LagBytes)})
			}
			if !judged {
				continue
			}
			u := byName[r.Name]
			if u == nil {
				u = &ReplicaUse{Name: r.Name}
				byName[r.Name] = u
			}
			u.State, u.Sync = r.State, r.Sync
			u.LagBytesMax, u.Known = max(u.LagBytesMax, r.LagBytes), u.Known || r.BytesKnow
			seen[r.Name] = t.at
		}
		if judged {
			last = t.at
		}
	}
	for name, u := range byName {
		d.Replicas = append(d.Replicas, *u)
		if seen[name] < last {
			d.gap("the replica %q was last connected at %s", name, duration(seen[name]))
		}
		d.Series = append(d.Series, *lag[name])
	}
	slices.SortFunc(d.Replicas, func(a, b ReplicaUse) int { return cmp.Compare(a.Name, b.Name) })
}

// tables compares the tables of the first sample that has some with those of the last. It
// is the one part that covers the whole run: their sizes are not read in between.
func (d *Database) tables(all []taken[observation.Postgres]) {
	some, at := good(all, func(p *observation.Postgres) bool { return len(p.Tables) > 0 })
	if len(some) == 0 {
		return
	}
	first, last := &some[0].data, &some[len(some)-1].data
	before := map[string]observation.Table{}
	if len(some) > 1 {
		for _, t := range first.Tables {
			before[t.Name] = t
		}
	}
	void := sameServer(first, last)
	if void == "" && !first.Database.StatsReset.Equal(last.Database.StatsReset) && !first.Database.StatsReset.IsZero() {
		void = "the database's counters were reset"
	}
	if void != "" {
		d.gap("tables: %s between %s and %s: their rows, and what was inserted, updated and deleted, are not known", void, duration(at[0]), duration(at[len(at)-1]))
	}
	for _, t := range last.Tables {
		b, ok := before[t.Name]
		u := TableUse{Name: t.Name, After: t.Bytes, New: !ok, Before: b.Bytes, DeadBefore: b.DeadRows,
			LiveRows: t.LiveRows, DeadRows: t.DeadRows,
			Inserted: t.Inserted - b.Inserted, Updated: t.Updated - b.Updated, Deleted: t.Deleted - b.Deleted,
			SeqScans: t.SeqScans - b.SeqScans, IndexScans: t.IndexScans - b.IndexScans, Autovacuums: t.Autovacuums - b.Autovacuums}
		// One that was not there before may be new, or may not have been among the largest.
		u.Known = void == "" && ok && min(u.Inserted, u.Updated, u.Deleted, u.SeqScans, u.IndexScans, u.Autovacuums) >= 0
		d.Tables = append(d.Tables, u)
	}
}

// RowsAdded sums what was inserted into the tables whose counters span the whole run, by
// whomever; the server counts rows of rolled-back transactions too. known is false where
// there is no such table, and unknown are those that it leaves out.
func (d *Database) RowsAdded() (rows int64, unknown int, known bool) {
	for _, t := range d.Tables {
		if !t.Known {
			unknown++
			continue
		}
		rows, known = rows+t.Inserted, true
	}
	return rows, unknown, known
}
