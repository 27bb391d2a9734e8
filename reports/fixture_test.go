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
		"availability > 99%", "cache_hit_ratio > 85%", "db_query_p99 < 500ms", "?conversation/message.p95 < 150ms")
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
		Sessions:   []observation.SessionCount{{State: "active", Wait: "CPU", Count: 2}, {State: "idle", Wait: "Client", Count: 18}},
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

func redis(s int) observation.Redis {
	n := int64(s + 1)
	return observation.Redis{Nodes: []observation.RedisNode{{Address: "10.0.0.8:6379", RunID: "a", Version: "7.0.15", Role: "master",
		Hits: 95 * n, Misses: 5 * n, Commands: 121 * n, Own: n, UsedMemory: 1 << 21, Clients: 21, MaxClients: 10000, Keys: 7}}}
}

func self(s int) observation.Self {
	n := uint64(s + 1)
	return observation.Self{CPU: sec(0.3 * float64(n)), GOMAXPROCS: 2, RSSBytes: 30 << 20, OpenFiles: 59, MaxFiles: 20000, GCPauses: sec(0.001 * float64(n)), GCs: n,
		SchedDelay: observation.Buckets{Upper: []float64{0.0001, 0.001}, Count: []uint64{99 * n, n}}}
}
