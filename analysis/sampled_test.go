package analysis

import (
	"strings"
	"testing"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

func judgeText(t *testing.T, s *Summary, text string) Result {
	t.Helper()
	o, err := scenarios.ParseObjective(text)
	if err != nil {
		t.Fatal(err)
	}
	return s.JudgeObjective(o)
}

// summaryOf is the summary of postgres with 40 of 97 free connections used, 42 at 12 s.
func summaryOf(t *testing.T, edit func(int, *observation.Postgres) error) *Summary {
	d := SummarizeDatabase(postgres(t, runOf(), func(s int, p *observation.Postgres) error {
		p.Clients, p.Reserved = 40, 3
		if s == 12 {
			p.Clients, p.Locks = 42, []observation.LockWait{{Type: "tuple", Count: 2, Longest: at(1)}, {Type: "relation", Count: 1}}
		}
		p.Background = &observation.Background{Checkpoints: &observation.Checkpoints{Requested: int64(s+2) / 9}}
		if edit == nil {
			return nil
		}
		return edit(s, p)
	}))
	return &Summary{Database: d, Measures: d.Measures, Judged: 10 * time.Second}
}

func TestWhatTheDatabaseShowsIsJudged(t *testing.T) {
	s := summaryOf(t, nil)
	for text, want := range map[string]struct {
		outcome Outcome
		value   float64
		reason  string
	}{
		"db.connections.used_share < 80%":        {Met, 42.0 / 97, "43.3% at most in 11 samples"},
		"db.connections.used_share < 43%":        {Missed, 42.0 / 97, "at 12s"},
		"db.connections.active <= 10":            {Met, 10, "10 at most"},
		"db.connections.active < 10":             {Missed, 10, "demanded is < 10"},
		"db.locks.waiting < 3":                   {Missed, 3, "at 12s"},
		"db.locks.longest_wait < 2s":             {Met, 1.01, "1.01s at most"},
		"db.deadlocks == 0":                      {Missed, 1, "1 counted in the judged time"},
		"db.deadlocks <= 1":                      {Met, 1, ""},
		"db.buffer_hit_ratio > 99%":              {Met, 1, "on the average of 10 intervals"},
		"db.checkpoints_requested == 0":          {Missed, 1, ""},
		"db.temp_bytes < 1MiB":                   {Met, 0, "0 B counted"},
		"db.connections.idle_in_transaction < 1": {Met, 0, ""},
	} {
		r := judgeText(t, s, text)
		if r.Outcome != want.outcome || r.Observed == nil || *r.Observed < want.value-1e-9 || *r.Observed > want.value+1e-9 || !strings.Contains(r.Reason, want.reason) {
			v := "nothing"
			if r.Observed != nil {
				v = number(*r.Observed)
			}
			t.Errorf("%s: %s, %s (%s); want %s, %v and %q", text, r.Outcome, v, r.Reason, want.outcome, want.value, want.reason)
		}
	}
	for text, reason := range map[string]string{
		"replication_lag < 100ms": "system.postgres_replica",
		"cache.evictions == 0":    "system.redis",
		"host.cpu_share < 70%":    "system.hosts",
	} {
		if r := judgeText(t, s, text); r.Outcome != NoData || !strings.Contains(r.Reason, reason) {
			t.Errorf("%s: %s (%s), want no data and %q", text, r.Outcome, r.Reason, reason)
		}
	}
}

func TestAPartCannotShowThatALimitIsMet(t *testing.T) {
	s := summaryOf(t, func(sec int, p *observation.Postgres) error {
		if sec >= 16 {
			p.Database.StatsReset = epoch.Add(time.Hour)
		}
		return nil
	})
	if r := judgeText(t, s, "db.rollbacks == 0"); r.Outcome != Unproven || !strings.Contains(r.Reason, "as far as it is known: the database's counters were reset, noticed at 16s") {
		t.Errorf("%s (%s), want unproven because of the reset", r.Outcome, r.Reason)
	}
	// A deadlock that was counted is one, whatever was lost.
	if r := judgeText(t, s, "db.deadlocks == 0"); r.Outcome != Missed {
		t.Errorf("%s (%s), want missed", r.Outcome, r.Reason)
	}
}

func TestProbesAreJudgedAsAShare(t *testing.T) {
	probes := func(n, slow, lost, open int) Measure {
		var all []Probe
		for i := range n {
			// Spread over the time: probes of one second share their fate.
			p := Probe{At: time.Duration(i*97%n) * 100 * time.Millisecond, Value: 2 * time.Millisecond}
			switch {
			case i < slow:
				p.Value = time.Second
			case i < slow+lost:
				p = Probe{At: p.At, Lost: true}
			case i < slow+lost+open:
				p.Open = true
			}
			all = append(all, p)
		}
		return Measure{N: n, Probes: all}
	}
	for name, c := range map[string]struct {
		m      Measure
		want   Outcome
		reason string
	}{
		// 1-0.05^(1/299) < 1%: 299 good ones prove it, 298 do not.
		"299 fast":        {probes(299, 0, 0, 0), Met, "0 of 299"},
		"298 fast":        {probes(298, 0, 0, 0), Unproven, "0 of 298"},
		"5% slow":         {probes(600, 30, 0, 0), Missed, "30 of 600"},
		"5% lost":         {probes(600, 0, 30, 0), Unproven, "30 of 600 could not be taken"},
		"5% open":         {probes(600, 0, 0, 30), Unproven, "30 of 600 could not be taken"},
		"a part of them":  {Measure{N: 299, Probes: probes(299, 0, 0, 0).Probes, Partial: "planted"}, Unproven, "planted"},
		"without a probe": {noMeasure("planted"), NoData, "planted"},
	} {
		s := &Summary{Measures: map[string]Measure{"replication_lag": c.m}, Judged: time.Minute}
		if r := judgeText(t, s, "replication_lag < 100ms"); r.Outcome != c.want || !strings.Contains(r.Reason, c.reason) {
			t.Errorf("%s: %s (%s), want %s and %q", name, r.Outcome, r.Reason, c.want, c.reason)
		}
	}
}

func TestAFailoverIsAGapInEverything(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(p *observation.Postgres)
		want string
	}{
		"another address": {func(p *observation.Postgres) { p.Address = "10.0.0.2" }, "another server answered, 10.0.0.2 instead of 10.0.0.1"},
		"a promotion":     {func(p *observation.Postgres) { p.InRecovery = true }, "the server was promoted"},
		"a restart":       {func(p *observation.Postgres) { p.Postmaster = epoch.Add(time.Hour) }, "the server was restarted or is another one"},
	} {
		s := summaryOf(t, func(sec int, p *observation.Postgres) error {
			p.Address = "10.0.0.1"
			if sec >= 15 {
				c.edit(p)
			}
			return nil
		})
		gaps := strings.Join(s.Database.Gaps, "\n")
		for _, part := range []string{"the database's counters: ", "statements: ", "checkpoints, WAL and I/O: "} {
			if !strings.Contains(gaps, part+c.want) {
				t.Errorf("%s: the gaps do not say %q:\n%s", name, part+c.want, gaps)
			}
		}
		if s.Database.Counters.Commits != 180 {
			t.Errorf("%s: %d commits, want 180: all but those of one second", name, s.Database.Counters.Commits)
		}
	}
}
