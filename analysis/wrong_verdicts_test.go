package analysis

import (
	"errors"
	"testing"
	"time"

	"arqload/analysis/observation"
)

// TestWhatWasNotSeenMeetsNothing has one case for each way in which something that happened
// was once judged as if it had not: in each the truth misses the objective, and the record
// does not hold all of it.
func TestWhatWasNotSeenMeetsNothing(t *testing.T) {
	many := func(n int, seen, under float64, wait string) map[int][]observation.ActiveCall {
		var all []observation.ActiveCall
		for range n {
			all = append(all, active(0.95, seen, under, wait))
		}
		return map[int][]observation.ActiveCall{15: all}
	}
	const queries = "db_query_p99 < 500ms"
	for name, c := range map[string]struct {
		objective string
		edit      func(sec int, p *observation.Postgres) error
	}{
		"slow calls were seen, and there is a pause in the looks": {queries, looked(many(30, 0.9, 1, "IPC/SyncRep"), func(s int, a *observation.Activity) {
			if s == 13 {
				a.Gap = at(0.6)
			}
		})},
		"slow calls were seen, and more than were kept": {queries, looked(many(30, 0.9, 1, "IPC/SyncRep"), func(s int, a *observation.Activity) {
			if s == 13 {
				a.Dropped = 1
			}
		})},
		"looks stop in the judged time, while statements are canceled": {queries, func(sec int, p *observation.Postgres) error {
			p.Database.Rollbacks = int64(9 * (sec + 3))
			return looked(nil, func(s int, a *observation.Activity) {
				if s > 11 {
					a.Polls, a.Failed, a.Gap = 0, 10, 0
				}
			})(sec, p)
		}},
		"50 statements hang, and the final sample fails": {queries, func(sec int, p *observation.Postgres) error {
			if sec > 20 {
				return errors.New("no answer before the run's end")
			}
			if sec >= 11 {
				p.Sessions[0] = observation.SessionCount{State: "active", Wait: "Lock", Count: 50, OldestQuery: observation.Seconds(time.Duration(sec-11) * time.Second)}
			}
			return looked(nil, nil)(sec, p)
		}},
		"the same, with the texts known": {queries, func(sec int, p *observation.Postgres) error {
			if sec > 20 {
				return errors.New("no answer before the run's end")
			}
			if sec == 20 {
				p.Sessions[0].OldestQuery = observation.Seconds(9 * time.Second)
				p.Texts = map[string]string{"101": "select $1", "102": "BEGIN"}
			}
			return looked(nil, nil)(sec, p)
		}},
		"8 of 100 slow, and a reset of min and max after a long life": {queries, func(sec int, p *observation.Postgres) error {
			for i := range p.Statements {
				r := &p.Statements[i]
				r.Calls += 1_000_000
				r.Total, r.Rows, r.Since, r.MinMaxSince = float64(r.Calls)*r.Mean, r.Calls, epoch, epoch
				if sec >= 14 {
					r.MinMaxSince = epoch.Add(time.Hour)
				}
			}
			return looked(many(8, 0.6, 0.7, ""), nil)(sec, p)
		}},
		"50 calls failed in savepoints": {queries, func(sec int, p *observation.Postgres) error {
			if p.StatementsRead && sec >= 16 {
				p.Statements = append(p.Statements, row(104, 50, 0))
			}
			if p.Texts != nil {
				p.Texts["104"] = "ROLLBACK TO"
			}
			return looked(many(50, 0.45, 0.55, "Timeout/PgSleep"), nil)(sec, p)
		}},
		"calls failed at the very end, and their rollbacks are not published": {queries, looked(map[int][]observation.ActiveCall{
			20: many(9, 0.45, 0.55, "")[15]}, nil)},
		"locks could not be read while 3 were waited for": {"db.locks.waiting < 3", func(sec int, p *observation.Postgres) error {
			if sec >= 12 && sec <= 18 {
				p.Locks, p.Errors = nil, map[string]string{"locks": "timeout"}
			}
			return nil
		}},
		"checkpoints could not be read when 5 were requested": {"db.checkpoints_requested == 0", func(sec int, p *observation.Postgres) error {
			p.Background.Checkpoints.Requested = 0
			if sec >= 15 {
				p.Background.Checkpoints.Requested = 5
			}
			if sec == 15 {
				p.Background, p.Errors = &observation.Background{}, map[string]string{"background": "timeout"}
			}
			return nil
		}},
		"blocks were read while the samples at the start were lost": {"db.buffer_hit_ratio > 99%", func(sec int, p *observation.Postgres) error {
			if sec >= 11 {
				p.Database.BlocksRead = 700 * int64(min(sec, 15)-10)
			}
			if sec >= 10 && sec < 15 {
				return errors.New("timeout")
			}
			return nil
		}},
		"a bundle that never held locks": {"db.locks.waiting < 10", func(sec int, p *observation.Postgres) error {
			p.Clients, p.Locks = 0, nil
			return nil
		}},
	} {
		s := summaryOf(t, c.edit)
		if r := judgeText(t, s, c.objective); r.Outcome == Met {
			t.Errorf("%s: %s is met: %s", name, c.objective, r.Reason)
		}
	}
}

// TestAnEdgeCountsWhenItWasRead: the sample at the judged start took 2.5 s, and holds what
// happened meanwhile: 3 deadlocks, and 20 calls of 2 s.
func TestAnEdgeCountsWhenItWasRead(t *testing.T) {
	run := postgres(t, runOf(), func(sec int, p *observation.Postgres) error {
		p.Database.Deadlocks = 0
		if sec >= 10 {
			p.Database.Deadlocks = 3
		}
		for i := range p.Statements {
			if r := &p.Statements[i]; r.QueryID == selects && sec >= 10 {
				r.Calls, r.Rows = r.Calls+20, r.Rows+20
				r.Total += 40
				r.Max, r.Mean, r.Stddev = 2, r.Total/float64(r.Calls), 0.6
			}
		}
		return nil
	})
	for i := range run.Samples {
		if run.Samples[i].At == at(10) {
			run.Samples[i].Took = observation.Seconds(2500 * time.Millisecond)
		}
	}
	d := SummarizeDatabase(run)
	s := &Summary{Database: d, Measures: d.Measures}
	for _, text := range []string{"db.deadlocks == 0", "db_query_p99 < 500ms"} {
		if r := judgeText(t, s, text); r.Outcome == Met {
			t.Errorf("%s is met: %s", text, r.Reason)
		}
	}
}

// TestWhatIsNotOfTheJudgedTimeMissesNothing: neither an interval counted twice, nor the
// load of the next phase, nor more slow commits than statements were counted.
func TestWhatIsNotOfTheJudgedTimeMissesNothing(t *testing.T) {
	deadlockAt := func(when int, phases ...observation.Phase) *Summary {
		d := SummarizeDatabase(postgres(t, runOf(phases...), func(sec int, p *observation.Postgres) error {
			p.Database.Deadlocks = 0
			if sec >= when {
				p.Database.Deadlocks = 1
			}
			return nil
		}))
		return &Summary{Database: d, Measures: d.Measures}
	}
	s := deadlockAt(12, phase("a", 0, 10, true), phase("pause", 10, 11, false), phase("b", 11, 20, true))
	if r := judgeText(t, s, "db.deadlocks <= 1"); r.Outcome == Missed {
		t.Errorf("one deadlock between two stretches is counted twice: %s", r.Reason)
	}
	s = deadlockAt(12, phase("steady", 0, 10, true), phase("stress", 10, 20, false))
	if r := judgeText(t, s, "db.deadlocks == 0"); r.Outcome != Unproven {
		t.Errorf("a deadlock of the next phase: %s (%s), want unproven: the server publishes late", r.Outcome, r.Reason)
	}
	// 2 slow commits beside 100 queries; the control statements are not counted at all.
	s = summaryOf(t, func(sec int, p *observation.Postgres) error {
		if p.Settings != nil {
			p.Settings["pg_stat_statements.track_utility"] = "off"
		}
		if p.StatementsRead {
			p.Statements = p.Statements[:1]
		}
		return looked(map[int][]observation.ActiveCall{15: {active(0.9, 0.6, 0.7, "IPC/SyncRep"), active(0.9, 0.6, 0.7, "IPC/SyncRep")}}, nil)(sec, p)
	})
	if r := judgeText(t, s, "db_query_p99 < 500ms"); r.Outcome == Missed {
		t.Errorf("2 slow commits of who knows how many: %s", r.Reason)
	}
}

// TestCanceledCallsAloneMiss: not one completed, so that pg_stat_statements counts none.
func TestCanceledCallsAloneMiss(t *testing.T) {
	var calls []observation.ActiveCall
	for range 50 {
		calls = append(calls, active(0.9, 0.9, 1, "CPU"))
	}
	s := summaryOf(t, func(sec int, p *observation.Postgres) error {
		if p.StatementsRead {
			p.Statements = p.Statements[1:] // BEGIN alone
		}
		p.Database.Rollbacks = int64(max(0, min(50, 10*(sec-14))))
		return looked(map[int][]observation.ActiveCall{15: calls}, nil)(sec, p)
	})
	if r := judgeText(t, s, "db_query_p99 < 500ms"); r.Outcome != Missed {
		t.Errorf("%s (%s), want missed: 50 of 200 at most were seen running for 0.9 s", r.Outcome, r.Reason)
	}
}

// TestAnUpperBoundCountsEveryFailure: 9 of 109 calls were canceled at 300 ms. That none took
// 500 ms says nothing of 10 ms.
func TestAnUpperBoundCountsEveryFailure(t *testing.T) {
	var calls []observation.ActiveCall
	for range 9 {
		calls = append(calls, active(0.9, 0.25, 0.35, "Lock/tuple"))
	}
	s := summaryOf(t, func(sec int, p *observation.Postgres) error {
		if sec >= 15 {
			p.Database.Rollbacks = 9
		}
		return looked(map[int][]observation.ActiveCall{15: calls}, nil)(sec, p)
	})
	q := s.Database.Query(0.99, 500*time.Millisecond, false)
	if q.Decision != DecisionMet || q.UpperOK && q.Upper < 300*time.Millisecond {
		t.Errorf("%s, upper %v (%v): want met, and no bound under the canceled ones' 300ms", q.Decision, q.Upper, q.UpperOK)
	}
}

// TestProbesThatASlowLookHeldUpAreLost: of 600 one took 1.9 s, and the 18 that should have
// followed it were never begun: 19 of 600 are more than 1%.
func TestProbesThatASlowLookHeldUpAreLost(t *testing.T) {
	run := runOf(phase("warm-up", 0, 10, false), phase("steady", 10, 70, true))
	run.Footer.Ended = at(71)
	for sec := 0; sec <= 73; sec++ {
		p := observation.Postgres{ServerVersion: 150018, Name: "arq", Postmaster: epoch, Lag: &observation.ReplicaLag{}, Activity: &observation.Activity{}}
		for i := range 10 {
			ago := 1 - float64(i)/10
			l := observation.LagProbe{Ago: observation.Seconds(ago * 1e9), Lag: observation.Seconds(2 * time.Millisecond)}
			switch begun := float64(sec) - ago; {
			case begun > 30.05 && begun < 31.85:
				continue
			case begun > 29.95 && begun < 30.05:
				l.Lag = observation.Seconds(1900 * time.Millisecond)
			}
			p.Lag.Probes = append(p.Lag.Probes, l)
		}
		put(t, run, "pgstat", float64(sec), p, nil)
	}
	d := SummarizeDatabase(run)
	s := &Summary{Database: d, Measures: d.Measures, Judged: time.Minute}
	if r := judgeText(t, s, "replication_lag < 100ms"); r.Outcome != Unproven || r.Bad != 19 {
		t.Errorf("%s, %d bad (%s); want unproven by the 18 that are not known", r.Outcome, r.Bad, r.Reason)
	}
}
