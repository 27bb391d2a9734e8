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
	last    time.Duration // of the last look
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
	failed := mishaps{what: "looks at the running statements failed"}
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
			if a.Polls == 0 {
				r.Gap = max(r.Gap, t.at-before)
			}
			r.dropped += a.Dropped
			if a.Failed > 0 {
				failed.add(t.at, int64(a.Failed), a.Error)
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
	failed.say(d)
	r.last = lastAt
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

// unpublished is for how long after its end a transaction may be in no counter: a session
// that is idle publishes after 10 s.
const unpublished = 11 * time.Second

// late counts the calls that can have taken t or longer and ended so shortly before the last
// look that their rollback may be in no counter.
func (r Running) late(t time.Duration) (n int64) {
	for _, c := range r.calls {
		if (c.under > t || c.under == 0) && (c.under == 0 || c.began+c.under > r.last-unpublished) {
			n++
		}
	}
	return n
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

// mishaps joins what went wrong in one sample after the other into a line for each reason.
type mishaps struct {
	what string
	all  []mishap
}

type mishap struct {
	from, to time.Duration
	n        int64
	reason   string
}

func (m *mishaps) add(at time.Duration, n int64, reason string) {
	for i := range m.all {
		if m.all[i].reason == reason {
			m.all[i].to, m.all[i].n = at, m.all[i].n+n
			return
		}
	}
	m.all = append(m.all, mishap{at, at, n, reason})
}

func (m *mishaps) say(d *Database) {
	for _, x := range m.all {
		when := "before " + duration(x.to)
		if x.from != x.to {
			when = fmt.Sprintf("between the samples at %s and %s", duration(x.from), duration(x.to))
		}
		d.gap("%d %s %s: %s", x.n, m.what, when, x.reason)
	}
}
