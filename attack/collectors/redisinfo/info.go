package redisinfo

import (
	"fmt"
	"strconv"
	"strings"

	"arqload/analysis/observation"
)

// parseInfo reads INFO's text: lines "key:value" under "# Section" headings. Fields it
// does not know are skipped, fields that are not there stay zero, but for the two that
// nothing can stand in for.
func parseInfo(text string) (observation.RedisNode, error) {
	fields := map[string]string{}
	var keys int64
	for line := range strings.Lines(text) {
		k, v, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok || strings.HasPrefix(k, "#") {
			continue
		}
		fields[k] = v
		if _, err := strconv.Atoi(strings.TrimPrefix(k, "db")); err == nil && strings.HasPrefix(k, "db") {
			keys += number(inner(v, "keys"))
		}
	}
	for _, k := range []string{"keyspace_hits", "keyspace_misses"} {
		if _, err := strconv.ParseInt(fields[k], 10, 64); err != nil {
			return observation.RedisNode{}, fmt.Errorf("INFO has no number %s: not a Redis that counts its reads", k)
		}
	}
	n := func(key string) int64 { return number(fields[key]) }
	return observation.RedisNode{
		RunID:          fields["run_id"],
		Version:        fields["redis_version"],
		Role:           fields["role"],
		Hits:           n("keyspace_hits"),
		Misses:         n("keyspace_misses"),
		Commands:       n("total_commands_processed"),
		Expired:        n("expired_keys"),
		Evicted:        n("evicted_keys"),
		Rejected:       n("rejected_connections"),
		ErrorReplies:   n("total_error_replies"),
		UsedMemory:     n("used_memory"),
		MaxMemory:      n("maxmemory"),
		Policy:         fields["maxmemory_policy"],
		RSS:            n("used_memory_rss"),
		Clients:        n("connected_clients"),
		MaxClients:     n("maxclients"),
		BlockedClients: n("blocked_clients"),
		Keys:           keys,
	}, nil
}

// inner reads one value of "keys=1,expires=0,avg_ttl=0".
func inner(list, key string) string {
	for kv := range strings.SplitSeq(list, ",") {
		if k, v, ok := strings.Cut(kv, "="); ok && k == key {
			return v
		}
	}
	return ""
}

// number is 0 for what is no number: a field of another Redis version.
func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
