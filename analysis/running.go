package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// Running is what looking at the running statements every 100 ms has shown: how long calls
// of the connected database took, from outside of the executor. It sees those that failed
// or were canceled, waited for a lock before execution, or committed, which
// pg_stat_statements does not have.
type Running struct {
	OK     bool // the looks cover the judged time and what followed it
	Reason string
	Polls  int
	Failed int
	// Gap is the longest time between two looks: a call can have come and gone unseen in it.
	Gap   time.Duration
	Floor time.Duration // calls that certainly were shorter are not listed

	calls   []runningCall // those that touch the judged time
	dropped int64
}

// runningCall is one call: it began at an instant, took at least seen and less than under.
type runningCall struct {
	began, seen, under time.Duration // under is 0 where it still ran at the end
	query              int64
	wait               string
}

// running takes the calls that touch the judged time. Those that were running at its end
// are followed through the drain, by the samples after it.
func (d *Database) running(all []taken[observation.Postgres], stretches []stretch) {
	r := &d.Running
	polled := Series{Name: "db.longest_running", Source: "postgres", Unit: scenarios.UnitSeconds}
	before := time.Duration(-1 << 62)
	var lastAt time.Duration
	for _, t := range all {
		a := t.data.Activity
		if t.err != "" || a == nil {
			continue
		}
		longest := time.Duration(0)
		touches := slices.ContainsFunc(stretches, func(s stretch) bool { return t.at >= s.from && before <= s.to+settle })
		if touches {
			r.Polls, r.Failed = r.Polls+a.Polls, r.Failed+a.Failed
			r.Gap, r.Floor = max(r.Gap, a.Gap.Duration()), max(r.Floor, a.Floor.Duration())
			r.dropped += a.Dropped
			if a.Error != "" {
				d.gap("%s to look at the running statements failed before %s: %s", plural(uint64(a.Failed), "try"), duration(t.at), a.Error)
			}
		}
		for _, c := range a.Calls {
			call := runningCall{began: t.at - c.Ago.Duration(), seen: c.Seen.Duration(), under: c.Under.Duration(), query: c.QueryID, wait: c.Wait}
			longest = max(longest, call.seen)
			if slices.ContainsFunc(stretches, func(s stretch) bool {
				return call.began < s.to && (call.under == 0 || call.began+call.under > s.from)
			}) {
				r.calls = append(r.calls, call)
			}
		}
		if before >= 0 {
			polled.Points = append(polled.Points, Point{At: t.at, Value: longest.Seconds()})
		}
		before, lastAt = t.at, t.at
	}
	d.Series = append(d.Series, polled)
	switch end := stretches[len(stretches)-1].to; {
	case r.Polls == 0:
		r.Reason = "the running statements were not looked at"
	case d.Settings["pg_read_all_stats"] != "true":
		r.Reason = "the running statements of other roles are hidden (GRANT pg_read_all_stats)"
	case d.Settings["track_activities"] == "off":
		r.Reason = "track_activities is off: running statements cannot be seen"
	case len(all) == 0 || lastAt < all[len(all)-1].at:
		r.Reason = fmt.Sprintf("the last look, which tells the statements that still ran, is missing: the one before was at %s", duration(lastAt))
	case lastAt < end:
		r.Reason = fmt.Sprintf("the running statements were last looked at at %s, the judged time ended at %s", duration(lastAt), duration(end))
	default:
		r.OK = true
	}
	slices.SortFunc(r.calls, func(a, b runningCall) int { return cmp.Compare(b.seen, a.seen) })
}

// bracket bounds how many calls took t or longer: at least those that were seen to, at most
// those that can have. ok is false where a call of that length can have been missed.
func (r Running) bracket(t time.Duration) (low, high int64, ok bool) {
	for _, c := range r.calls {
		if c.seen >= t {
			low++
		}
		if c.under > t || c.under == 0 {
			high++
		}
	}
	return low, high, r.OK && r.Gap < t && r.Floor <= t && r.dropped == 0
}

// why says what keeps bracket from an answer.
func (r Running) why(t time.Duration) string {
	switch {
	case !r.OK:
		return r.Reason
	case r.Gap >= t:
		return fmt.Sprintf("the running statements were not looked at for %s, in which a call of %s can have gone unseen", duration(r.Gap), duration(t))
	case r.Floor > t:
		return fmt.Sprintf("running statements are followed from %s on", duration(r.Floor))
	case r.dropped > 0:
		return fmt.Sprintf("%d running statements were over what a sample keeps", r.dropped)
	}
	return ""
}

// Waits counts what the calls that were seen to take t or longer waited for when last seen,
// the most frequent first.
func (r Running) Waits(t time.Duration) []WaitCount {
	n := map[string]int{}
	for _, c := range r.calls {
		if c.seen >= t {
			n[cmp.Or(c.wait, "CPU")]++
		}
	}
	var all []WaitCount
	for w, k := range n {
		all = append(all, WaitCount{w, k})
	}
	slices.SortFunc(all, func(a, b WaitCount) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Event, b.Event))
	})
	return all
}

// WaitCount is a wait event and how many calls were in it.
type WaitCount struct {
	Event string
	Calls int
}

// LagUse is how far the named replica was behind in the judged time.
type LagUse struct {
	Asked  bool
	Probes []Probe
	Reason string // of lost probes
}

// lag takes the probes that were begun in the judged time.
func (d *Database) lag(all []taken[observation.Postgres], stretches []stretch) {
	l := &d.Lag
	s := Series{Name: "replication_lag", Source: "postgres", Unit: scenarios.UnitSeconds}
	for _, t := range all {
		if t.err != "" || t.data.Lag == nil {
			continue
		}
		l.Asked = true
		worst := -1.0
		for _, p := range t.data.Lag.Probes {
			probe := Probe{At: t.at - p.Ago.Duration(), Value: p.Lag.Duration(), Lost: p.Lost, Open: p.Open}
			if !p.Lost {
				worst = max(worst, probe.Value.Seconds())
			}
			if slices.ContainsFunc(stretches, func(s stretch) bool { return s.from <= probe.At && probe.At < s.to }) {
				l.Probes = append(l.Probes, probe)
			}
		}
		if worst >= 0 {
			s.Points = append(s.Points, Point{At: t.at, Value: worst})
		}
		if t.data.Lag.Error != "" {
			l.Reason = t.data.Lag.Error
			if len(t.data.Lag.Probes) > 0 {
				d.gap("the replica's lag: probes before %s were lost: %s", duration(t.at), t.data.Lag.Error)
			}
		}
	}
	if !l.Asked {
		d.Measures["replication_lag"] = noMeasure("the plan does not name it: set system.postgres_replica")
		return
	}
	d.Series = append(d.Series, s)
	m := probed(l.Probes, stretches)
	if m.Reason != "" && l.Reason != "" {
		m.Reason += ": " + l.Reason
	}
	d.Measures["replication_lag"] = m
}

// probesPerS is how many probes a second collectors begin.
const probesPerS = 10

// probed makes the measure of probes.
func probed(probes []Probe, stretches []stretch) Measure {
	if len(probes) == 0 {
		return noMeasure("no probe was begun in the judged time")
	}
	m := Measure{N: len(probes), Probes: probes}
	var planned float64
	for _, s := range stretches {
		planned += probesPerS * (s.to - s.from).Seconds()
	}
	// The clock's ticks are not aligned with the judged time: one probe more or less.
	if n := float64(len(probes)) + 1; n < 0.9*planned {
		m.Partial = fmt.Sprintf("%.0f probes were planned and %d begun: the server that is asked first did not answer in time", planned, len(probes))
	}
	// A look that took long was not followed by those that it held up: nothing is known of them.
	begun := slices.SortedFunc(slices.Values(probes), func(a, b Probe) int { return cmp.Compare(a.At, b.At) })
	for i := 1; i < len(begun); i++ {
		if !slices.ContainsFunc(stretches, func(s stretch) bool { return s.from <= begun[i-1].At && begun[i].At < s.to }) {
			continue
		}
		for n := int((begun[i].At-begun[i-1].At)*probesPerS/time.Second) - 1; n > 0; n-- {
			m.Probes = append(m.Probes, Probe{At: begun[i-1].At + time.Duration(n)*time.Second/probesPerS, Lost: true})
		}
	}
	m.N = len(m.Probes)
	return m
}

// Cost is what the collector itself took from the database in the judged time.
type Cost struct {
	OK         bool
	Queries    int64
	InDatabase time.Duration // executing and planning its statements, as pg_stat_statements counts it
	Wall       time.Duration // from send to the last row, network included
	Covered    time.Duration
	OfAll      float64 // InDatabase by that of all statements, its own among them
	OfTime     float64 // InDatabase by Covered: how much of one session it took
}

// cost takes the difference between the readings at the ends of the judged time.
func (d *Database) cost(all []taken[observation.Postgres], stretches []stretch) {
	some, at := good(all, func(p *observation.Postgres) bool { return p.StatementsRead })
	var c Cost
	for _, s := range stretches {
		from, to, _, _, ok := s.bounds(at)
		if !ok {
			return
		}
		a, b := some[from].data.Own, some[to].data.Own
		if b.InDatabase < a.InDatabase || sameServer(&some[from].data, &some[to].data) != "" {
			return
		}
		c.Queries += b.Queries - a.Queries
		c.InDatabase += (b.InDatabase - a.InDatabase).Duration()
		c.Wall += (b.Wall - a.Wall).Duration()
		c.Covered += at[to] - at[from]
	}
	if c.OK = c.Covered > 0; !c.OK {
		return
	}
	total := c.InDatabase
	for _, s := range d.Statements {
		total += s.Total
	}
	if total > 0 {
		c.OfAll = c.InDatabase.Seconds() / total.Seconds()
	}
	c.OfTime = c.InDatabase.Seconds() / c.Covered.Seconds()
	d.Cost = c
}
