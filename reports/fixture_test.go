package reports_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"arqload/analysis"
	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/reports"
	"arqload/scenarios"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file in testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what it was (-was +is); where that is meant, `make golden` rewrites it:\n%s", path, diff)
	}
}

func objectives(t *testing.T, texts ...string) []scenarios.Objective {
	t.Helper()
	var all []scenarios.Objective
	for _, text := range texts {
		required := text[0] != '?'
		if !required {
			text = text[1:]
		}
		o, err := scenarios.ParseObjective(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Required = required
		all = append(all, o)
	}
	return all
}

// report judges a record as the command line does.
func report(run *observation.Run, demands []scenarios.Objective) *reports.Report {
	s := analysis.Summarize(run)
	return reports.New(s, analysis.Judge(s, demands), demands)
}

const (
	ms     = time.Millisecond
	steady = 12 // judged seconds, after 2 of warm-up
	end    = 2 + steady
)

var started = time.Date(2026, 11, 23, 9, 15, 0, 0, time.UTC)

// demands has an objective of every metric and of every verdict but "no data".
func demands(t *testing.T) []scenarios.Objective {
	return objectives(t, "throughput >= 240/s", "p50 < 200ms", "p95 < 1s", "conversation.p50 < 100ms", "error_rate < 5%", "error_rate < 0.05%",
		"availability > 99%", "cache_hit_ratio > 85%", "db_query_p99 < 500ms",
		"db.connections.used_share < 80%", "db.deadlocks == 0", "replication_lag < 100ms", "?db.locks.longest_wait < 100ms", "?db.buffer_hit_ratio > 99%", "?conversation/message.p95 < 150ms")
}

// record is a run of 2 s warm-up and 12 s judged, of 100 logins a second and 50
// conversations of three steps. In it, by hand:
//
//	auth          1200 planned; in second 5 two answers were 503: 1198 ok
//	conversation   600 planned; in second 7 one was shed and one got no answer to its
//	               message in time: 598 ok
//
// Of each second's logins 90 took 10 ms and the rest 100 ms, each conversation 200 ms.
func record(t *testing.T) *observation.Run {
	t.Helper()
	var m observation.Memory
	h := observation.Header{
		Version: observation.Version, ID: "20261123T091500Z-golden", Name: "golden", ToolVersion: "v1.2.3", StartedAt: started,
		PlanSHA256: "0123456789abcdef0123456789abcdef", Environment: map[string]string{"host": "vm", "cpus": "2"},
		Phases: []observation.Phase{{Name: "warm-up", Start: sec(0), End: sec(2)}, {Name: "steady", Judged: true, Start: sec(2), End: sec(end)}},
		Lanes: []observation.Lane{
			{Scenario: "auth", Steps: []string{"token"}, RatePerS: 100, InFlight: 50, PlannedRun: 100 * end, PlannedJudg: 100 * steady},
			{Scenario: "conversation", Steps: []string{"login", "dialogue", "message"}, RatePerS: 50, InFlight: 50, PlannedRun: 50 * end, PlannedJudg: 50 * steady},
		},
		Counters: []observation.Counter{{Over: ">=200ms", Limit: sec(0.2)}, {Over: ">=1s", Limit: sec(1)}, {Scenario: "conversation", Over: ">=100ms", Limit: sec(0.1)}},
		Sources:  []observation.Source{{Collector: "selfhealth", Asked: true}, {Collector: "pgstat", Asked: true}, {Collector: "redisinfo", Asked: true}},
		MaxLag:   sec(10),
		Floor:    &observation.Floor{RatePerS: 150, Count: 150, P50: sec(0.0004), P95: sec(0.0009), P99: sec(0.0015)},
	}
	must(t, m.Begin(h))
	for s := range end {
		must(t, m.Second(oneSecond(s)))
	}
	must(t, m.Example(observation.Example{At: sec(5.01), Scenario: "auth", Step: "token", Class: observation.HTTP5xx, Status: 503, Message: "answered 503, expected 200 or 201",
		Answer: `{"error":"upstream"}`, Timings: observation.Timings{Reused: true, FirstByte: sec(0.009)}}))
	must(t, m.Slow(observation.Slow{Planned: sec(7), Scenario: "conversation", Response: sec(0.2), OK: true, Steps: []observation.SlowStep{{Step: "login", Service: sec(0.01), Status: 200}}}))
	for s := -1; s <= end; s++ {
		sample(t, &m, "pgstat", s, postgres(s))
		sample(t, &m, "redisinfo", s, redis(s))
		sample(t, &m, "selfhealth", s, self(s))
		sample(t, &m, "hosts", s, machines(s))
		sample(t, &m, "appmetrics", s, processes(s))
	}
	must(t, m.End(observation.Footer{Ended: sec(end + 0.2), Addresses: map[string]uint64{"10.0.0.7:8080": 3500}, Sessions: 200, Retried: 1, Warnings: []string{}}))
	return &m.Run
}

func sec(s float64) observation.Seconds { return observation.Seconds(s * 1e9) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func oneSecond(s int) (observation.Second, []observation.Interval) {
	logins := observation.LaneSecond{Requests: 100, CompletedOK: 100, Tally: observation.Tally{Planned: 100, Sent: 100, Results: observation.Results{OK: 100}}}
	talks := observation.LaneSecond{Requests: 150, CompletedOK: 150, Tally: observation.Tally{Planned: 50, Sent: 50, Results: observation.Results{OK: 50}}}
	message := observation.StepTally{Results: observation.Results{OK: 50}}
	switch s {
	case 5:
		logins.OK, logins.CompletedOK = 98, 98
		logins.Fail(observation.HTTP5xx)
		logins.Fail(observation.HTTP5xx)
	case 7:
		talks.OK, talks.Sent, talks.Shed, talks.Requests, talks.CompletedOK = 48, 49, 1, 147, 146
		talks.Fail(observation.Shed)
		talks.Fail(observation.Timeout)
		message.OK = 48
		message.Fail(observation.Timeout)
	}
	talks.Over = map[string]uint64{">=200ms": talks.OK, ">=100ms": talks.OK}
	both := talks.Sent
	logins.Steps = map[string]*observation.StepTally{"token": {Results: logins.Results}}
	talks.Steps = map[string]*observation.StepTally{
		"login": {Results: observation.Results{OK: both}}, "dialogue": {Results: observation.Results{OK: both}}, "message": &message,
	}
	o := observation.Second{Start: sec(float64(s)), Length: sec(1), Phase: "steady", Judged: true, InFlight: 11, InFlightMax: 12, Backlog: 3,
		Connections: observation.Connections{New: 1, Reused: 249, Connect: sec(0.002), ConnectMax: sec(0.002)},
		Scenarios:   map[string]*observation.LaneSecond{"auth": &logins, "conversation": &talks}}
	if s < 2 {
		o.Phase, o.Judged = "warm-up", false
	}
	for _, l := range o.Scenarios {
		for _, step := range l.Steps {
			step.CompletedOK = step.OK
		}
		o.Tally.Add(&l.Tally)
		o.Requests += l.Requests
		o.CompletedOK += l.CompletedOK
	}
	o.Completed = o.Requests
	o.Response = observation.Quantiles{Count: int64(o.OK), P50: sec(0.01), P95: sec(0.2), P99: sec(0.2)}

	series := func(scenario, step string, out observation.Outcome, c observation.Clock, h *hist.Histogram) observation.Interval {
		return observation.Interval{Series: observation.Series{Scenario: scenario, Step: step, Outcome: out, Clock: c}, Hist: h}
	}
	slow := int64(logins.OK) - 90
	return o, []observation.Interval{
		series("auth", observation.All, observation.OK, observation.Response, times(10*ms, 90, 100*ms, slow)),
		series("auth", observation.All, observation.OK, observation.Service, times(9*ms, 90, 99*ms, slow)),
		series("auth", "token", observation.OK, observation.Service, times(9*ms, 90, 99*ms, slow)),
		series("auth", observation.All, observation.Started, observation.Lag, times(100*time.Microsecond, 100)),
		series("auth", observation.All, observation.Started, observation.SlotWait, times(0, 100)),
		series("conversation", observation.All, observation.OK, observation.Response, times(200*ms, int64(talks.OK))),
		series("conversation", observation.All, observation.OK, observation.Service, times(199*ms, int64(talks.OK))),
		series("conversation", "login", observation.OK, observation.Service, times(9*ms, int64(both))),
		series("conversation", "dialogue", observation.OK, observation.Service, times(90*ms, int64(both))),
		series("conversation", "message", observation.OK, observation.Service, times(100*ms, int64(message.OK))),
		series("conversation", observation.All, observation.Started, observation.Lag, times(100*time.Microsecond, 49, 3*ms, 1)),
		series("conversation", observation.All, observation.Started, observation.SlotWait, times(0, 49, 5*ms, 1)),
	}
}

// times is a histogram of durations, each with its count.
func times(pairs ...any) *hist.Histogram {
	h := hist.New()
	for i := 0; i < len(pairs); i += 2 {
		var d time.Duration
		switch v := pairs[i].(type) {
		case time.Duration:
			d = v
		case int:
		}
		switch n := pairs[i+1].(type) {
		case int:
			h.RecordN(d, int64(n))
		case int64:
			h.RecordN(d, n)
		}
	}
	return h
}

func sample(t *testing.T, m *observation.Memory, collector string, s int, data any) {
	t.Helper()
	raw, err := json.Marshal(data)
	must(t, err)
	must(t, m.Sample(observation.Sample{Collector: collector, At: sec(float64(s) + 0.01), Took: sec(0.004), Data: raw}))
}

func postgres(s int) observation.Postgres {
	n := int64(s + 1)
	row := func(id, calls int64, each float64) observation.Statement {
		return observation.Statement{StatementKey: observation.StatementKey{UserID: 10, DBID: 5, QueryID: id, TopLevel: true},
			Calls: calls, Total: float64(calls) * each, Min: each, Max: each, Mean: each, Rows: calls, BlocksHit: 3 * calls}
	}
	p := observation.Postgres{
		ServerVersion: 150018, Name: "arq", Postmaster: started.Add(-time.Hour), Clock: started.Add(time.Duration(s) * time.Second), Extension: "1.10",
		StatsReset: started.Add(-time.Hour), MaxConns: 100, StatementsRead: true, Reading: n + 1,
		Statements: []observation.Statement{row(1, 100+150*n, 0.002), row(2, 100+50*n, 0.0005)},
		Database:   observation.DatabaseCounters{Commits: 200 * n, BlocksHit: 900 * n, BlocksRead: n, TempBytes: 1 << 20},
		Sessions:   []observation.SessionCount{{State: "active", Wait: "CPU", Count: 1}, {State: "active", Wait: "Lock", Event: "tuple", Count: 1}, {State: "idle", Wait: "Client", Count: 18}},
		Clients:    22, Reserved: 3,
		Locks: []observation.LockWait{{Type: "tuple", Mode: "ExclusiveLock", Count: 1, Longest: sec(0.2)}},
		Background: &observation.Background{
			Checkpoints: &observation.Checkpoints{Timed: n / 10, Requested: n / 12, WriteTime: sec(0.1 * float64(n)), Buffers: 20 * n},
			WAL:         &observation.WAL{Records: 500 * n, Bytes: n << 20}, IO: &observation.IO{Reads: n, Writes: 2 * n, Fsyncs: n / 10, ReadTime: sec(0.001 * float64(n))}},
		Replicas: []observation.Replica{{Name: "replica-1", State: "streaming", Sync: "async", LagBytes: 1 << 14, BytesKnow: true}},
		Activity: &observation.Activity{Polls: 10, Gap: sec(0.11), Floor: sec(0.2)},
		Lag:      &observation.ReplicaLag{Probes: []observation.LagProbe{{Ago: sec(0.5), Lag: sec(0.002)}, {Ago: sec(0.4), Lag: sec(0.03)}}},
		Own:      observation.Own{Queries: 15 * n, Wall: sec(0.012 * float64(n)), InDatabase: sec(0.004 * float64(n))},
	}
	if s == 5 {
		p.Activity.Calls = []observation.ActiveCall{{Ago: sec(1.5), Seen: sec(0.7), Under: sec(0.8), QueryID: 1, Wait: "Lock/tuple"}}
	}
	if s == -1 || s == end {
		p.Tables = []observation.Table{{Name: "public.messages", Bytes: 1<<20 + 8192*n, LiveRows: 150 * n, DeadRows: n, Inserted: 150 * n}}
	}
	if s == -1 {
		p.Settings = map[string]string{"role": "arq", "pg_read_all_stats": "true", "pg_stat_statements.track": "top"}
	}
	if s == end {
		p.Texts = map[string]string{
			"1": "INSERT INTO messages (id, dialogue_id, body, reply, created_at)\n\tVALUES ($1, $2, $3, $4, $5) RETURNING id, dialogue_id, created_at",
			"2": "select 1"}
	}
	return p
}

// redis is a primary with 95 hits and 5 misses a second and its replica, which clients do
// not read. Of its 100 GET a second of 3 us each, 99 take at most 5 us; two of its 20 SET a
// second fail. Each probe takes 1 ms.
func redis(s int) observation.Redis {
	n := int64(s + 1)
	micro := observation.Seconds(time.Microsecond)
	primary := observation.RedisNode{Address: "10.0.0.8:6379", RunID: "a", Version: "7.0.15", Role: "master", Policy: "allkeys-lru", MaxMemory: 1 << 22,
		Hits: 95 * n, Misses: 5 * n, Commands: 121 * n, Own: n, ErrorReplies: 2 * n, UsedMemory: 1 << 21, Clients: 21, MaxClients: 10000, Keys: 7,
		MainCPU: sec(0.1 * float64(n)), MasterOffset: 100 * n, Replicas: []observation.RedisReplica{{Address: "10.0.0.9:6379", State: "online", Offset: 100*n - 40}}}
	replica := observation.RedisNode{Address: "10.0.0.9:6379", Found: "10.0.0.8:6379", RunID: "b", Version: "7.0.15", Role: "slave", Policy: "allkeys-lru", MaxMemory: 1 << 22,
		Commands: 21 * n, Own: n, UsedMemory: 1 << 21, Clients: 2, MaxClients: 10000, Keys: 7, MainCPU: sec(0.02 * float64(n)), Master: "10.0.0.8:6379", MasterLink: "up"}
	if s == 2 || s == end {
		primary.Detailed = true
		primary.Calls = map[string]observation.RedisCommand{"get": {Calls: 100 * n, Time: observation.Seconds(300*n) * micro}, "set": {Calls: 20 * n, Time: observation.Seconds(100*n) * micro, Failed: 2 * n},
			"info": {Calls: n, Time: observation.Seconds(50*n) * micro}}
		primary.OwnCalls = map[string]int64{"info": n}
		primary.Errors = map[string]int64{"WRONGTYPE": 2 * n}
		primary.Buckets = map[string][]observation.RedisBucket{"get": {{Upper: 5 * micro, Calls: 99 * n}, {Upper: 9 * micro, Calls: 100 * n}}, "set": {{Upper: 9 * micro, Calls: 20 * n}}}
		primary.Latency = map[string]observation.RedisLatency{"get": {P50: 3 * micro, P99: 5 * micro, P999: 9 * micro}, "set": {P50: 5 * micro, P99: 9 * micro, P999: 9 * micro}}
	}
	r := observation.Redis{Nodes: []observation.RedisNode{primary, replica}, Probing: true}
	for i := range 10 {
		r.Probes = append(r.Probes, observation.RedisProbe{Master: primary.Address, Ago: sec(1 - 0.1*float64(i)), Took: sec(0.001)})
	}
	return r
}

func self(s int) observation.Self {
	n := uint64(s + 1)
	return observation.Self{CPU: sec(0.3 * float64(n)), GOMAXPROCS: 2, RSSBytes: 30 << 20, OpenFiles: 59, MaxFiles: 20000, GCPauses: sec(0.001 * float64(n)), GCs: n,
		SchedDelay: observation.Buckets{Upper: []float64{0.0001, 0.001}, Count: []uint64{99 * n, n}}}
}
