package analysis

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// StatementUse is what one statement did in the judged time. The same statement of several
// users is one.
type StatementUse struct {
	Query   string // text with its constants taken out; "queryid N" where no text was read
	QueryID int64
	Calls   int64
	Rows    int64
	Total   time.Duration
	Mean    time.Duration
	Stddev  time.Duration // population standard deviation
	// Max is the longest call where MaxKnown; else only an upper bound on it: the longest
	// call was before the judged time.
	Max      time.Duration
	MaxKnown bool
	Share    float64 // of all statements' total time
	// Control marks transaction and session control, which is no query and would only
	// dilute the judged ones.
	Control    bool
	Blocks     StatementBlocks
	PlanMean   time.Duration // of planning, where PlansOK: pg_stat_statements.track_planning is on
	PlansOK    bool
	PerArrival float64 // calls by the arrivals of the judged time; 0: none was judged
	Incomplete bool    // its counters were reset or lost in the judged time: at least this much
}

// StatementBlocks is what a statement read and wrote: 8 KiB blocks, but for the WAL. The
// times are 0 without track_io_timing.
type StatementBlocks struct {
	Hit, Read, Written, Temp, WALBytes int64
	ReadTime, WriteTime                time.Duration
}

func (b *StatementBlocks) add(o StatementBlocks) {
	b.Hit, b.Read, b.Written, b.Temp, b.WALBytes = b.Hit+o.Hit, b.Read+o.Read, b.Written+o.Written, b.Temp+o.Temp, b.WALBytes+o.WALBytes
	b.ReadTime, b.WriteTime = b.ReadTime+o.ReadTime, b.WriteTime+o.WriteTime
}

// use sums calls by statement, the most time first.
func use(calls []call, texts map[string]string) []StatementUse {
	sums := map[int64]*StatementUse{}
	parts := map[int64]*moments{}
	plans := map[int64]int64{}
	planTime := map[int64]float64{}
	var total float64
	for _, c := range calls {
		s, m := sums[c.key.QueryID], parts[c.key.QueryID]
		if s == nil {
			s, m = &StatementUse{QueryID: c.key.QueryID}, &moments{}
			sums[c.key.QueryID], parts[c.key.QueryID] = s, m
		}
		m.add(c.moments)
		s.Calls, s.Rows = s.Calls+c.n, s.Rows+c.rows
		s.Blocks.add(c.blocks)
		plans[c.key.QueryID] += c.plans
		planTime[c.key.QueryID] += c.planTime
		s.Incomplete = s.Incomplete || !c.survived
		total += c.mean * float64(c.n)
	}
	all := make([]StatementUse, 0, len(sums))
	for id := range maps.Keys(sums) {
		s, m := sums[id], parts[id]
		var k kind
		s.Query, k = classify(texts, id)
		s.Control = k == steers
		s.Mean, s.Stddev = seconds(m.mean), seconds(math.Sqrt(m.variance))
		s.Total = seconds(m.mean * float64(m.n))
		s.Max, s.MaxKnown = seconds(m.high), m.reached
		if n := plans[id]; n > 0 {
			s.PlanMean, s.PlansOK = seconds(planTime[id]/float64(n)), true
		}
		if total > 0 {
			s.Share = m.mean * float64(m.n) / total
		}
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b StatementUse) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Query, b.Query), cmp.Compare(a.QueryID, b.QueryID))
	})
	return all
}

// add makes m the moments of both sets of calls (Chan, Golub and LeVeque 1979).
func (m *moments) add(c moments) {
	if m.n == 0 {
		*m = c
		return
	}
	n, mn, cn := float64(m.n+c.n), float64(m.n), float64(c.n)
	d := c.mean - m.mean
	m.variance = (m.variance*mn + c.variance*cn + d*d*mn*cn/n) / n
	m.mean += d * cn / n
	m.n += c.n
	m.low = min(m.low, c.low)
	// The longest call is known when the part that may hold it has reached its own bound.
	switch {
	case c.high > m.high:
		m.high, m.reached = c.high, c.reached
	case c.high == m.high:
		m.reached = m.reached || c.reached
	}
}
