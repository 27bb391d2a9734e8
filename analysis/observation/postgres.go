package observation

import "time"

// Postgres is what one pgstat sample holds: raw cumulative counters and gauges.
type Postgres struct {
	// Identity: when one of these changes, counters before and after are of different lives.
	ServerVersion int       `json:"server_version"` // server_version_num: 150018
	Name          string    `json:"database_name"`  // of the connected database: all but the sessions is about it
	Postmaster    time.Time `json:"postmaster_start"`
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
	MaxConns   int               `json:"max_connections"`
	Texts      map[string]string `json:"texts,omitempty"` // queryid to text, once, in the final sample; redacted
	TextsError string            `json:"texts_error,omitempty"`
	Settings   map[string]string `json:"settings,omitempty"` // what decides how the counters may be read, in the first sample of a connection
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
	Calls      int64   `json:"calls"`
	Total      float64 `json:"total_s"`
	Min        float64 `json:"min_s"`
	Max        float64 `json:"max_s"`
	Mean       float64 `json:"mean_s"`
	Stddev     float64 `json:"stddev_s"` // population standard deviation
	Rows       int64   `json:"rows"`
	BlocksHit  int64   `json:"blocks_hit"`
	BlocksRead int64   `json:"blocks_read"`
	TempBlocks int64   `json:"temp_blocks"` // read + written
	WALBytes   int64   `json:"wal_bytes"`
	// Since and MinMaxSince (extension 1.11+) say when this row, and its min and max, began
	// to count: when one changes, the counters are of different lives.
	Since       time.Time `json:"stats_since,omitzero"`
	MinMaxSince time.Time `json:"minmax_stats_since,omitzero"`
}

// DatabaseCounters is the row of pg_stat_database for the connected database. PostgreSQL
// publishes these counters late: a session does so when it goes idle, at most once a second,
// and what it then keeps waits for its next statement or (from 15 on) 10 s of idleness. The
// collector's own few transactions a second are in it.
type DatabaseCounters struct {
	Commits    int64     `json:"xact_commit"`
	Rollbacks  int64     `json:"xact_rollback"`
	BlocksHit  int64     `json:"blocks_hit"`
	BlocksRead int64     `json:"blocks_read"`
	TempFiles  int64     `json:"temp_files"`
	TempBytes  int64     `json:"temp_bytes"`
	Deadlocks  int64     `json:"deadlocks"`
	Conflicts  int64     `json:"conflicts"`
	StatsReset time.Time `json:"stats_reset"`
}

// SessionCount counts the client backends of all databases by state and wait, without the
// collector's own.
type SessionCount struct {
	State       string  `json:"state"`
	Wait        string  `json:"wait"` // wait_event_type, CPU for active without one
	Count       int     `json:"count"`
	OldestQuery Seconds `json:"oldest_query_s"` // of active ones in the connected database
}
