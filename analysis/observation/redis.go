package observation

// Redis is what one redisinfo sample holds: one entry a node.
type Redis struct {
	Nodes []RedisNode `json:"nodes"`
}

// RedisNode is one node's INFO: raw cumulative counters and gauges.
type RedisNode struct {
	Address string `json:"address"` // host:port, no credentials
	RunID   string `json:"run_id"`  // changes when the server restarts
	Version string `json:"version"`
	Role    string `json:"role"`
	Error   string `json:"error,omitempty"`

	Hits         int64 `json:"keyspace_hits"`
	Misses       int64 `json:"keyspace_misses"`
	Commands     int64 `json:"total_commands_processed"`
	Own          int64 `json:"own_commands"` // of Commands, the collector's own, counted by the collector
	Expired      int64 `json:"expired_keys"`
	Evicted      int64 `json:"evicted_keys"`
	Rejected     int64 `json:"rejected_connections"`
	ErrorReplies int64 `json:"total_error_replies"`

	UsedMemory int64  `json:"used_memory_bytes"`
	MaxMemory  int64  `json:"maxmemory_bytes"` // 0: unlimited
	Policy     string `json:"maxmemory_policy"`
	RSS        int64  `json:"used_memory_rss_bytes"`

	Clients        int64 `json:"connected_clients"`
	MaxClients     int64 `json:"maxclients"`
	BlockedClients int64 `json:"blocked_clients"`
	Keys           int64 `json:"keys"`
}
