package analysis

import (
	"errors"
	"testing"
	"time"

	"arqload/analysis/observation"
)

// lagRun has n judged seconds after 10 s of warm-up; probe says what became of the one begun at an instant.
func lagRun(t *testing.T, n int, probe func(begun float64) (lag float64, ok bool, lost bool)) *Summary {
	run := runOf(phase("warm-up", 0, 10, false), phase("steady", 10, float64(10+n), true))
	run.Footer.Ended = at(float64(11 + n))
	for sec := 0; sec <= n+13; sec++ {
		p := observation.Postgres{ServerVersion: 150018, Name: "arq", Postmaster: epoch, Lag: &observation.ReplicaLag{}, Activity: &observation.Activity{}}
		for i := range 10 {
			ago := 1 - float64(i)/10
			lag, ok, lost := probe(float64(sec) - ago)
			if !ok {
				continue
			}
			p.Lag.Probes = append(p.Lag.Probes, observation.LagProbe{Ago: observation.Seconds(ago * 1e9), Lag: observation.Seconds(lag * 1e9), Lost: lost})
		}
		put(t, run, "pgstat", float64(sec), p, nil)
	}
	d := SummarizeDatabase(run)
	return &Summary{Database: d, Measures: d.Measures, Judged: time.Duration(n) * time.Second}
}

// healthy is a run of PostgreSQL in which nothing is wrong, whose samples take so long.
func healthy(t *testing.T, run *observation.Run, took time.Duration, edit func(int, *observation.Postgres) error) *Summary {
	postgres(t, run, func(s int, p *observation.Postgres) error {
		p.Clients, p.Reserved = 40, 3
		p.Database.Deadlocks = 0
		p.Background = &observation.Background{Checkpoints: &observation.Checkpoints{}}
		_ = looked(nil, nil)(s, p)
		if edit != nil {
			return edit(s, p)
		}
		return nil
	})
	for i := range run.Samples {
		run.Samples[i].Took = observation.Seconds(took)
	}
	d := SummarizeDatabase(run)
	return &Summary{Database: d, Measures: d.Measures, Judged: 10 * time.Second}
}

// cacheRun is the same of Redis.
func cacheRun(t *testing.T, run *observation.Run, took time.Duration, edit func(s int, r *observation.Redis) error) *Summary {
	redis(t, run, func(s int, r *observation.Redis) error {
		r.Nodes = r.Nodes[:1]
		m := &r.Nodes[0]
		m.MaxMemory, m.MainCPU = 1e6, observation.Seconds(int64(s+3)*1e8)
		m.MasterOffset = int64(1000 * (s + 3))
		m.Replicas = append(m.Replicas, observation.RedisReplica{Address: "b:6379", State: "online", Offset: m.MasterOffset - 40})
		r.Nodes = append(r.Nodes, observation.RedisNode{Address: "b:6379", RunID: "life of b", Version: "7.0.15", Role: "slave", Master: "a:6379", MasterLink: "up",
			Commands: int64(30 * (s + 2)), MaxClients: 100, Clients: 5, MaxMemory: 1e6, MainCPU: observation.Seconds(int64(s+3) * 1e8)})
		r.Probing = true
		r.Probes = probesOf("a:6379", 40, time.Millisecond)
		if edit != nil {
			return edit(s, r)
		}
		return nil
	})
	for i := range run.Samples {
		run.Samples[i].Took = observation.Seconds(took)
	}
	return cacheOf(SummarizeCache(run))
}

// ends says whether an objective ends in one of the outcomes, or in none of them where not.
func ends(t *testing.T, s *Summary, text string, not bool, outcomes ...Outcome) {
	t.Helper()
	r := judgeText(t, s, text)
	for _, o := range outcomes {
		if (r.Outcome == o) != not {
			return
		}
	}
	t.Errorf("%s: %s (%s), want %v (none of them: %v)", text, r.Outcome, r.Reason, outcomes, not)
}

// TestALongScrapeHidesNoCounter: one that takes 300 ms is still a reading of its second.
func TestALongScrapeHidesNoCounter(t *testing.T) {
	slowAt := func(run *observation.Run, at0 observation.Seconds, took time.Duration) *observation.Run {
		for i := range run.Samples {
			if at0 < 0 || run.Samples[i].At == at0 {
				run.Samples[i].Took = observation.Seconds(took)
			}
		}
		return run
	}
	app := func() *observation.Run {
		return application(t, func(s int, a, b *observation.Endpoint) error {
			v := 0.0
			if s >= 16 {
				v = 50
			}
			a.Metrics = append(a.Metrics, metric("errors_total", observation.AppCounter, v))
			return nil
		})
	}
	ends(t, Summarize(slowAt(app(), at(15), 300*time.Millisecond)), `metric("errors_total") == 0`, false, Missed)
	ends(t, Summarize(slowAt(app(), -1, 300*time.Millisecond)), `metric("http_requests_total") == 100`, false, Met)
	ends(t, Summarize(slowAt(app(), -1, 300*time.Millisecond)), `metric("pool_in_use") < 100`, false, Met)
}

// TestWhatTheRecordLacksIsNotMet: probes that were not begun, queries that nobody counted,
// statements that nobody could see, replicas that were lost before the judged time.
func TestWhatTheRecordLacksIsNotMet(t *testing.T) {
	for _, n := range []float64{60, 600} {
		ends(t, lagRun(t, int(n), func(b float64) (float64, bool, bool) { return 0.002, b < 10+n*0.92 || b > 11+n, false }), "replication_lag < 100ms", true, Met)
	}
	for _, ext := range []bool{true, false} {
		ends(t, summaryOf(t, func(s int, p *observation.Postgres) error {
			if p.Statements = nil; !ext {
				p.StatementsRead, p.Reading, p.StatementsError = false, 0, "run CREATE EXTENSION"
			}
			if p.Database = (observation.DatabaseCounters{Commits: 1000}); s >= 15 {
				p.Database.Commits += 2
			}
			return looked(nil, nil)(s, p)
		}), "db_query_p99 < 500ms", true, Met)
	}
	ends(t, summaryOf(t, func(s int, p *observation.Postgres) error {
		if p.Settings != nil {
			p.Settings["track_activities"] = "off"
		}
		p.Sessions = []observation.SessionCount{{State: "disabled", Wait: "-", Count: 60}}
		return looked(nil, nil)(s, p)
	}), "db_query_p99 < 500ms", true, Met)
	ends(t, summaryOf(t, func(s int, p *observation.Postgres) error {
		if s > 20 {
			return errors.New("no answer")
		}
		if s == 20 {
			p.Sessions[0].OldestQuery = observation.Seconds(400 * time.Millisecond)
			p.Texts = map[string]string{"101": "select $1", "102": "BEGIN"}
		}
		return looked(nil, nil)(s, p)
	}), "db_query_p99 < 500ms", true, Met)
	ends(t, cacheRun(t, runOf(), 4*time.Millisecond, func(s int, r *observation.Redis) error {
		r.Probes = nil
		switch {
		case s <= 17:
			r.Probes = probesOf("a:6379", 60, time.Millisecond)
		case s == 23:
			for i := range 30 {
				ago := observation.Seconds((6 - float64(i)/10) * 1e9)
				r.Probes = append(r.Probes, observation.RedisProbe{Master: "a:6379", Ago: ago, Took: ago, AtLeast: true})
			}
		}
		return nil
	}), "cache.replication_lag < 10s", true, Met)
	gone := cacheRun(t, runOf(), 4*time.Millisecond, func(s int, r *observation.Redis) error {
		if s <= 8 {
			r.Nodes[0].Replicas = append(r.Nodes[0].Replicas, observation.RedisReplica{Address: "c:6379", State: "online", Offset: r.Nodes[0].MasterOffset})
		}
		return nil
	})
	ends(t, gone, "cache.replication_lag < 100ms", true, Met)
	ends(t, gone, "cache.replication_offset_lag < 1MiB", true, Met)
}

// TestOtherLoadMissesNothing: what a sample that stands in for the judged start's counted in
// the warm-up.
func TestOtherLoadMissesNothing(t *testing.T) {
	for _, took := range []time.Duration{260 * time.Millisecond, 800 * time.Millisecond} {
		ends(t, cacheRun(t, runOf(), took, func(s int, r *observation.Redis) error {
			if r.Nodes[0].Evicted = 0; s >= 10 {
				r.Nodes[0].Evicted = 50
			}
			return nil
		}), "cache.evictions == 0", true, Missed)
		s := healthy(t, runOf(), took, func(s int, p *observation.Postgres) error {
			if s >= 10 {
				p.Database.Deadlocks, p.Background.Checkpoints.Requested = 1, 1
			}
			return nil
		})
		ends(t, s, "db.deadlocks == 0", true, Missed)
		ends(t, s, "db.checkpoints_requested == 0", true, Missed)
	}
	ends(t, healthy(t, runOf(), 4*time.Millisecond, func(s int, p *observation.Postgres) error {
		if s >= 9 && p.StatementsRead {
			p.Statements = append(p.Statements, row(sleeps, 20, 0.7))
		}
		if s == 10 {
			return errors.New("timeout")
		}
		return nil
	}), "db_query_p99 < 500ms", true, Missed)
}

// TestAHealthyRunIsMet also where samples take long, arrivals fail at the end, or load follows.
func TestAHealthyRunIsMet(t *testing.T) {
	s := healthy(t, runOf(), 4*time.Millisecond, nil)
	s.Database.lateFailures = 5
	s.Database.publishedLate()
	ends(t, s, "db.deadlocks == 0", false, Met)
	ends(t, healthy(t, runOf(phase("a", 0, 8, true), phase("down", 8, 20, false)), 4*time.Millisecond, func(s int, p *observation.Postgres) error {
		p.Database.TempBytes, p.Database.Rollbacks = 1000*int64(s+3), int64(s+3)*2
		return nil
	}), "db.temp_bytes < 1GiB", false, Met)
	ends(t, healthy(t, runOf(), 260*time.Millisecond, nil), "db.buffer_hit_ratio > 99%", false, Met)
	ends(t, cacheRun(t, runOf(), 260*time.Millisecond, nil), "cache.cpu_share < 80%", false, Met)
}
