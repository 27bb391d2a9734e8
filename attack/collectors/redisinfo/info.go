package redisinfo

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"

	"arqload/analysis/observation"
)

// parseInfo reads INFO's text: lines "key:value" under "# Section" headings. Fields it
// does not know are skipped, fields that are not there stay zero, but for the two that
// nothing can stand in for.
func parseInfo(text string) (observation.RedisNode, error) {
	var s observation.RedisNode
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		k, v, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok || strings.HasPrefix(k, "#") || addStatistic(&s, k, v) {
			continue
		}
		fields[k] = v
		if numbered(k, "db") {
			s.Keys += number(inner(v, "keys"))
		}
		if numbered(k, "slave") {
			s.Replicas = append(s.Replicas, observation.RedisReplica{Address: net.JoinHostPort(inner(v, "ip"), inner(v, "port")),
				State: inner(v, "state"), Offset: number(inner(v, "offset")), Lag: number(inner(v, "lag"))})
		}
	}
	for _, k := range []string{"keyspace_hits", "keyspace_misses"} {
		if _, err := strconv.ParseInt(fields[k], 10, 64); err != nil {
			return observation.RedisNode{}, fmt.Errorf("INFO has no number %s: not a Redis that counts its reads", k)
		}
	}
	n := func(key string) int64 { return number(fields[key]) }
	s.RunID, s.Version, s.Role, s.Cluster = fields["run_id"], fields["redis_version"], fields["role"], fields["cluster_enabled"] == "1"
	s.Hits, s.Misses, s.Commands = n("keyspace_hits"), n("keyspace_misses"), n("total_commands_processed")
	s.Expired, s.Evicted, s.Rejected, s.ErrorReplies = n("expired_keys"), n("evicted_keys"), n("rejected_connections"), n("total_error_replies")
	s.UsedMemory, s.NotCounted, s.MaxMemory, s.Policy = n("used_memory"), n("mem_not_counted_for_evict"), n("maxmemory"), fields["maxmemory_policy"]
	s.RSS, s.Fragmentation = n("used_memory_rss"), decimal(fields["mem_fragmentation_ratio"])
	s.Clients, s.MaxClients, s.BlockedClients = n("connected_clients"), n("maxclients"), n("blocked_clients")
	s.MainCPU = seconds(decimal(fields["used_cpu_sys_main_thread"]) + decimal(fields["used_cpu_user_main_thread"]))
	s.MasterOffset, s.MasterLink = n("master_repl_offset"), fields["master_link_status"]
	if host := fields["master_host"]; host != "" {
		s.Master = net.JoinHostPort(host, fields["master_port"])
	}
	return s, nil
}

// numbered says whether a key is a name with a number behind it: db0, slave1.
func numbered(key, name string) bool {
	rest, ok := strings.CutPrefix(key, name)
	_, err := strconv.ParseUint(rest, 10, 32)
	return ok && err == nil
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
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// decimal is 0 for what is no number that can be kept.
func decimal(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1e15 {
		return 0
	}
	return f
}

// seconds are 0 for what no server can have run.
func seconds(s float64) observation.Seconds {
	if math.Abs(s) > 1e9 {
		return 0
	}
	return observation.Seconds(math.Round(s * 1e9))
}
