package redisinfo

import (
	"strings"

	"arqload/analysis/observation"
)

// manyKinds bounds how many kinds of error are kept: scripts may make up their own.
const manyKinds = 100

// addStatistic reads a line of the sections commandstats, errorstats and latencystats:
//
//	cmdstat_config|get:calls=1,usec=53,usec_per_call=53.00,rejected_calls=0,failed_calls=0
//	errorstat_NOPERM:count=1
//	latency_percentiles_usec_get:p50=6.015,p99=6.015,p99.9=6.015
//
// Times are microseconds. It says whether it was one.
func addStatistic(s *observation.RedisNode, key, value string) bool {
	if name, ok := strings.CutPrefix(key, "cmdstat_"); ok {
		if s.Calls == nil {
			s.Calls = map[string]observation.RedisCommand{}
		}
		s.Calls[name] = observation.RedisCommand{Calls: number(inner(value, "calls")), Time: micros(inner(value, "usec")),
			Rejected: number(inner(value, "rejected_calls")), Failed: number(inner(value, "failed_calls"))}
		return true
	}
	if name, ok := strings.CutPrefix(key, "errorstat_"); ok {
		if s.Errors == nil {
			s.Errors = map[string]int64{}
		}
		if len(s.Errors) < manyKinds {
			s.Errors[name] = number(inner(value, "count"))
		}
		return true
	}
	if name, ok := strings.CutPrefix(key, "latency_percentiles_usec_"); ok {
		if s.Latency == nil {
			s.Latency = map[string]observation.RedisLatency{}
		}
		s.Latency[name] = observation.RedisLatency{P50: micros(inner(value, "p50")), P99: micros(inner(value, "p99")), P999: micros(inner(value, "p99.9"))}
		return true
	}
	return false
}

func micros(s string) observation.Seconds { return seconds(decimal(s) / 1e6) }

// parseHistogram reads LATENCY HISTOGRAM's answer: by turns a command and the list
//
//	calls 200 histogram_usec (1 5 2 150 4 200)
//
// of upper bounds in microseconds and cumulative counts. The server keeps nanoseconds in
// buckets up to 1024, 2048, 4096 ... and tells whole microseconds, rounded down: one is
// added, so that no call took longer than its bucket says. What has another form is
// skipped.
func parseHistogram(reply []any) map[string][]observation.RedisBucket {
	all := map[string][]observation.RedisBucket{}
	for i := 0; i+1 < len(reply); i += 2 {
		name, ok1 := reply[i].(string)
		fields, ok2 := reply[i+1].([]any)
		if !ok1 || !ok2 {
			continue
		}
		for j := 0; j+1 < len(fields); j += 2 {
			pairs, ok := fields[j+1].([]any)
			if label, _ := fields[j].(string); label != "histogram_usec" || !ok {
				continue
			}
			var buckets []observation.RedisBucket
			for k := 0; k+1 < len(pairs); k += 2 {
				upper, ok1 := pairs[k].(int64)
				calls, ok2 := pairs[k+1].(int64)
				if ok1 && ok2 {
					buckets = append(buckets, observation.RedisBucket{Upper: seconds((float64(upper) + 1) / 1e6), Calls: calls})
				}
			}
			all[name] = buckets
		}
	}
	return all
}
