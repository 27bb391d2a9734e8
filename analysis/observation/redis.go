package observation

// Redis is what one redisinfo sample holds: one entry a node, and the replication probes
// that ended since the sample before.
type Redis struct {
	Nodes []RedisNode `json:"nodes"`
	// Probing says that the plan names a key for probes; ProbeNotes why there were none of
	// a master, or why some were lost.
	Probing    bool         `json:"probing,omitempty"`
	Probes     []RedisProbe `json:"probes,omitempty"`
	ProbeNotes []string     `json:"probe_notes,omitempty"`
	// Dropped is how many planned probes were given up because too many had not ended.
	Dropped int `json:"probes_dropped,omitempty"`
	// Notes say what may be missing from Nodes: a cluster that was not told, an address
	// that is left out.
	Notes []string `json:"notes,omitempty"`
}

// RedisNode is one node's INFO: raw cumulative counters and gauges.
type RedisNode struct {
	Address string `json:"address"` // host:port, no credentials
	// Found says through which other node this one was found; empty: the plan names it.
	Found   string `json:"found,omitempty"`
	RunID   string `json:"run_id"` // changes when the server restarts
	Version string `json:"version"`
	Role    string `json:"role"` // master or slave
	Cluster bool   `json:"cluster_enabled,omitempty"`
	Error   string `json:"error,omitempty"`

	Hits         int64 `json:"keyspace_hits"`
	Misses       int64 `json:"keyspace_misses"`
	Commands     int64 `json:"total_commands_processed"` // of a replica also those of the replication stream
	Own          int64 `json:"own_commands"`             // of Commands, the collector's own, counted by the collector
	Expired      int64 `json:"expired_keys"`
	Evicted      int64 `json:"evicted_keys"`
	Rejected     int64 `json:"rejected_connections"`
	ErrorReplies int64 `json:"total_error_replies"`
	OwnErrors    int64 `json:"own_error_replies,omitempty"` // of ErrorReplies

	UsedMemory    int64   `json:"used_memory_bytes"`
	NotCounted    int64   `json:"mem_not_counted_for_evict_bytes,omitempty"` // of UsedMemory: buffers that maxmemory does not limit
	MaxMemory     int64   `json:"maxmemory_bytes"`                           // 0: unlimited
	Policy        string  `json:"maxmemory_policy"`
	RSS           int64   `json:"used_memory_rss_bytes"`
	Fragmentation float64 `json:"mem_fragmentation_ratio,omitempty"`

	Clients        int64 `json:"connected_clients"`
	MaxClients     int64 `json:"maxclients"`
	BlockedClients int64 `json:"blocked_clients"`
	OwnBlocked     int64 `json:"own_blocked_clients,omitempty"` // of BlockedClients: a probe's WAIT
	Keys           int64 `json:"keys"`

	// MainCPU is the CPU time of the thread that runs the commands; 0: not told (before 6.2,
	// or by a service that hides it).
	MainCPU Seconds `json:"used_cpu_main_thread_s,omitempty"`

	MasterOffset int64          `json:"master_repl_offset,omitempty"`
	MasterLink   string         `json:"master_link_status,omitempty"` // of a replica: up or down
	Master       string         `json:"master,omitempty"`             // of a replica: host:port
	Replicas     []RedisReplica `json:"replicas,omitempty"`

	// The rest is read at the edges of phases and every ten seconds only.
	Detailed bool                     `json:"detailed,omitempty"`
	Calls    map[string]RedisCommand  `json:"commandstats,omitempty"` // by command, "config|get" for a subcommand
	OwnCalls map[string]int64         `json:"own_calls,omitempty"`    // of Calls, the collector's own
	Errors   map[string]int64         `json:"errorstats,omitempty"`   // by the error's first word
	Latency  map[string]RedisLatency  `json:"latencystats,omitempty"`
	Buckets  map[string][]RedisBucket `json:"latency_histogram,omitempty"`
}

// RedisReplica is a replica as its master sees it. Replicas tell their offset once a
// second.
type RedisReplica struct {
	Address string `json:"address"`
	State   string `json:"state"` // online, wait_bgsave, send_bulk
	Offset  int64  `json:"offset"`
	Lag     int64  `json:"lag_s"` // whole seconds since it last told
}

// RedisCommand counts one command since the server's start or reset.
type RedisCommand struct {
	Calls    int64   `json:"calls"`
	Time     Seconds `json:"time_s"` // executing them; neither queue nor network is in it
	Rejected int64   `json:"rejected,omitempty"`
	Failed   int64   `json:"failed,omitempty"`
}

// RedisLatency are quantiles of one command's execution time since the server's start or
// reset, never of an interval.
type RedisLatency struct {
	P50  Seconds `json:"p50_s"`
	P99  Seconds `json:"p99_s"`
	P999 Seconds `json:"p999_s"`
}

// RedisBucket says that so many calls since the server's start or reset took at most
// Upper. Empty buckets are left out; each Upper is about twice the one before.
type RedisBucket struct {
	Upper Seconds `json:"upper_s"`
	Calls int64   `json:"calls"` // cumulative: those of all lower buckets are among them
}

// RedisProbe is one write whose way to all connected replicas was timed.
type RedisProbe struct {
	Master string  `json:"master"` // host:port
	Ago    Seconds `json:"ago_s"`  // of its planned instant, before the sample was begun
	Took   Seconds `json:"took_s"`
	// AtLeast says that it had not ended: it took Took or longer. Lost says that it has no
	// duration at all.
	AtLeast bool `json:"at_least,omitempty"`
	Lost    bool `json:"lost,omitempty"`
}
