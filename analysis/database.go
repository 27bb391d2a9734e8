package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"arqload/analysis/observation"
)

// Database is what PostgreSQL told about itself in the judged time. Its statements,
// counters and tables are those of the connected database; sessions, locks, checkpoints,
// WAL and I/O those of the whole server.
type Database struct {
	Asked      bool // the plan names a PostgreSQL
	Available  bool // it gave samples in the judged time
	Reason     string
	Version    string // 15.18
	Extension  string // of pg_stat_statements
	Name       string // of the database
	InRecovery bool   // it is a replica
	Settings   map[string]string

	// Statements are the differences of pg_stat_statements between the samples at the two
	// ends of the judged time; the statement that takes most time first.
	Statements       []StatementUse
	StatementsOK     bool
	StatementsReason string        // why not
	Partial          []string      // why the statements' numbers cover a part alone
	Covered          time.Duration // between the samples that were compared

	Counters   DatabaseCounters
	Background BackgroundUse
	Replicas   []ReplicaUse
	Tables     []TableUse

	Sessions       []SessionUse
	Waits          []WaitUse
	ConnectionsMax int // client sessions of all states, without the collector's own
	MaxConnections int
	LocksMax       int           // waited for at once
	LongestLock    time.Duration // that one had been waited for; PostgreSQL 14 and later
	OldestXact     time.Duration // that a session had been in a transaction

	Running Running
	Lag     LagUse
	Cost    Cost

	Gaps       []string // what the samples do not show, and since when
	Samples    int      // in the judged time
	Failed     int      // of these
	SampleMean time.Duration
	SampleMax  time.Duration

	Series   []Series
	Measures map[string]Measure // of the catalogue

	doubts []string  // why nothing about the statements can be proved
	work   []moments // of queries, one a statement and sub-interval
	around []moments // of these, those that may be of other load beside the judged time
	pooled []moments // the same, one a statement
	steer  int64     // calls of transaction and session control
	unread []moments // of statements whose text is not known: queries or not
	hidden bool      // the role may not see all statements
	undone int64     // savepoints rolled back: a statement failed, but its transaction may not have
	// lateFailures are the arrivals that failed at the end of the load, when the server may not
	// have published what was rolled back.
	lateFailures int64
	unfollowed   bool          // no sample tells of what still ran when the judged time ended
	oldest       time.Duration // the longest that a statement had run when the judged time ended
}

// SessionUse is the most sessions that were seen at once in a state.
type SessionUse struct {
	State string
	Max   int
}

// WaitUse says how often sessions were seen waiting for an event while active.
type WaitUse struct {
	Event string  // Lock/relation, IO/DataFileRead; CPU for none
	Mean  float64 // sessions at a time, over the judged samples
	Max   int
}

// SummarizeDatabase reads the samples of pgstat.
func SummarizeDatabase(run *observation.Run) Database {
	d := Database{Measures: map[string]Measure{}}
	d.Asked, d.Reason = asked(run, "pgstat", "postgres")
	if d.Reason != "" {
		return d.without(databaseMetrics, d.Reason)
	}
	stretches := judgedStretches(run)
	if len(stretches) == 0 {
		d.Reason = "the run reached no judged phase"
		return d.without(databaseMetrics, d.Reason)
	}
	all := samples[observation.Postgres](run, "pgstat")
	d.look(all, stretches)
	d.Gaps = failures(all)
	if d.Samples == d.Failed {
		d.Reason = "PostgreSQL gave no sample in the judged time"
		if len(d.Gaps) > 0 {
			d.Reason += ": " + d.Gaps[len(d.Gaps)-1]
		}
		return d.without(databaseMetrics, d.Reason)
	}
	d.Available = true
	d.count(all, stretches)
	d.behind(all, stretches)
	d.statements(all, stretches)
	d.running(all, stretches)
	d.lag(all, stretches)
	d.cost(all, stretches)
	d.gauges(all, stretches)
	for _, s := range run.Header.Sources {
		if s.Collector == "pgstat" {
			for _, doubt := range s.Doubts {
				d.gap("%s", doubt)
			}
		}
	}
	if d.Settings["pg_read_all_stats"] == "false" && !slices.ContainsFunc(d.Gaps, func(g string) bool { return strings.Contains(g, "GRANT pg_read_all_stats") }) {
		d.gap("the collector's role may not see other roles' sessions and statements: GRANT pg_read_all_stats TO %s", d.Settings["role"])
	}
	return d
}

// databaseMetrics are the metrics of the catalogue that come from pgstat.
var databaseMetrics = []string{"db.connections.used_share", "db.connections.active", "db.connections.idle_in_transaction",
	"db.locks.waiting", "db.locks.longest_wait", "db.deadlocks", "db.conflicts", "db.rollbacks", "db.temp_bytes",
	"db.buffer_hit_ratio", "db.checkpoints_requested", "replication_lag"}

// without says of metrics that they have no value.
func (d Database) without(names []string, reason string) Database {
	for _, n := range names {
		d.Measures[n] = noMeasure(reason)
	}
	return d
}

func (d *Database) gap(format string, args ...any) {
	if g := fmt.Sprintf(format, args...); !slices.Contains(d.Gaps, g) {
		d.Gaps = append(d.Gaps, g)
	}
}

// look takes what needs no comparison: identity, sessions, locks, the cost of sampling.
func (d *Database) look(all []taken[observation.Postgres], stretches []stretch) {
	states, waits := map[string]int{}, map[string]*WaitUse{}
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
		d.Extension, d.Name, d.MaxConnections, d.InRecovery = p.Extension, p.Name, p.MaxConns, p.InRecovery
		d.hidden = d.hidden || p.Hidden > 0
		if p.Settings != nil {
			d.Settings = p.Settings
		}
		for what, err := range p.Errors {
			d.gap("%s could not be read: %s", what, err)
		}
		if !judged {
			continue
		}
		sessions, by, waiting := 0, map[string]int{}, map[string]int{}
		for _, s := range p.Sessions {
			by[s.State] += s.Count
			sessions += s.Count
			d.OldestXact = max(d.OldestXact, s.OldestXact.Duration())
			if s.State == "active" {
				waiting[event(s)] += s.Count
			}
		}
		for state, n := range by {
			states[state] = max(states[state], n)
		}
		for name, n := range waiting {
			w := waits[name]
			if w == nil {
				w = &WaitUse{Event: name}
				waits[name] = w
			}
			w.Mean, w.Max = w.Mean+float64(n), max(w.Max, n)
		}
		d.ConnectionsMax = max(d.ConnectionsMax, sessions)
		n, longest := locks(p)
		d.LocksMax, d.LongestLock = max(d.LocksMax, n), max(d.LongestLock, longest)
	}
	if d.Samples > 0 {
		d.SampleMean = cost / time.Duration(d.Samples)
	}
	for state, n := range states {
		d.Sessions = append(d.Sessions, SessionUse{state, n})
	}
	for _, w := range waits {
		w.Mean /= float64(d.Samples - d.Failed)
		d.Waits = append(d.Waits, *w)
	}
	slices.SortFunc(d.Sessions, func(a, b SessionUse) int {
		return cmp.Or(cmp.Compare(b.Max, a.Max), cmp.Compare(a.State, b.State))
	})
	slices.SortFunc(d.Waits, func(a, b WaitUse) int {
		return cmp.Or(cmp.Compare(b.Mean, a.Mean), cmp.Compare(a.Event, b.Event))
	})
}

// event names what an active session waits for.
func event(s observation.SessionCount) string {
	if s.Event == "" {
		return s.Wait
	}
	return s.Wait + "/" + s.Event
}

// locks sums what is waited for.
func locks(p *observation.Postgres) (n int, longest time.Duration) {
	for _, l := range p.Locks {
		n += l.Count
		longest = max(longest, l.Longest.Duration())
	}
	return n, longest
}

// gauges makes the series of what each sample shows, and their measures.
func (d *Database) gauges(all []taken[observation.Postgres], stretches []stretch) {
	const source = "postgres"
	used := Series{Name: "db.connections.used_share", Source: source, Unit: unitOf("db.connections.used_share")}
	active := Series{Name: "db.connections.active", Source: source, Unit: unitOf("db.connections.active")}
	idle := Series{Name: "db.connections.idle_in_transaction", Source: source, Unit: unitOf("db.connections.idle_in_transaction")}
	waiting := Series{Name: "db.locks.waiting", Source: source, Unit: unitOf("db.locks.waiting")}
	longest := Series{Name: "db.locks.longest_wait", Source: source, Unit: unitOf("db.locks.longest_wait")}
	byWait := map[string]*Series{}
	hidden := false
	for _, t := range all {
		if t.err != "" {
			continue
		}
		p := &t.data
		add := func(s *Series, v float64) { s.Points = append(s.Points, Point{At: t.at, Value: v}) }
		var running, inside float64
		types := map[string]float64{"Lock": 0, "LWLock": 0, "IO": 0, "CPU": 0}
		for _, s := range p.Sessions {
			switch s.State {
			case "active":
				running += float64(s.Count)
				types[s.Wait] += float64(s.Count)
			case "idle in transaction", "idle in transaction (aborted)":
				inside += float64(s.Count)
			case "?":
				hidden = true
			}
		}
		if free := p.MaxConns - p.Reserved; free > 0 && p.Clients > 0 {
			add(&used, float64(p.Clients)/float64(free))
		}
		add(&active, running)
		add(&idle, inside)
		n, l := locks(p)
		if p.Errors["locks"] == "" && p.Clients > 0 { // bundles of before read neither
			add(&waiting, float64(n))
			if p.ServerVersion >= 140000 {
				add(&longest, l.Seconds())
			}
		}
		for name, v := range types {
			s := byWait[name]
			if s == nil {
				s = &Series{Name: "db.waiting." + name, Source: source, Unit: active.Unit}
				byWait[name] = s
			}
			add(s, v)
		}
	}
	partial := ""
	if d.Failed > 0 {
		partial = fmt.Sprintf("%d of %d samples failed", d.Failed, d.Samples)
	}
	d.Measures[used.Name] = highest(stretches, partial, used)
	if hidden {
		partial = "the collector's role may not see the state of other roles' sessions (GRANT pg_read_all_stats)"
	}
	d.Measures[active.Name] = highest(stretches, partial, active)
	d.Measures[idle.Name] = highest(stretches, partial, idle)
	if lost := len(active.judged(stretches)) - len(waiting.judged(stretches)); lost > 0 {
		partial = join(partial, fmt.Sprintf("locks could not be read in %s", plural(uint64(lost), "sample")))
	}
	d.Measures[waiting.Name] = highest(stretches, partial, waiting)
	d.Measures[longest.Name] = highest(stretches, partial, longest)
	if len(longest.Points) == 0 && len(waiting.Points) > 0 {
		d.Measures[longest.Name] = noMeasure("PostgreSQL tells since when a lock is waited for from version 14 on")
	}
	d.Series = append(d.Series, used, active, idle, waiting, longest)
	for _, s := range byWait {
		d.Series = append(d.Series, *s)
	}
	slices.SortStableFunc(d.Series, func(a, b Series) int { return cmp.Compare(a.Label(), b.Label()) })
}
