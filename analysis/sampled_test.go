package analysis

import (
	"slices"
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

// Intervals of 20%, 100% and 100%: the upper bound of their mean lies beyond 100%, where no
// share is.
func TestNoBoundOfAShareIsMoreThanAll(t *testing.T) {
	var part, all Series
	for i, v := range []float64{0.2, 1, 1} {
		p := Point{At: time.Duration(10+i) * time.Second, Length: time.Second, Value: v}
		part.Points = append(part.Points, p)
		p.Value = 1
		all.Points = append(all.Points, p)
	}
	m := averaged([]stretch{{from: 10 * time.Second, to: 13 * time.Second}}, "", false, []Series{part}, []Series{all})
	if !nearly(&m.Value, 2.2/3) || !nearly(m.High, 1) || *m.Low > m.Value {
		t.Fatalf("%v between %v and %v, want 73.3%% and at most 100%%", m.Value, *m.Low, *m.High)
	}
	for text, want := range map[string]Outcome{"host.cpu_share < 100%": Met, "host.cpu_share <= 100%": Met, "host.cpu_share < 90%": Unproven} {
		s := &Summary{Measures: map[string]Measure{"host.cpu_share": m}}
		if r := judgeText(t, s, text); r.Outcome != want || *r.High > 1 {
			t.Errorf("%s: %s (%s), want %s", text, r.Outcome, r.Reason, want)
		}
	}
	full := Measure{Value: 1, N: 3, Low: ptr(1), High: ptr(1)}
	if r := judgeText(t, &Summary{Measures: map[string]Measure{"host.cpu_share": full}}, "host.cpu_share < 100%"); r.Outcome != Missed {
		t.Errorf("100%% of it: %s (%s), want missed", r.Outcome, r.Reason)
	}
}

// without leaves out a collector's samples between two seconds, as a sampler does whose
// sample before them took long.
func without(run *observation.Run, collector string, from, to float64) *observation.Run {
	run.Samples = slices.DeleteFunc(run.Samples, func(s observation.Sample) bool {
		return s.Collector == collector && s.At > at(from) && s.At < at(to)
	})
	return run
}

// Of 10 s to 20 s there are no samples between 12.01 s and 18.01 s: what was seen in the
// others says nothing of the 6 s.
func TestSkippedSamplesShowThatALimitIsMissedAlone(t *testing.T) {
	run := without(postgres(t, runOf(), func(_ int, p *observation.Postgres) error {
		p.Clients, p.Reserved = 40, 3
		return nil
	}), "pgstat", 12, 18)
	d := SummarizeDatabase(run)
	s := &Summary{Database: d, Measures: d.Measures}
	for text, want := range map[string]Outcome{"db.connections.used_share < 80%": Unproven, "db.connections.used_share < 40%": Missed, "db.connections.active == 20": Unproven} {
		r := judgeText(t, s, text)
		if r.Outcome != want || want == Unproven && !strings.Contains(r.Reason, "no sample from 12s to 18s") {
			t.Errorf("%s: %s (%s), want %s and that there is no sample from 12s to 18s", text, r.Outcome, r.Reason, want)
		}
	}
	// The interval from 9 s to 14 s is not of the judged time, which began within it.
	d = SummarizeDatabase(without(postgres(t, runOf(), nil), "pgstat", 9, 14))
	if r := judgeText(t, &Summary{Measures: d.Measures}, "db.buffer_hit_ratio > 99%"); r.Outcome != Unproven || !strings.Contains(r.Reason, "no sample from 10s to 14s") {
		t.Errorf("%s (%s), want unproven because of 4 s", r.Outcome, r.Reason)
	}
	h := Summarize(without(hosts(t, nil), "hosts", 12, 18))
	if r := judgeText(t, h, "host.memory_share < 80%"); r.Outcome != Unproven || !strings.Contains(r.Reason, "no sample from 12s to 18s;") {
		t.Errorf("%s (%s), want unproven because of all hosts", r.Outcome, r.Reason)
	}
	a := Summarize(without(application(t, nil), "appmetrics", 12, 18))
	if r := judgeText(t, a, `metric("process_resident_memory_bytes") < 512MiB`); r.Outcome != Unproven || !strings.Contains(r.Reason, one+": no sample from 12s to 18s") {
		t.Errorf("%s (%s), want unproven because of both endpoints", r.Outcome, r.Reason)
	}
	if r := judgeText(t, a, `metric("http_requests_total") == 100`); r.Outcome != Met {
		t.Errorf("%s (%s), want met: a counter goes on", r.Outcome, r.Reason)
	}
}

func TestWhereNothingWasSeenOfASeries(t *testing.T) {
	points := func(seconds ...float64) (s Series) {
		for _, at := range seconds {
			s.Points = append(s.Points, Point{At: time.Duration(at * 1e9)})
		}
		return s
	}
	of := func(name string, s Series) Series { s.Of = name; return s }
	two := []stretch{{from: 10 * time.Second, to: 14 * time.Second}, {from: 20 * time.Second, to: 21 * time.Second}}
	for name, c := range map[string]struct {
		series []Series
		want   string
	}{
		"each second":      {[]Series{points(10, 11, 12, 13, 14, 20, 21)}, ""},
		"2.5 s apart":      {[]Series{points(10, 12.5, 14, 20.5)}, ""},
		"more":             {[]Series{points(10, 12.6, 14, 20.5)}, "no sample from 10s to 12.6s"},
		"the end":          {[]Series{points(10, 11, 20)}, "no sample from 11s to 14s"},
		"a whole stretch":  {[]Series{points(10, 12, 14)}, "no sample from 20s to 21s"},
		"of one of two":    {[]Series{of("a", points(10, 12, 14, 20)), of("b", points(10, 14, 20))}, "no sample from 10s to 14s of b"},
		"of both":          {[]Series{of("a", points(10, 14, 20)), of("b", points(10, 14, 20))}, "no sample from 10s to 14s"},
		"one without any":  {[]Series{points(10, 12, 14, 20), points(1, 2)}, ""},
		"between the two ": {[]Series{points(10, 12, 14, 14.2, 19.8, 21)}, ""},
	} {
		if got := unseen(two, c.series); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Of "== 5" three were counted and a part was lost: they may be five. Six cannot be.
func TestAPartOfACountMayStillBecomeTheLimit(t *testing.T) {
	for _, c := range []struct {
		value   float64
		partial string
		text    string
		want    Outcome
	}{
		{3, "planted", "db.deadlocks == 5", Unproven}, {5, "planted", "db.deadlocks == 5", Unproven}, {6, "planted", "db.deadlocks == 5", Missed},
		{3, "", "db.deadlocks == 5", Missed}, {5, "", "db.deadlocks == 5", Met},
		{3, "planted", "db.deadlocks < 5", Unproven}, {5, "planted", "db.deadlocks < 5", Missed},
		{3, "planted", "db.connections.active == 5", Unproven}, {6, "planted", "db.connections.active == 5", Missed},
	} {
		m := Measure{Value: c.value, N: 3, Partial: c.partial}
		s := &Summary{Measures: map[string]Measure{"db.deadlocks": m, "db.connections.active": m}}
		if r := judgeText(t, s, c.text); r.Outcome != c.want || c.want == Unproven && !strings.Contains(r.Reason, "as far as it is known: planted") {
			t.Errorf("%v, partial %q, %s: %s (%s), want %s", c.value, c.partial, c.text, r.Outcome, r.Reason, c.want)
		}
	}
}
