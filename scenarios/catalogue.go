package scenarios

import (
	"fmt"
	"slices"
)

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

// The rules of the metrics that are no [Definitions]: those of the load, and some of the
// database and the cache.
const (
	RuleArrivals   Rule = "share of arrivals"      // that are too slow or failed, by an exact binomial bound with their dispersion
	RuleRate       Rule = "mean of the seconds"    // judged by a t-interval
	RuleRatio      Rule = "ratio of counters"      // judged by a t-interval over the seconds
	RuleStatements Rule = "bounds on slow queries" // sharp bounds on how many calls can have been slow, or what was seen in flight
)

// Definition is one metric that an objective can be about.
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

// parsed are the metrics that an objective names by a form of its own, in the order in
// which they are shown. Those of the load have no Field. Name is an example of the form.
var parsed = []Definition{
	{Name: "throughput", Unit: UnitPerS, Rule: RuleRate, Example: "1000/s", Larger: true,
		Source: "the load; of a scenario: auth.throughput", Meaning: "successful HTTP responses completed a second"},
	{Name: "p99", Unit: UnitSeconds, Rule: RuleArrivals, Example: "2s",
		Source: "the load; p50, p95, p99.9, any other; of a scenario: message.p95; of a step: conversation/message.p95", Meaning: "a quantile of the response time from the planned start (of a step: of the service time); failures are slower than any limit"},
	{Name: "error_rate", Unit: UnitShare, Rule: RuleArrivals, Example: "0.05%",
		Source: "the load; of a scenario or step: auth.error_rate", Meaning: "arrivals that failed, in whatever way, by all"},
	{Name: "availability", Unit: UnitShare, Rule: RuleArrivals, Example: "99.95%", Larger: true,
		Source: "the load; of a scenario or step: auth.availability", Meaning: "arrivals without transport error, timeout, 5xx or shedding, by all"},
	{Name: "db_query_p99", Unit: UnitSeconds, Rule: RuleStatements, Field: "postgres", Example: "500ms",
		Source: "pg_stat_statements", Meaning: "a quantile of statements' execution times; any: db_query_p95"},
	{Name: "cache_hit_ratio", Unit: UnitShare, Rule: RuleRatio, Field: "redis", Example: "85%", Larger: true,
		Source: "INFO stats: keyspace_hits, keyspace_misses", Meaning: "hits by hits and misses, of all clients"},
	{Name: exampleSelector, Unit: UnitNumber, Rule: RuleSeries, Field: "metrics", Example: "80",
		Source: "the application's Prometheus endpoints", Meaning: "any gauge or counter, of the labels that are named; every series that matches must satisfy it. The limit is a bare number or 512MiB, 250ms (seconds), 80% (a fraction); <, <=, > and >=, for whole numbers == and !="},
}

// definitions is the catalogue of what collectors measure, in the order in which it is
// shown.
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

// Catalogue returns everything that an objective can be about: what the load tells, then
// what the collectors do, by their fields of the plan.
func Catalogue() []Definition {
	var all []Definition
	for _, field := range []string{"", "postgres", "postgres_replica", "redis", "redis_probe_key", "hosts", "metrics"} {
		for _, d := range slices.Concat(parsed, definitions) {
			if d.Field == field {
				all = append(all, d)
			}
		}
	}
	return all
}

// Comparison is the one with which a limit of the metric is written in examples.
func (d Definition) Comparison() Op {
	switch {
	case d.Larger:
		return Greater
	case d.Example == "0" && d.Unit == UnitCount:
		return Equal
	}
	return Less
}

// noQuantile says how the metric is judged to somebody who asks for a quantile of it.
func (d Definition) noQuantile(instead string) error {
	by := "its " + string(d.Rule) + ", not by a quantile"
	switch d.Rule {
	case RuleP99:
		by = "the p99 of its probes, and by no other quantile"
	case RuleSum:
		by = "what was counted, not by a quantile"
	}
	return fmt.Errorf("%s is judged by %s: write %s", d.Name, by, instead)
}

// Definitions returns the metrics that collectors measure and that are named as they are.
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
