package analysis

import (
	"fmt"
	"strings"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// DatabaseCounters are the differences of pg_stat_database over the judged time, without
// the collector's own transactions.
//
// PostgreSQL publishes them late: a session does so when it goes idle, but at most once a
// second, and what it then keeps waits for its next statement or for 10 s of idleness. So
// work of up to a second before the judged time is in them, and they are read 2 s
// after its end or, where no load follows, at the very end of the run. The last second of
// that load may still be missing.
type DatabaseCounters struct {
	OK                    bool
	Partial               string // why they cover a part alone: each is at least so many
	Commits, Rollbacks    int64
	BlocksHit, BlocksRead int64
	TempFiles, TempBytes  int64
	Deadlocks, Conflicts  int64
	ReadTime, WriteTime   time.Duration // of blocks; 0 without track_io_timing
	// Own is how many of the commits may be the collector's own: the server does not say when
	// it counts those. 0: they were taken out.
	Own int64
}

// HitRatio is the share of blocks found in shared buffers; ok is false where none was asked for.
func (c DatabaseCounters) HitRatio() (ratio float64, ok bool) {
	all := c.BlocksHit + c.BlocksRead
	if all == 0 {
		return 0, false
	}
	return float64(c.BlocksHit) / float64(all), true
}

// settle is how long after a stretch the database's counters are read when load follows.
const settle = 2 * time.Second

// sameServer says why two samples are not of one life of one server; empty: they are.
func sameServer(a, b *observation.Postgres) string {
	switch {
	case a.Address != b.Address && a.Address != "" && b.Address != "":
		return fmt.Sprintf("another server answered, %s instead of %s (a failover?)", b.Address, a.Address)
	case !a.Postmaster.Equal(b.Postmaster) || a.ServerVersion != b.ServerVersion:
		return "the server was restarted or is another one"
	case a.InRecovery != b.InRecovery:
		return "the server was promoted"
	case a.Name != b.Name:
		return fmt.Sprintf("the connected database is %q instead of %q", b.Name, a.Name)
	}
	return ""
}

// databaseDelta subtracts two readings of pg_stat_database, or says why that cannot be done.
func databaseDelta(a, b *observation.Postgres) (c DatabaseCounters, void string) {
	if void = sameServer(a, b); void != "" {
		return c, void
	}
	x, y := a.Database, b.Database
	c = DatabaseCounters{
		Commits: y.Commits - x.Commits, Rollbacks: y.Rollbacks - x.Rollbacks, BlocksHit: y.BlocksHit - x.BlocksHit, BlocksRead: y.BlocksRead - x.BlocksRead,
		TempFiles: y.TempFiles - x.TempFiles, TempBytes: y.TempBytes - x.TempBytes, Deadlocks: y.Deadlocks - x.Deadlocks, Conflicts: y.Conflicts - x.Conflicts,
		ReadTime: (y.ReadTime - x.ReadTime).Duration(), WriteTime: (y.WriteTime - x.WriteTime).Duration(),
	}
	// Before 15 a database that nothing was counted of has no time of its reset yet.
	began := a.ServerVersion < 150000 && x.StatsReset.IsZero()
	if !began && !x.StatsReset.Equal(y.StatsReset) || min(c.Commits, c.Rollbacks, c.BlocksHit, c.BlocksRead, c.TempFiles, c.TempBytes, c.Deadlocks, c.Conflicts) < 0 {
		return DatabaseCounters{}, "the database's counters were reset"
	}
	return c, ""
}

func (c *DatabaseCounters) add(o DatabaseCounters) {
	c.Commits += o.Commits
	c.Rollbacks += o.Rollbacks
	c.BlocksHit += o.BlocksHit
	c.BlocksRead += o.BlocksRead
	c.TempFiles += o.TempFiles
	c.TempBytes += o.TempBytes
	c.Deadlocks += o.Deadlocks
	c.Conflicts += o.Conflicts
	c.ReadTime += o.ReadTime
	c.WriteTime += o.WriteTime
}

// count sums the differences of the database's counters. One that cannot be taken makes
// the sum partial, and is a gap.
func (d *Database) count(all []taken[observation.Postgres], stretches []stretch) {
	some, at := good(all, nil)
	d.counterSeries(some)
	var sum, sure DatabaseCounters // sure is without what was read after a stretch that load followed
	var own int64
	published := true
	next := 0 // intervals before it are counted
	lost := func(reason string) {
		d.gap("the database's counters: %s", reason)
		if sum.Partial == "" {
			sum.Partial = reason
		}
	}
	for _, s := range stretches {
		from, to, notes, partial, ok := s.bounds(at)
		if partial != "" {
			lost(partial)
		}
		if !ok {
			continue
		}
		for _, n := range notes {
			d.gap("the database's counters: %s", n)
		}
		end := to
		for to+1 < len(some) && (s.last || at[to] < s.to+settle) {
			to++
		}
		if s.last {
			end = to
		}
		for i := max(from+1, next); i <= to; i++ {
			next = i + 1
			c, void := databaseDelta(&some[i-1].data, &some[i].data)
			if void != "" {
				lost(fmt.Sprintf("%s, noticed at %s: what was counted since %s is lost", void, duration(at[i]), duration(at[i-1])))
				continue
			}
			sum.OK = true
			sum.add(c)
			if i <= end && s.surely(some[i-1].at, at[i]) {
				sure.add(c)
			}
			if o := some[i].data.Own; o.Published {
				own += max(0, o.Counted-some[i-1].data.Own.Counted)
			} else {
				published = false
				own += max(0, o.Queries-some[i-1].data.Own.Queries)
			}
		}
	}
	switch {
	case !sum.OK:
		sum = DatabaseCounters{Partial: sum.Partial}
	case published:
		sum.Commits = max(0, sum.Commits-own)
	default:
		sum.Own = min(own, sum.Commits)
	}
	d.Counters = sum
	for name, v := range map[string][2]int64{"db.deadlocks": {sum.Deadlocks, sure.Deadlocks}, "db.conflicts": {sum.Conflicts, sure.Conflicts},
		"db.rollbacks": {sum.Rollbacks, sure.Rollbacks}, "db.temp_bytes": {sum.TempBytes, sure.TempBytes}} {
		m := Measure{Partial: sum.Partial, Value: float64(v[1]), N: d.Samples - d.Failed}
		if more := v[0] - v[1]; more > 0 {
			m.upTo(float64(more))
		}
		if !sum.OK {
			m = noMeasure(sum.Partial)
		}
		d.Measures[name] = m
	}
	if !d.InRecovery {
		d.Measures["db.conflicts"] = noMeasure("only a replica has conflicts with recovery: name it as system.postgres")
	}
	d.bufferRatio(stretches, join(sum.Partial, strings.Join(uncovered(stretches, begun(some)), "; ")))
}

// publishedLate makes partial what failed statements would have counted: arrivals failed so
// shortly before the last reading that the server may not have published why.
func (d *Database) publishedLate() {
	// Not deadlocks: who was in one had waited for longer than a session keeps its counts.
	if m := d.Measures["db.rollbacks"]; m.Reason == "" {
		m.Partial = join(m.Partial, fmt.Sprintf("%d arrivals failed within %s before the end, when the server may not have published yet what it rolled back", d.lateFailures, unpublished))
		d.Measures["db.rollbacks"] = m
	}
}

// counterSeries makes a series of each counter, from sample to sample.
func (d *Database) counterSeries(some []taken[observation.Postgres]) {
	names := []struct {
		name  string
		unit  scenarios.Unit
		value func(DatabaseCounters) int64
	}{
		{"db.commits", scenarios.UnitCount, func(c DatabaseCounters) int64 { return c.Commits }},
		{"db.rollbacks", scenarios.UnitCount, func(c DatabaseCounters) int64 { return c.Rollbacks }},
		{"db.blocks_hit", scenarios.UnitCount, func(c DatabaseCounters) int64 { return c.BlocksHit }},
		{"db.blocks_read", scenarios.UnitCount, func(c DatabaseCounters) int64 { return c.BlocksRead }},
		{"db.temp_bytes", scenarios.UnitBytes, func(c DatabaseCounters) int64 { return c.TempBytes }},
		{"db.deadlocks", scenarios.UnitCount, func(c DatabaseCounters) int64 { return c.Deadlocks }},
	}
	series := make([]Series, len(names))
	for i := 1; i < len(some); i++ {
		c, void := databaseDelta(&some[i-1].data, &some[i].data)
		if void != "" {
			continue
		}
		for j, n := range names {
			series[j].Points = append(series[j].Points, Point{At: some[i-1].at, Length: some[i].at - some[i-1].at, Value: float64(n.value(c))})
		}
	}
	for j, n := range names {
		series[j].Name, series[j].Source, series[j].Unit = n.name, "postgres", n.unit
	}
	d.Series = append(d.Series, series...)
}

// bufferRatio measures db.buffer_hit_ratio from the series of blocks.
func (d *Database) bufferRatio(stretches []stretch, partial string) {
	var hit, all Series
	for _, s := range d.Series {
		switch s.Name {
		case "db.blocks_hit":
			hit = s
		case "db.blocks_read":
			all = Series{Points: make([]Point, len(s.Points))}
			copy(all.Points, s.Points)
		}
	}
	for i := range all.Points {
		all.Points[i].Value += hit.Points[i].Value
	}
	d.Measures["db.buffer_hit_ratio"] = averaged(stretches, partial, true, []Series{hit}, []Series{all})
}
