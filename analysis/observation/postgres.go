package observation

import "time"

// Postgres is what one pgstat sample holds: raw cumulative counters and gauges.
type Postgres struct {
	// Identity: when one of these changes, counters before and after are of different lives.
	ServerVersion int       `json:"server_version"` // server_version_num: 150018
	Name          string    `json:"database_name"`  // of the connected database: all but the sessions, the background and the replicas is about it
	Address       string    `json:"server_address"` // as the server knows it; empty on a local socket
	Postmaster    time.Time `json:"postmaster_start"`
	InRecovery    bool      `json:"in_recovery"`
	Clock         time.Time `json:"clock"`               // clock_timestamp() of the server at the sample
	Extension     string    `json:"extension,omitempty"` // installed version of pg_stat_statements; empty: not there
	StatsReset    time.Time `json:"stats_reset"`         // of pg_stat_statements, extension 1.9+
	// Dealloc counts eviction events (extension 1.9+), before the statements were read and
	// after: an eviction between the two may or may not show in the rows.
	Dealloc      int64 `json:"dealloc"`
	DeallocAfter int64 `json:"dealloc_after"`
	// StatementsRead is false where this sample left pg_stat_statements out (they are read
	// at each phase edge and every few seconds) or could not read it (then StatementsError).
	StatementsRead  bool   `json:"statements_read"`
	StatementsError string `json:"statements_error,omitempty"`
	// Reading numbers the samples that read the statements, from 1. Statements are the rows
	// that changed since the reading before; reading 1 holds all. Vanished are keys that were
	// there and are gone. The collector's own statements are left out.
	Reading    int64             `json:"reading,omitempty"`
	Statements []Statement       `json:"statements,omitempty"`
	Vanished   []StatementKey    `json:"vanished,omitempty"`
	Hidden     int64             `json:"hidden"` // rows of this database whose queryid this role may not see
	Database   DatabaseCounters  `json:"database"`
	Sessions   []SessionCount    `json:"sessions"`
	Clients    int               `json:"clients"`         // client sessions of all databases, the collector's own among them
	MaxConns   int               `json:"max_connections"` // of the server
	Reserved   int               `json:"reserved_connections"`
	Locks      []LockWait        `json:"locks,omitempty"`    // waited for, in all databases
	Replicas   []Replica         `json:"replicas,omitempty"` // as the primary sees them; with each reading of the background
	Background *Background       `json:"background,omitempty"`
	Tables     []Table           `json:"tables,omitempty"` // the largest, in the first and the final sample
	Activity   *Activity         `json:"activity,omitempty"`
	Lag        *ReplicaLag       `json:"lag,omitempty"` // of the replica that was named
	Own        Own               `json:"own"`
	Texts      map[string]string `json:"texts,omitempty"` // queryid to text, once, in the final sample; redacted
	TextsError string            `json:"texts_error,omitempty"`
	Settings   map[string]string `json:"settings,omitempty"` // what decides how the counters may be read, in the first sample of a connection
	// Errors says what of the sample could not be read: locks, background, replicas, tables.
	Errors map[string]string `json:"errors,omitempty"`
}

// StatementKey is the identity of a row in pg_stat_statements within one database cluster.
type StatementKey struct {
	UserID   uint32 `json:"userid"`
	DBID     uint32 `json:"dbid"`
	QueryID  int64  `json:"queryid"`
	TopLevel bool   `json:"toplevel"`
}

// Statement is one row's cumulative counters. Times are the server's own, in seconds.
type Statement struct {
	StatementKey
	Calls         int64   `json:"calls"`
	Total         float64 `json:"total_s"`
	Min           float64 `json:"min_s"`
	Max           float64 `json:"max_s"`
	Mean          float64 `json:"mean_s"`
	Stddev        float64 `json:"stddev_s"` // population standard deviation
	Rows          int64   `json:"rows"`
	BlocksHit     int64   `json:"blocks_hit"`
	BlocksRead    int64   `json:"blocks_read"`
	BlocksWritten int64   `json:"blocks_written,omitempty"`
	TempBlocks    int64   `json:"temp_blocks"`            // read + written
	WALBytes      int64   `json:"wal_bytes"`              // extension 1.8+
	ReadTime      float64 `json:"read_time_s,omitempty"`  // of blocks; 0 without track_io_timing
	WriteTime     float64 `json:"write_time_s,omitempty"` // likewise
	Plans         int64   `json:"plans,omitempty"`        // 0 without pg_stat_statements.track_planning
	PlanTime      float64 `json:"plan_time_s,omitempty"`
	// Since and MinMaxSince (extension 1.11+) say when this row, and its min and max, began
	// to count: when one changes, the counters are of different lives.
	Since       time.Time `json:"stats_since,omitzero"`
	MinMaxSince time.Time `json:"minmax_stats_since,omitzero"`
}

// DatabaseCounters is the row of pg_stat_database for the connected database. PostgreSQL
// publishes these counters late: a session does so when it goes idle, at most once a second,
// and what it then keeps waits for its next statement or (from 15 on) 10 s of idleness. The
// collector's own transactions are in it: see Own.
type DatabaseCounters struct {
	Commits    int64     `json:"xact_commit"`
	Rollbacks  int64     `json:"xact_rollback"`
	BlocksHit  int64     `json:"blocks_hit"`
	BlocksRead int64     `json:"blocks_read"`
	TempFiles  int64     `json:"temp_files"`
	TempBytes  int64     `json:"temp_bytes"`
	Deadlocks  int64     `json:"deadlocks"`
	Conflicts  int64     `json:"conflicts"`
	ReadTime   Seconds   `json:"read_time_s"` // of blocks; 0 without track_io_timing
	WriteTime  Seconds   `json:"write_time_s"`
	StatsReset time.Time `json:"stats_reset"`
}

// SessionCount counts the client backends of all databases by state and wait, without the
// collector's own.
type SessionCount struct {
	State       string  `json:"state"`
	Wait        string  `json:"wait"`            // wait_event_type, CPU for active without one
	Event       string  `json:"event,omitempty"` // wait_event
	Count       int     `json:"count"`
	OldestQuery Seconds `json:"oldest_query_s"` // of active ones in the connected database
	OldestXact  Seconds `json:"oldest_xact_s"`  // of all that are in a transaction
}

// LockWait counts locks that are waited for.
type LockWait struct {
	Type    string  `json:"type"` // relation, tuple, transactionid ...
	Mode    string  `json:"mode"`
	Count   int     `json:"count"`
	Longest Seconds `json:"longest_s"` // 0 before PostgreSQL 14
}

// Background is what the server did beside the statements, cumulative, for all databases. A
// part that this version of PostgreSQL does not have is nil.
type Background struct {
	Checkpoints *Checkpoints `json:"checkpoints,omitempty"`
	WAL         *WAL         `json:"wal,omitempty"`
	IO          *IO          `json:"io,omitempty"`
}

// Checkpoints is pg_stat_checkpointer, before 17 pg_stat_bgwriter.
type Checkpoints struct {
	Timed      int64     `json:"timed"`
	Requested  int64     `json:"requested"`
	WriteTime  Seconds   `json:"write_time_s"`
	SyncTime   Seconds   `json:"sync_time_s"`
	Buffers    int64     `json:"buffers"`
	StatsReset time.Time `json:"stats_reset"`
}

// WAL is pg_stat_wal, PostgreSQL 14 and later.
type WAL struct {
	Records     int64     `json:"records"`
	FullPages   int64     `json:"full_pages"`
	Bytes       int64     `json:"bytes"`
	BuffersFull int64     `json:"buffers_full"`
	StatsReset  time.Time `json:"stats_reset"`
}

// IO sums pg_stat_io over all backends for relations, PostgreSQL 16 and later. Times are 0
// without track_io_timing.
type IO struct {
	Reads      int64     `json:"reads"`
	Writes     int64     `json:"writes"`
	Extends    int64     `json:"extends"`
	Fsyncs     int64     `json:"fsyncs"`
	Evictions  int64     `json:"evictions"`
	ReadTime   Seconds   `json:"read_time_s"`
	WriteTime  Seconds   `json:"write_time_s"`
	FsyncTime  Seconds   `json:"fsync_time_s"`
	StatsReset time.Time `json:"stats_reset"`
}

// Table is one of the largest tables of the database.
type Table struct {
	Name        string `json:"name"` // schema.table
	Bytes       int64  `json:"bytes"`
	LiveRows    int64  `json:"live_rows"`
	DeadRows    int64  `json:"dead_rows"`
	Inserted    int64  `json:"inserted"`
	Updated     int64  `json:"updated"`
	Deleted     int64  `json:"deleted"`
	SeqScans    int64  `json:"seq_scans"`
	IndexScans  int64  `json:"index_scans"`
	Autovacuums int64  `json:"autovacuums"`
}

// Replica is a row of pg_stat_replication.
type Replica struct {
	Name      string `json:"name"` // application_name
	State     string `json:"state"`
	Sync      string `json:"sync_state"`
	LagBytes  int64  `json:"lag_bytes"` // WAL written here and not replayed there
	BytesKnow bool   `json:"lag_known"` // false: hidden from this role
}

// Activity is what polling pg_stat_activity has shown since the sample before: how long
// statements have been running, also those that then fail and are in no row of
// pg_stat_statements.
type Activity struct {
	Polls  int `json:"polls"`
	Failed int `json:"failed"` // polls that failed
	// Gap is the longest time between two successful polls: a call can have come and gone
	// unseen in it. It runs from before the one look to after the other.
	Gap Seconds `json:"gap_s"`
	// Calls are those that ended since the sample before and can have taken Floor or longer,
	// and in the final sample those that still run.
	Floor   Seconds      `json:"floor_s"`
	Calls   []ActiveCall `json:"calls,omitempty"`
	Dropped int64        `json:"dropped,omitempty"` // calls over the cap of a sample
	Error   string       `json:"error,omitempty"`   // of the last poll that failed
}

// ActiveCall is one statement that was seen running in the connected database.
type ActiveCall struct {
	Ago     Seconds `json:"began_s"`           // how long before this sample it began
	Seen    Seconds `json:"seen_s"`            // it took at least this long
	Under   Seconds `json:"under_s,omitempty"` // and less than this; 0: it still runs
	QueryID int64   `json:"queryid,omitempty"` // PostgreSQL 14+
	Wait    string  `json:"wait,omitempty"`    // what it waited for when last seen: Lock/relation
}

// LookEvery is how often the running statements are looked at, and a probe of a replica is
// begun: what bounds can be had from them, and how many probes are to be expected.
const LookEvery = 100 * time.Millisecond

// ReplicaLag is what chasing the primary's WAL position on the replica has shown since the sample
// before: each probe notes the position that the primary has flushed, and waits until the
// replica has replayed it.
type ReplicaLag struct {
	Probes  []LagProbe `json:"probes,omitempty"`
	Dropped int64      `json:"dropped,omitempty"` // probes over what is kept: nothing is known of them
	Queries int64      `json:"queries"`           // asked of the replica, since it was opened
	Wall    Seconds    `json:"wall_s"`            // that they took, network included
	Error   string     `json:"error,omitempty"`   // why probes were lost
}

// LagProbe is one of them. Its clock is this tool's own.
type LagProbe struct {
	Ago  Seconds `json:"began_s"`        // how long before this sample it was begun
	Lag  Seconds `json:"lag_s"`          // an upper bound: both ways to the servers are in it
	Open bool    `json:"open,omitempty"` // not replayed so far: at least Lag
	Lost bool    `json:"lost,omitempty"` // a server did not answer: nothing is known
}

// Own is what the collector cost the database: cumulative since it was opened.
type Own struct {
	Queries int64 `json:"queries"` // each is a transaction of its own
	// Published says that the server counts them within a second of their end; else it may
	// keep them to itself for long.
	Published bool    `json:"published"`
	Wall      Seconds `json:"wall_s"` // from send to the last row, waiting included
	// InDatabase is the execution time of the collector's statements as pg_stat_statements
	// counts it, since that began to count.
	InDatabase Seconds `json:"in_database_s"`
}
