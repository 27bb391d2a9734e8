package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"arqload/analysis/observation"
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
	Incomplete bool // its counters were reset or lost in the judged time: at least this much
}

// StatementBlocks is what a statement read and wrote: 8 KiB blocks, but for the WAL.
type StatementBlocks struct {
	Hit, Read, Temp, WALBytes int64
}

// call is one statement between two readings.
type call struct {
	key observation.StatementKey
	moments
	rows     int64
	blocks   StatementBlocks
	survived bool // the row's counters are of one life
}

// interval is what two consecutive readings tell.
type interval struct {
	calls  []call
	void   string   // why nothing can be said about it
	doubts []string // why what is said may be incomplete, so that nothing can be proved
}

// intervalsOf compares each reading of pg_stat_statements with the one before; the first has
// an empty interval.
func intervalsOf(readings []taken[observation.Postgres]) []interval {
	all := make([]interval, len(readings))
	rows := map[observation.StatementKey]observation.Statement{}
	broken := ""
	for i := range readings {
		now := &readings[i].data
		if i > 0 {
			before := &readings[i-1].data
			if now.Reading != before.Reading+1 && broken == "" {
				broken = fmt.Sprintf("the record lacks a reading of pg_stat_statements before %s, and what changed in it", duration(readings[i].at))
			}
			if broken != "" {
				all[i].void = broken
			} else {
				all[i] = compare(before, now, rows, readings[i].at)
			}
		}
		for _, s := range now.Statements {
			rows[s.StatementKey] = s
		}
		for _, key := range now.Vanished {
			delete(rows, key)
		}
	}
	return all
}

// compare subtracts a reading from the next. Neither a counter that went up nor a row that
// is there proves that nothing was lost between them, hence the many conditions
// (domain-facts 1.3).
func compare(before, now *observation.Postgres, rows map[observation.StatementKey]observation.Statement, at time.Duration) interval {
	var v interval
	evictions := now.DeallocAfter - before.Dealloc
	switch {
	case !now.Postmaster.Equal(before.Postmaster) || now.ServerVersion != before.ServerVersion:
		v.void = fmt.Sprintf("the server was restarted or is another one, noticed at %s", duration(at))
	case now.Extension != before.Extension || now.Name != before.Name:
		v.void = fmt.Sprintf("pg_stat_statements changed from version %s to %s, noticed at %s", before.Extension, now.Extension, duration(at))
	case !now.StatsReset.Equal(before.StatsReset) || evictions < 0:
		v.void = fmt.Sprintf("pg_stat_statements was reset, by a person or by a crash of the server, noticed at %s", duration(at))
	}
	if v.void != "" {
		return v
	}
	doubt := func(format string, args ...any) { v.doubts = append(v.doubts, fmt.Sprintf(format, args...)) }
	if evictions > 0 {
		doubt("pg_stat_statements evicted statements (raise pg_stat_statements.max)")
	}
	if now.Hidden > 0 {
		doubt("statements of other roles are hidden from the collector's (GRANT pg_read_all_stats)")
	}
	if now.StatsReset.IsZero() {
		doubt("pg_stat_statements %s does not tell evictions and resets, nor nested statements apart (1.9 does)", now.Extension)
	}
	if len(now.Vanished) > 0 && evictions == 0 {
		doubt("statements were removed from pg_stat_statements")
	}
	for _, b := range now.Statements {
		var a *observation.Statement
		if row, ok := rows[b.StatementKey]; ok {
			a = &row
		}
		c := call{key: b.StatementKey}
		c.moments, c.survived = between(a, b)
		if a == nil || !c.survived {
			a = &observation.Statement{}
		}
		c.rows = b.Rows - a.Rows
		c.blocks = StatementBlocks{b.BlocksHit - a.BlocksHit, b.BlocksRead - a.BlocksRead, b.TempBlocks - a.TempBlocks, b.WALBytes - a.WALBytes}
		if !c.survived {
			doubt("a statement's counters were reset or evicted")
		}
		if c.n > 0 {
			v.calls = append(v.calls, c)
		}
	}
	return v
}

// control are the first words of statements that control a transaction or a session. Each
// takes next to no time, and there may be several a query.
var control = map[string]bool{"begin": true, "start": true, "commit": true, "end": true, "rollback": true, "abort": true,
	"savepoint": true, "release": true, "set": true, "reset": true, "show": true, "discard": true, "deallocate": true,
	"declare": true, "close": true, "listen": true, "unlisten": true, "notify": true, "explain": true, "load": true}

// isControl classifies a statement by its redacted text.
func isControl(text string) bool {
	word, rest, _ := strings.Cut(strings.ToLower(strings.TrimLeft(text, "( ")), " ")
	return control[strings.TrimRight(word, ";")] || word == "prepare" && strings.HasPrefix(rest, "transaction")
}

// kind says how a statement counts.
type kind int

const (
	work    kind = iota // a query
	steers              // transaction or session control
	unknown             // its text was not read
)

func classify(texts map[string]string, query int64) (string, kind) {
	text := texts[strconv.FormatInt(query, 10)]
	switch {
	case text == "" || text[0] == '<': // <insufficient privilege>
		return fmt.Sprintf("queryid %d", query), unknown
	case isControl(text):
		return text, steers
	}
	return text, work
}

// use sums calls by statement, the most time first.
func use(calls []call, texts map[string]string) []StatementUse {
	sums := map[int64]*StatementUse{}
	parts := map[int64]*moments{}
	var total float64
	for _, c := range calls {
		s, m := sums[c.key.QueryID], parts[c.key.QueryID]
		if s == nil {
			s, m = &StatementUse{QueryID: c.key.QueryID}, &moments{}
			sums[c.key.QueryID], parts[c.key.QueryID] = s, m
		}
		m.add(c.moments)
		s.Calls, s.Rows = s.Calls+c.n, s.Rows+c.rows
		s.Blocks.Hit, s.Blocks.Read = s.Blocks.Hit+c.blocks.Hit, s.Blocks.Read+c.blocks.Read
		s.Blocks.Temp, s.Blocks.WALBytes = s.Blocks.Temp+c.blocks.Temp, s.Blocks.WALBytes+c.blocks.WALBytes
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

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }
