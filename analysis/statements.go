package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"arqload/analysis/observation"
)

// call is one statement between two readings.
type call struct {
	key observation.StatementKey
	moments
	rows     int64
	plans    int64
	planTime float64 // seconds
	blocks   StatementBlocks
	sure     bool // of the judged time alone
	survived bool // the row's counters are of one life
}

// interval is what two consecutive readings tell.
type interval struct {
	at, length time.Duration
	from       time.Duration // when the first of them was begun
	calls      []call
	void       string   // why nothing can be said about it
	doubts     []string // why what is said may be incomplete, so that nothing can be proved
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
			all[i].at, all[i].length = readings[i-1].at, readings[i].at-readings[i-1].at
			all[i].from = readings[i-1].at
			if now.Reading != before.Reading+1 && broken == "" {
				broken = fmt.Sprintf("the record lacks a reading of pg_stat_statements before %s, and what changed in it", duration(readings[i].at))
			}
			if broken != "" {
				all[i].void = broken
			} else {
				all[i].compare(before, now, rows, readings[i].at)
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

// statements sums the differences of pg_stat_statements between the readings at the ends of
// the judged time. Those counters are shared memory and not late: a statement is in them
// the moment it has ended. What lies between two readings of different lives is lost: the
// rest stands, but is partial, and proves nothing.
func (d *Database) statements(all []taken[observation.Postgres], stretches []stretch) {
	readings, at := good(all, func(p *observation.Postgres) bool { return p.StatementsRead })
	texts := map[string]string{}
	unread := ""
	for _, t := range all {
		maps.Copy(texts, t.data.Texts)
		if t.data.StatementsError != "" {
			unread = t.data.StatementsError
		}
		if t.data.TextsError != "" {
			d.gap("the statements' texts could not be read: %s", t.data.TextsError)
		}
	}
	lost := func(reason string) {
		if !slices.Contains(d.Partial, reason) {
			d.Partial = append(d.Partial, reason)
		}
		d.gap("statements: %s", reason)
	}
	intervals := intervalsOf(readings)
	var calls []call
	for _, s := range stretches {
		from, to, notes, partial, ok := s.bounds(at)
		if partial != "" && unread != "" {
			partial = unread
		}
		if partial != "" {
			lost(partial)
		}
		if !ok {
			continue
		}
		for _, n := range notes {
			d.gap("statements: %s", n)
		}
		for _, v := range intervals[from+1 : to+1] {
			if v.void != "" {
				if !slices.ContainsFunc(d.Partial, func(p string) bool { return strings.HasPrefix(p, v.void) }) {
					lost(fmt.Sprintf("%s: what ran since %s is lost", v.void, duration(v.at)))
				}
				continue
			}
			d.StatementsOK = true
			d.Covered += v.length
			for _, doubt := range v.doubts {
				if !slices.Contains(d.doubts, doubt) {
					d.doubts = append(d.doubts, doubt)
				}
			}
			for _, c := range v.calls {
				c.sure = s.surely(v.from, v.at+v.length)
				calls = append(calls, c)
			}
		}
		for _, n := range readings[to].data.Sessions {
			d.oldest = max(d.oldest, n.OldestQuery.Duration())
		}
	}
	end := stretches[len(stretches)-1].to
	d.unfollowed = true
	for _, t := range all {
		if t.err == "" && t.at > end+atEdge {
			d.unfollowed = false
			for _, n := range t.data.Sessions {
				if q := n.OldestQuery.Duration(); t.at-q <= end {
					d.oldest = max(d.oldest, q)
				}
			}
		}
	}
	if !d.StatementsOK {
		d.StatementsReason = strings.Join(d.Partial, "; ")
		return
	}
	for _, doubt := range d.doubts {
		d.gap("statements: %s: their numbers are lower bounds", doubt)
	}
	d.doubts = append(d.doubts, d.Partial...)
	d.Statements = use(calls, texts)
	pooled := map[int64]*moments{}
	for _, c := range calls {
		text, k := classify(texts, c.key.QueryID)
		if words := strings.Fields(strings.ToLower(text)); k == steers && len(words) > 1 && words[0] == "rollback" && words[1] == "to" {
			d.undone += c.n
		}
		switch k {
		case work:
			d.work = append(d.work, c.moments)
			if !c.sure {
				d.around = append(d.around, c.moments)
			}
			if pooled[c.key.QueryID] == nil {
				pooled[c.key.QueryID] = &moments{}
			}
			pooled[c.key.QueryID].add(c.moments)
		case steers:
			d.steer += c.n
		case unknown:
			d.unread = append(d.unread, c.moments)
		}
	}
	for _, m := range pooled {
		d.pooled = append(d.pooled, *m)
	}
	d.statementSeries(intervals, texts)
}

// perArrival holds the statements' calls against the arrivals that were sent. Where a part
// of the calls is lost there is no ratio.
func (d *Database) perArrival(sent uint64) {
	if sent == 0 || len(d.Partial) > 0 {
		return
	}
	for i := range d.Statements {
		d.Statements[i].PerArrival = float64(d.Statements[i].Calls) / float64(sent)
	}
}

// silentDatabase says that no query ran in the connected database, as far as can be seen.
func (d *Database) silentDatabase() bool {
	return d.StatementsOK && len(d.Partial) == 0 && !d.hidden && len(d.work) == 0 && len(d.unread) == 0
}

// compare subtracts a reading from the next. Neither a counter that went up nor a row that
// is there proves that nothing was lost between them, hence the many conditions.
func (v *interval) compare(before, now *observation.Postgres, rows map[observation.StatementKey]observation.Statement, at time.Duration) {
	evictions := now.DeallocAfter - before.Dealloc
	other := sameServer(before, now)
	switch {
	case other != "":
		v.void = fmt.Sprintf("%s, noticed at %s", other, duration(at))
	case now.Extension != before.Extension:
		v.void = fmt.Sprintf("pg_stat_statements changed from version %s to %s, noticed at %s", before.Extension, now.Extension, duration(at))
	case !now.StatsReset.Equal(before.StatsReset) || evictions < 0:
		v.void = fmt.Sprintf("pg_stat_statements was reset, by a person or by a crash of the server, noticed at %s", duration(at))
	}
	if v.void != "" {
		return
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
		c.rows, c.plans, c.planTime = b.Rows-a.Rows, b.Plans-a.Plans, b.PlanTime-a.PlanTime
		c.blocks = StatementBlocks{b.BlocksHit - a.BlocksHit, b.BlocksRead - a.BlocksRead, b.BlocksWritten - a.BlocksWritten, b.TempBlocks - a.TempBlocks, b.WALBytes - a.WALBytes,
			seconds(b.ReadTime - a.ReadTime), seconds(b.WriteTime - a.WriteTime)}
		if !c.survived {
			doubt("a statement's counters were reset or evicted")
		}
		if c.n > 0 {
			v.calls = append(v.calls, c)
		}
	}
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

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }
