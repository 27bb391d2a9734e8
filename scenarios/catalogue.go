package scenarios

import "slices"

// Unit is what the values of a metric are.
type Unit string

// The units. Limits are kept in the base unit: a fraction, seconds, bytes.
const (
	UnitShare   Unit = "share"   // a fraction; written 80%
	UnitCount   Unit = "count"   // a whole number
	UnitSeconds Unit = "seconds" // written 100ms
	UnitBytes   Unit = "bytes"   // written 512MiB or 2GB
	UnitPerS    Unit = "per_s"   // written 100/s
	UnitNumber  Unit = "number"  // whatever the application says it is
)

// Rule says how the samples of a metric become one value.
type Rule string

// The rules.
const (
	RuleMax    Rule = "highest sample"     // of the judged time, over all nodes or hosts; between samples nothing is known
	RuleSum    Rule = "counted"            // difference of counters between the ends of the judged time, summed over nodes
	RuleMean   Rule = "mean"               // of the judged time, judged by a t-interval over its intervals; of several hosts the worst
	RuleP99    Rule = "p99 of probes"      // fewer than 1% of the probes may be at or over the limit, by the exact binomial test
	RuleSeries Rule = "series of a metric" // of the application's own metrics: a gauge's highest (for >, lowest) sample, a counter's increase
)

// Definition is one metric that a collector measures, beside those of the load itself.
type Definition struct {
	Name    string // as a plan writes it: db.connections.used_share
	Unit    Unit
	Rule    Rule
	Field   string // of the plan's system section, which names where it comes from
	Source  string // the view, command or file it is read from
	Meaning string
	Larger  bool   // true: larger is better
	Example string // a limit
}

// definitions is the catalogue, in the order in which it is shown.
var definitions = []Definition{
	{Name: "db.connections.used_share", Unit: UnitShare, Rule: RuleMax, Field: "postgres", Example: "80%",
		Source: "pg_stat_activity", Meaning: "client sessions by the connections that are free to clients: max_connections less the reserved ones"},
	{Name: "db.connections.active", Unit: UnitCount, Rule: RuleMax, Field: "postgres", Example: "50",
		Source: "pg_stat_activity", Meaning: "client sessions that run a statement"},
	{Name: "db.connections.idle_in_transaction", Unit: UnitCount, Rule: RuleMax, Field: "postgres", Example: "20",
		Source: "pg_stat_activity", Meaning: "client sessions idle inside a transaction"},
	{Name: "db.locks.waiting", Unit: UnitCount, Rule: RuleMax, Field: "postgres", Example: "10",
		Source: "pg_locks", Meaning: "locks that are waited for"},
	{Name: "db.locks.longest_wait", Unit: UnitSeconds, Rule: RuleMax, Field: "postgres", Example: "1s",
		Source: "pg_locks (PostgreSQL 14 and later)", Meaning: "the longest that a lock had been waited for"},
	{Name: "db.deadlocks", Unit: UnitCount, Rule: RuleSum, Field: "postgres", Example: "0",
		Source: "pg_stat_database", Meaning: "deadlocks"},
	{Name: "db.conflicts", Unit: UnitCount, Rule: RuleSum, Field: "postgres", Example: "0",
		Source: "pg_stat_database", Meaning: "queries canceled by conflicts with recovery (on a replica)"},
	{Name: "db.rollbacks", Unit: UnitCount, Rule: RuleSum, Field: "postgres", Example: "10",
		Source: "pg_stat_database", Meaning: "transactions rolled back"},
	{Name: "db.temp_bytes", Unit: UnitBytes, Rule: RuleSum, Field: "postgres", Example: "100MiB",
		Source: "pg_stat_database", Meaning: "written to temporary files by queries that outgrew work_mem"},
	{Name: "db.buffer_hit_ratio", Unit: UnitShare, Rule: RuleMean, Field: "postgres", Example: "99%", Larger: true,
		Source: "pg_stat_database", Meaning: "blocks found in shared buffers by all blocks asked for (the rest may still come from the system's cache)"},
	{Name: "db.checkpoints_requested", Unit: UnitCount, Rule: RuleSum, Field: "postgres", Example: "1",
		Source: "pg_stat_checkpointer, before 17 pg_stat_bgwriter", Meaning: "checkpoints forced by the amount of WAL or by a person"},
	{Name: "replication_lag", Unit: UnitSeconds, Rule: RuleP99, Field: "postgres_replica", Example: "100ms",
		Source: "pg_current_wal_flush_lsn on the primary, pg_last_wal_replay_lsn on the replica", Meaning: "how long until what the primary has flushed is replayed on the replica, by this tool's clock: an upper bound"},
	{Name: "cache.evictions", Unit: UnitCount, Rule: RuleSum, Field: "redis", Example: "0",
		Source: "INFO stats: evicted_keys", Meaning: "keys evicted for memory"},
	{Name: "cache.rejected_connections", Unit: UnitCount, Rule: RuleSum, Field: "redis", Example: "0",
		Source: "INFO stats: rejected_connections", Meaning: "connections refused because of maxclients"},
	{Name: "cache.error_replies", Unit: UnitCount, Rule: RuleSum, Field: "redis", Example: "0",
		Source: "INFO stats: total_error_replies", Meaning: "commands answered with an error"},
	{Name: "cache.memory_share", Unit: UnitShare, Rule: RuleMax, Field: "redis", Example: "80%",
		Source: "INFO memory: used_memory less mem_not_counted_for_evict, by maxmemory", Meaning: "memory used of maxmemory, of the fullest node; no data where maxmemory is 0 (unlimited)"},
	{Name: "cache.clients_share", Unit: UnitShare, Rule: RuleMax, Field: "redis", Example: "80%",
		Source: "INFO clients: connected_clients, maxclients", Meaning: "clients by maxclients, of the fullest node"},
	{Name: "cache.blocked_clients", Unit: UnitCount, Rule: RuleMax, Field: "redis", Example: "1",
		Source: "INFO clients: blocked_clients", Meaning: "clients in a blocking command, over all nodes"},
	{Name: "cache.cpu_share", Unit: UnitShare, Rule: RuleMean, Field: "redis", Example: "70%",
		Source: "INFO cpu: used_cpu_*_main_thread", Meaning: "CPU time of the main thread, which runs the commands, by the time; of the busiest node"},
	{Name: "cache.replication_lag", Unit: UnitSeconds, Rule: RuleP99, Field: "redis_probe_key", Example: "100ms",
		Source: "SET and WAIT on a connection of its own", Meaning: "how long until a write is acknowledged by the replicas"},
	{Name: "cache.replication_offset_lag", Unit: UnitBytes, Rule: RuleMax, Field: "redis", Example: "1MiB",
		Source: "INFO replication: master_repl_offset, slaveN offset", Meaning: "bytes that the slowest replica had not acknowledged; replicas tell once a second"},
	{Name: "host.cpu_share", Unit: UnitShare, Rule: RuleMean, Field: "hosts", Example: "70%",
		Source: "node_cpu_seconds_total or /proc/stat", Meaning: "busy time of all CPUs by all time; of the busiest host"},
	{Name: "host.memory_share", Unit: UnitShare, Rule: RuleMax, Field: "hosts", Example: "80%",
		Source: "node_memory_MemAvailable_bytes or /proc/meminfo", Meaning: "memory that is not available by all of it; of the fullest host"},
	{Name: "host.disk_busy_share", Unit: UnitShare, Rule: RuleMean, Field: "hosts", Example: "80%",
		Source: "node_disk_io_time_seconds_total or /proc/diskstats", Meaning: "time in which a disk had something to do, by the time; of the busiest disk"},
}

// Definitions returns the metrics that collectors measure.
func Definitions() []Definition { return slices.Clone(definitions) }

// Define returns the definition of a collector's metric.
func Define(name string) (Definition, bool) {
	for _, d := range definitions {
		if d.Name == name {
			return d, true
		}
	}
	return Definition{}, false
}
