package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"arqload/analysis/observation"
)

// Database is what PostgreSQL told about itself in the judged time. Its statements and
// counters are those of the connected database, its sessions those of the whole server.
type Database struct {
	Asked     bool // the plan names a PostgreSQL
	Available bool // it gave samples in the judged time
	Reason    string
	Version   string // 15.18
	Extension string // of pg_stat_statements
	Name      string // of the database
	Settings  map[string]string

	// Statements are the differences of pg_stat_statements between the samples at the two
	// ends of the judged time; the statement that takes most time first.
	Statements       []StatementUse
	StatementsOK     bool
	StatementsReason string        // why not
	Covered          time.Duration // between the samples that were compared

	Counters       DatabaseCounters
	Sessions       []SessionUse
	ConnectionsMax int // client sessions of all states, without the collector's own
	MaxConnections int

	Gaps       []string // what the samples do not show, and since when
	Samples    int      // in the judged time
	Failed     int      // of these
	SampleMean time.Duration
	SampleMax  time.Duration

	Series   []Series
	Measures map[string]Measure // of the catalogue

	doubts []string      // why nothing about the statements can be proved
	work   []moments     // of queries, one a statement and sub-interval
	unread []moments     // of statements whose text is not known: queries or not
	oldest time.Duration // the longest that a statement had run when the judged time ended
}

// DatabaseCounters are the differences of pg_stat_database over the judged time.
//
// PostgreSQL publishes them late: a session does so when it goes idle, but at most once a
// second, and what it then keeps waits for its next statement or for 10 s of idleness. So
// what happened up to a second before the judged time is in them, and they are read 2 s
// after its end or, where no load follows, at the very end of the run. The last second of
// that load may still be missing.
type DatabaseCounters struct {
	OK                    bool
	Commits, Rollbacks    int64
	BlocksHit, BlocksRead int64
	TempFiles, TempBytes  int64
	Deadlocks, Conflicts  int64
}

// SessionUse is the most sessions that were seen at once in a state.
type SessionUse struct {
	State string
	Max   int
}

// SummarizeDatabase reads the samples of pgstat.
func SummarizeDatabase(run *observation.Run) Database {
	var d Database
	d.Asked, d.Reason = asked(run, "pgstat", "postgres")
	if d.Reason != "" {
		return d
	}
	stretches := judgedStretches(run)
	if len(stretches) == 0 {
		d.Reason = "the run reached no judged phase"
		return d
	}
	all := samples[observation.Postgres](run, "pgstat")
	d.look(all, stretches)
	d.Gaps = failures(all)
	if d.Samples == d.Failed {
		d.Reason = "PostgreSQL gave no sample in the judged time"
		if len(d.Gaps) > 0 {
			d.Reason += ": " + d.Gaps[len(d.Gaps)-1]
		}
		return d
	}
	d.Available = true
	d.count(all, stretches)
	d.statements(all, stretches)
	if d.Settings["pg_read_all_stats"] == "false" {
		d.gap("the collector's role may not see other roles' sessions and statements: GRANT pg_read_all_stats TO %s", d.Settings["role"])
	}
	return d
}

func (d *Database) gap(format string, args ...any) {
	if g := fmt.Sprintf(format, args...); !slices.Contains(d.Gaps, g) {
		d.Gaps = append(d.Gaps, g)
	}
}

// look takes what needs no comparison: identity, sessions, the cost of sampling.
func (d *Database) look(all []taken[observation.Postgres], stretches []stretch) {
	states := map[string]int{}
	var cost time.Duration
	for _, t := range all {
		judged := holds(stretches, t.at)
		if judged {
			d.Samples++
			cost += t.took
			d.SampleMax = max(d.SampleMax, t.took)
		}
		if t.err != "" {
			if judged {
				d.Failed++
			}
			continue
		}
		p := &t.data
		d.Version = fmt.Sprintf("%d.%d", p.ServerVersion/10000, p.ServerVersion%10000)
		d.Extension, d.Name, d.MaxConnections = p.Extension, p.Name, p.MaxConns
		if p.Settings != nil {
			d.Settings = p.Settings
		}
		if !judged {
			continue
		}
		sessions, by := 0, map[string]int{}
		for _, s := range p.Sessions {
			by[s.State] += s.Count
			sessions += s.Count
		}
		for state, n := range by {
			states[state] = max(states[state], n)
		}
		d.ConnectionsMax = max(d.ConnectionsMax, sessions)
	}
	if d.Samples > 0 {
		d.SampleMean = cost / time.Duration(d.Samples)
	}
	for state, n := range states {
		d.Sessions = append(d.Sessions, SessionUse{state, n})
	}
	slices.SortFunc(d.Sessions, func(a, b SessionUse) int {
		return cmp.Or(cmp.Compare(b.Max, a.Max), cmp.Compare(a.State, b.State))
	})
}

// settle is how long after a stretch the database's counters are read when load follows.
const settle = 2 * time.Second

// count sums the differences of the database's counters. One difference that cannot be
// taken voids the sum: a part of it would look like the whole.
func (d *Database) count(all []taken[observation.Postgres], stretches []stretch) {
	some, at := good(all, nil)
	var sum DatabaseCounters
	for _, s := range stretches {
		from, to, notes, reason := s.ends(at)
		if reason != "" {
			d.gap("the database's counters: %s", reason)
			return
		}
		for _, n := range notes {
			d.gap("the database's counters: %s", n)
		}
		for to+1 < len(some) && (s.last || at[to] < s.to+settle) {
			to++
		}
		for i := from + 1; i <= to; i++ {
			a, b := &some[i-1].data, &some[i].data
			switch {
			case !a.Postmaster.Equal(b.Postmaster):
				d.gap("the database's counters: the server was restarted or is another one, noticed at %s", duration(at[i]))
				return
			case !a.Database.StatsReset.Equal(b.Database.StatsReset) || backward(a.Database, b.Database):
				d.gap("the database's counters were reset, noticed at %s", duration(at[i]))
				return
			}
		}
		sum.add(some[from].data.Database, some[to].data.Database)
	}
	sum.OK = true
	d.Counters = sum
}

func backward(a, b observation.DatabaseCounters) bool {
	return b.Commits < a.Commits || b.Rollbacks < a.Rollbacks || b.BlocksHit < a.BlocksHit || b.BlocksRead < a.BlocksRead ||
		b.TempFiles < a.TempFiles || b.TempBytes < a.TempBytes || b.Deadlocks < a.Deadlocks || b.Conflicts < a.Conflicts
}

func (c *DatabaseCounters) add(a, b observation.DatabaseCounters) {
	c.Commits += b.Commits - a.Commits
	c.Rollbacks += b.Rollbacks - a.Rollbacks
	c.BlocksHit += b.BlocksHit - a.BlocksHit
	c.BlocksRead += b.BlocksRead - a.BlocksRead
	c.TempFiles += b.TempFiles - a.TempFiles
	c.TempBytes += b.TempBytes - a.TempBytes
	c.Deadlocks += b.Deadlocks - a.Deadlocks
	c.Conflicts += b.Conflicts - a.Conflicts
}

// statements sums the differences of pg_stat_statements between the readings at the ends of
// the judged time. Those counters are shared memory and not late: a statement is in them
// the moment it has ended.
func (d *Database) statements(all []taken[observation.Postgres], stretches []stretch) {
	readings, at := good(all, func(p *observation.Postgres) bool { return p.StatementsRead })
	texts := map[string]string{}
	unread := ""
	for _, t := range all {
		for id, text := range t.data.Texts {
			texts[id] = text
		}
		if t.data.StatementsError != "" {
			unread = t.data.StatementsError
		}
		if t.data.TextsError != "" {
			d.gap("the statements' texts could not be read: %s", t.data.TextsError)
		}
	}
	fail := func(reason string) {
		d.StatementsReason = reason
		d.gap("statements: %s", reason)
	}
	intervals := intervalsOf(readings)
	var calls []call
	for _, s := range stretches {
		from, to, notes, reason := s.ends(at)
		if reason != "" {
			if unread != "" {
				reason = unread
			}
			fail(reason)
			return
		}
		for _, n := range notes {
			d.gap("statements: %s", n)
		}
		d.Covered += at[to] - at[from]
		for _, v := range intervals[from+1 : to+1] {
			if v.void != "" {
				fail(v.void)
				return
			}
			for _, doubt := range v.doubts {
				if !slices.Contains(d.doubts, doubt) {
					d.doubts = append(d.doubts, doubt)
				}
			}
			calls = append(calls, v.calls...)
		}
		for _, n := range readings[to].data.Sessions {
			d.oldest = max(d.oldest, n.OldestQuery.Duration())
		}
	}
	for _, doubt := range d.doubts {
		d.gap("statements: %s: their numbers are lower bounds", doubt)
	}
	d.StatementsOK = true
	d.Statements = use(calls, texts)
	for _, c := range calls {
		switch _, k := classify(texts, c.key.QueryID); k {
		case work:
			d.work = append(d.work, c.moments)
		case unknown:
			d.unread = append(d.unread, c.moments)
		}
	}
}
