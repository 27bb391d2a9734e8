package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"arqload/analysis"
	"arqload/analysis/hist"
	"arqload/scenarios"
)

// Database is what PostgreSQL told about itself in the judged time. A null is not told by
// this version, or does not span that time; what is partial is at least so much.
type Database struct {
	Available  bool        `json:"available"`
	Reason     string      `json:"reason"` // why not, or why no statements
	Version    string      `json:"version"`
	Name       string      `json:"name"`
	Extension  string      `json:"extension"` // installed version of pg_stat_statements
	Statements []Statement `json:"statements"`
	Partial    []string    `json:"partial"` // why the statements' numbers cover a part alone
	// Slow are the statements whose mean was over a second, as the acceptance document's 3.3
	// lists them, the slowest first.
	Slow     []SlowStatement `json:"slow_statements"`
	SQL      SQL             `json:"sql"`
	QueryP99 QueryClaim      `json:"query_p99"`
	// Of pg_stat_database; null where its counters do not span the judged time.
	Commits         *int64   `json:"commits"`
	Rollbacks       *int64   `json:"rollbacks"`
	BlocksHit       *int64   `json:"blocks_hit"`
	BlocksRead      *int64   `json:"blocks_read"`
	CommitsOwn      int64    `json:"commits_own_max"` // of the commits, so many may be the collector's own; 0: they are taken out
	BlockReadS      *float64 `json:"block_read_s"`    // 0 without track_io_timing
	BlockWriteS     *float64 `json:"block_write_s"`
	BufferHitRatio  *float64 `json:"buffer_hit_ratio"` // of shared buffers: the rest may come from the system's cache
	TempFiles       *int64   `json:"temp_files"`
	TempBytes       *int64   `json:"temp_bytes"`
	Deadlocks       *int64   `json:"deadlocks"`
	Conflicts       *int64   `json:"conflicts"`
	CountersPartial string   `json:"counters_partial"` // why they cover a part alone; empty: they are whole

	Sessions       map[string]int `json:"sessions_max"` // by state, the most seen at once
	Waits          []Wait         `json:"waits"`        // of active sessions
	ConnectionsMax int            `json:"connections_max"`
	MaxConnections int            `json:"max_connections"`
	UsedShareMax   *float64       `json:"connections_used_share_max"` // of the connections that clients may have
	LocksMax       int            `json:"locks_waiting_max"`
	LongestLockS   float64        `json:"locks_longest_wait_s"`
	OldestXactS    float64        `json:"oldest_transaction_s"`

	Checkpoints *Checkpoints `json:"checkpoints"`
	WAL         *WAL         `json:"wal"`
	IO          *IO          `json:"io"`
	StorageWhy  string       `json:"storage_partial"` // why checkpoints, WAL and I/O cover a part alone
	Replicas    []Replica    `json:"replicas"`        // as the primary saw them
	Lag         *ReplicaLag  `json:"replication_lag"`
	Tables      []Table      `json:"tables"`       // the largest, before and after the run
	RowsAdded   *int64       `json:"rows_added"`   // inserted into those tables in the whole run, by whomever; null: not known
	RowsPartial string       `json:"rows_partial"` // why that is at least so much; empty: it is all of them

	Cost          *Cost    `json:"collector"`
	CoveredS      float64  `json:"covered_s"` // between the samples whose statements are compared
	SampleMeanS   float64  `json:"sample_mean_s"`
	SampleMaxS    float64  `json:"sample_max_s"`
	Samples       int      `json:"samples"`
	SamplesFailed int      `json:"samples_failed"`
	Gaps          []string `json:"gaps"`
}

// Statement is one statement's part of the judged time.
type Statement struct {
	Query      string   `json:"query"`
	Calls      int64    `json:"calls"`
	PerArrival *float64 `json:"calls_per_arrival"` // null: no arrival was judged, or calls were lost
	MeanS      float64  `json:"mean_s"`
	StddevS    float64  `json:"stddev_s"`
	TotalS     float64  `json:"total_s"`
	MaxS       float64  `json:"max_s"`
	MaxKnown   bool     `json:"max_known"` // false: max_s is an upper bound from before the judged time
	PlanMeanS  *float64 `json:"plan_mean_s"`
	Rows       int64    `json:"rows"`
	BlocksHit  int64    `json:"blocks_hit"`
	BlocksRead int64    `json:"blocks_read"`
	TempBlocks int64    `json:"temp_blocks"`
	WALBytes   int64    `json:"wal_bytes"`
	ReadTimeS  float64  `json:"read_time_s"` // of blocks; 0 without track_io_timing
	WriteTimeS float64  `json:"write_time_s"`
	Share      float64  `json:"share"` // of all statements' time
	Control    bool     `json:"control"`
	Incomplete bool     `json:"incomplete"`
}

// SlowStatement is a row of the acceptance document's list.
type SlowStatement struct {
	Query string  `json:"query"`
	Calls int64   `json:"calls"`
	MeanS float64 `json:"mean_s"`
}

// SQL are the acceptance document's queries (3.3) in the form that works on this server, to
// look again by hand: since boot or reset, where the report is of the judged time.
type SQL struct {
	SlowStatements string `json:"slow_statements"`
	TableSizes     string `json:"table_sizes"`
	Sessions       string `json:"sessions"`
}

// SQLFor writes them for a version of pg_stat_statements, whose columns were renamed in 1.8.
func SQLFor(extension string) SQL {
	mean := "mean_exec_time"
	if minor, ok := strings.CutPrefix(extension, "1."); ok && len(minor) == 1 && minor < "8" {
		mean = "mean_time"
	}
	return SQL{
		SlowStatements: "SELECT query, calls, " + mean + " FROM pg_stat_statements WHERE " + mean + " > 1000 ORDER BY " + mean + " DESC LIMIT 10;",
		TableSizes: "SELECT schemaname, relname, pg_size_pretty(pg_total_relation_size(relid)) FROM pg_stat_user_tables" +
			" ORDER BY pg_total_relation_size(relid) DESC LIMIT 20;",
		Sessions: "SELECT state, wait_event_type, wait_event, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'" +
			" GROUP BY 1, 2, 3 ORDER BY 4 DESC;",
	}
}

// slowMean is the mean time from which the acceptance document's 3.3 lists a statement.
const slowMean = time.Second

// Wait is what active sessions waited for.
type Wait struct {
	Event string  `json:"event"` // Lock/relation; CPU: nothing
	Mean  float64 `json:"mean"`  // sessions at a time
	Max   int     `json:"max"`
}

// Checkpoints is what was written to the data files.
type Checkpoints struct {
	Timed     int64   `json:"timed"`
	Requested int64   `json:"requested"`
	WriteS    float64 `json:"write_s"`
	SyncS     float64 `json:"sync_s"`
	Buffers   int64   `json:"buffers"`
}

// WAL is what was written to the log.
type WAL struct {
	Records     int64 `json:"records"`
	FullPages   int64 `json:"full_pages"`
	Bytes       int64 `json:"bytes"`
	BuffersFull int64 `json:"buffers_full"`
}

// IO is what all backends did to relations. Times are 0 without track_io_timing.
type IO struct {
	Reads     int64   `json:"reads"`
	Writes    int64   `json:"writes"`
	Extends   int64   `json:"extends"`
	Fsyncs    int64   `json:"fsyncs"`
	Evictions int64   `json:"evictions"`
	ReadS     float64 `json:"read_s"`
	WriteS    float64 `json:"write_s"`
	FsyncS    float64 `json:"fsync_s"`
}

// Replica is a row of pg_stat_replication.
type Replica struct {
	Name        string `json:"name"`
	State       string `json:"state"`
	SyncState   string `json:"sync_state"`
	LagBytesMax *int64 `json:"lag_bytes_max"` // null: hidden from the collector's role
}

// ReplicaLag is what chasing the primary's WAL position on the named replica has shown:
// upper bounds, by this tool's own clock.
type ReplicaLag struct {
	Probes int      `json:"probes"`
	Lost   int      `json:"lost"` // no value: a server did not answer
	P50S   *float64 `json:"p50_s"`
	P99S   *float64 `json:"p99_s"`
	MaxS   *float64 `json:"max_s"`
	Reason string   `json:"reason"` // of lost probes
}

// Table is one table with its indexes. Sizes and dead rows are those of the first and the
// final sample, so that they span the whole run.
type Table struct {
	Name           string `json:"name"`
	BytesBefore    *int64 `json:"bytes_before"` // null: it was not among the largest
	BytesAfter     int64  `json:"bytes_after"`
	LiveRows       *int64 `json:"live_rows"` // from here on null where the counters were reset, or where it was not among the largest before
	DeadRowsBefore *int64 `json:"dead_rows_before"`
	DeadRows       *int64 `json:"dead_rows"`
	Inserted       *int64 `json:"inserted"`
	Updated        *int64 `json:"updated"`
	Deleted        *int64 `json:"deleted"`
	SeqScans       *int64 `json:"seq_scans"`
	IndexScans     *int64 `json:"index_scans"`
	Autovacuums    *int64 `json:"autovacuums"`
}

// Cost is what the collector itself took from the database.
type Cost struct {
	Queries      int64    `json:"queries"`
	InDatabaseS  float64  `json:"in_database_s"`  // executing and planning, as pg_stat_statements counts it
	ShareOfTime  float64  `json:"share_of_time"`  // of one session's time
	ShareOfTotal *float64 `json:"share_of_total"` // of all statements' time, its own among them; null: no other statement is known
}

// QueryClaim is what is known of the 99th percentile of query times, or of the quantile
// that the plan's db_query objective names.
type QueryClaim struct {
	Claim       string         `json:"claim"` // measured, proved, bracketed, estimated or unknown
	Decision    string         `json:"decision"`
	UpperS      *float64       `json:"upper_s"` // the quantile is proved not to exceed it
	Calls       int64          `json:"calls"`
	SlowLow     *int64         `json:"slow_low"` // calls that took the limit or longer, by pg_stat_statements: bounds
	SlowHigh    *int64         `json:"slow_high"`
	RunningLow  *int64         `json:"running_low"` // the same by looking at the running statements
	RunningHigh *int64         `json:"running_high"`
	Hidden      int64          `json:"hidden"`     // calls seen running that long that pg_stat_statements cannot account for
	SlowWaits   map[string]int `json:"slow_waits"` // what the calls that were seen to be slow waited for
	EstimateS   *float64       `json:"estimate_s"` // lognormal; decides nothing
	LookGapS    float64        `json:"look_gap_s"` // the longest time between two looks
	LimitS      float64        `json:"limit_s"`
	Quantile    float64        `json:"quantile"`
	Population  string         `json:"population"`
	Reason      string         `json:"reason"`
}

// defaultClaim is reported where no objective asks for another.
const defaultClaim = "db_query_p99 < 500ms"

func database(s *analysis.Summary, objectives []scenarios.Objective) Database {
	d := s.Database
	out := Database{
		Available: d.Available, Reason: d.Reason, Version: d.Version, Name: d.Name, Extension: d.Extension,
		Statements: []Statement{}, Slow: []SlowStatement{}, Partial: list(d.Partial), Waits: []Wait{}, Replicas: []Replica{}, Tables: []Table{},
		Sessions: map[string]int{}, ConnectionsMax: d.ConnectionsMax, MaxConnections: d.MaxConnections,
		LocksMax: d.LocksMax, LongestLockS: d.LongestLock.Seconds(), OldestXactS: d.OldestXact.Seconds(),
		CoveredS: d.Covered.Seconds(), SamplesFailed: d.Failed, SampleMeanS: d.SampleMean.Seconds(), SampleMaxS: d.SampleMax.Seconds(), Samples: d.Samples, Gaps: list(d.Gaps),
		QueryP99: claim(d, objectives), SQL: SQLFor(d.Extension),
	}
	if c := d.Counters; c.OK {
		out.Commits, out.Rollbacks, out.BlocksHit, out.BlocksRead = &c.Commits, &c.Rollbacks, &c.BlocksHit, &c.BlocksRead
		out.TempFiles, out.TempBytes, out.Deadlocks, out.Conflicts = &c.TempFiles, &c.TempBytes, &c.Deadlocks, &c.Conflicts
		out.CommitsOwn, out.BlockReadS, out.BlockWriteS = c.Own, ptr(c.ReadTime.Seconds()), ptr(c.WriteTime.Seconds())
		if r, ok := c.HitRatio(); ok {
			out.BufferHitRatio = &r
		}
	}
	out.CountersPartial = d.Counters.Partial
	if d.Available && !d.StatementsOK {
		out.Reason = d.StatementsReason
	}
	for _, x := range d.Sessions {
		out.Sessions[x.State] = x.Max
	}
	for _, x := range d.Waits {
		out.Waits = append(out.Waits, Wait(x))
	}
	if m := d.Measures["db.connections.used_share"]; m.Reason == "" && m.N > 0 {
		out.UsedShareMax = &m.Value
	}
	for _, x := range d.Statements {
		out.Statements = append(out.Statements, statement(x))
		if x.Mean > slowMean && !x.Control {
			out.Slow = append(out.Slow, SlowStatement{x.Query, x.Calls, x.Mean.Seconds()})
		}
	}
	slices.SortStableFunc(out.Slow, func(a, b SlowStatement) int { return cmp.Compare(b.MeanS, a.MeanS) })
	out.background(d)
	if l := d.Lag; l.Asked {
		out.Lag = replicaLag(l)
	}
	if c := d.Cost; c.OK {
		out.Cost = &Cost{Queries: c.Queries, InDatabaseS: c.InDatabase.Seconds(), ShareOfTime: c.OfTime}
		if c.OfAll >= 0 {
			out.Cost.ShareOfTotal = &c.OfAll
		}
	}
	return out
}

func statement(x analysis.StatementUse) Statement {
	out := Statement{Query: x.Query, Calls: x.Calls, MeanS: x.Mean.Seconds(), StddevS: x.Stddev.Seconds(),
		TotalS: x.Total.Seconds(), MaxS: x.Max.Seconds(), MaxKnown: x.MaxKnown, Rows: x.Rows, Share: x.Share, Control: x.Control, Incomplete: x.Incomplete,
		BlocksHit: x.Blocks.Hit, BlocksRead: x.Blocks.Read, TempBlocks: x.Blocks.Temp, WALBytes: x.Blocks.WALBytes,
		ReadTimeS: x.Blocks.ReadTime.Seconds(), WriteTimeS: x.Blocks.WriteTime.Seconds()}
	if x.PerArrival > 0 {
		out.PerArrival = &x.PerArrival
	}
	if x.PlansOK {
		out.PlanMeanS = ptr(x.PlanMean.Seconds())
	}
	return out
}

// background takes what the server did beside the statements, its replicas and tables.
func (out *Database) background(d analysis.Database) {
	b := d.Background
	out.StorageWhy = b.Partial
	if c := b.Checkpoints; c != nil {
		out.Checkpoints = &Checkpoints{c.Timed, c.Requested, seconds(c.WriteTime), seconds(c.SyncTime), c.Buffers}
	}
	if w := b.WAL; w != nil {
		out.WAL = &WAL{w.Records, w.FullPages, w.Bytes, w.BuffersFull}
	}
	if i := b.IO; i != nil {
		out.IO = &IO{i.Reads, i.Writes, i.Extends, i.Fsyncs, i.Evictions, seconds(i.ReadTime), seconds(i.WriteTime), seconds(i.FsyncTime)}
	}
	for _, r := range d.Replicas {
		x := Replica{Name: r.Name, State: r.State, SyncState: r.Sync}
		if r.Known {
			x.LagBytesMax = &r.LagBytesMax
		}
		out.Replicas = append(out.Replicas, x)
	}
	for _, t := range d.Tables {
		x := Table{Name: t.Name, BytesAfter: t.After}
		if !t.New {
			x.BytesBefore = &t.Before
		}
		if t.Known {
			x.LiveRows, x.DeadRows, x.DeadRowsBefore = &t.LiveRows, &t.DeadRows, &t.DeadBefore
			x.Inserted, x.Updated, x.Deleted = &t.Inserted, &t.Updated, &t.Deleted
			x.SeqScans, x.IndexScans, x.Autovacuums = &t.SeqScans, &t.IndexScans, &t.Autovacuums
		}
		out.Tables = append(out.Tables, x)
	}
	if rows, unknown, known := d.RowsAdded(); known {
		out.RowsAdded = &rows
		if unknown > 0 {
			out.RowsPartial = fmt.Sprintf("the counters of %d more do not span the run", unknown)
		}
	}
}

func replicaLag(l analysis.LagUse) *ReplicaLag {
	out := &ReplicaLag{Probes: len(l.Probes), Reason: l.Reason}
	h := hist.New()
	for _, p := range l.Probes {
		if p.Lost {
			out.Lost++
			continue
		}
		h.Record(p.Value)
	}
	out.P50S, out.P99S, out.MaxS = known(h.Quantile(0.5)), known(h.Quantile(0.99)), known(h.Max())
	return out
}

func claim(d analysis.Database, objectives []scenarios.Objective) QueryClaim {
	o, _ := scenarios.ParseObjective(defaultClaim)
	for _, x := range objectives {
		if x.Metric == scenarios.MetricDBQuery {
			o = x
			break
		}
	}
	out := QueryClaim{Claim: string(analysis.ClaimUnknown), Reason: d.Reason, LimitS: o.Limit, Quantile: o.Quantile}
	if !d.Available {
		return out
	}
	q := d.Query(o.Quantile, o.LimitDuration(), o.Op == scenarios.LessEqual)
	out.Claim, out.Decision, out.Reason, out.Population = string(q.Claim), string(q.Decision), q.Reason, q.Population
	out.Calls = q.N
	if q.Known && (q.Decision != analysis.DecisionUndecided || q.SlowHigh > 0) { // else nothing was proved of any
		out.SlowLow, out.SlowHigh = &q.SlowLow, &q.SlowHigh
	}
	if q.RunningOK {
		out.RunningLow, out.RunningHigh = &q.RunningLow, &q.RunningHigh
	}
	if q.EstimateOK {
		out.EstimateS = ptr(q.Estimate.Seconds())
	}
	out.Hidden, out.LookGapS, out.SlowWaits = q.Hidden, d.Running.Gap.Seconds(), map[string]int{}
	for _, w := range q.Waits {
		out.SlowWaits[w.Event] = w.Calls
	}
	if q.UpperOK {
		upper := q.Upper.Seconds()
		out.UpperS = &upper
	}
	return out
}
