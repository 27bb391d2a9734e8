package reports

import (
	"fmt"
	"strings"

	"arqload/analysis"
	"arqload/scenarios"
)

// Database is what PostgreSQL told about itself in the judged time.
type Database struct {
	Available  bool        `json:"available"`
	Reason     string      `json:"reason"` // why not, or why no statements
	Version    string      `json:"version"`
	Name       string      `json:"name"`
	Statements []Statement `json:"statements"`
	QueryP99   QueryClaim  `json:"query_p99"`
	// Of pg_stat_database; null where its counters do not span the judged time.
	Commits        *int64         `json:"commits"`
	Rollbacks      *int64         `json:"rollbacks"`
	BlocksHit      *int64         `json:"blocks_hit"`
	BlocksRead     *int64         `json:"blocks_read"`
	TempBytes      *int64         `json:"temp_bytes"`
	Deadlocks      *int64         `json:"deadlocks"`
	Sessions       map[string]int `json:"sessions_max"` // by state, the most seen at once
	ConnectionsMax int            `json:"connections_max"`
	MaxConnections int            `json:"max_connections"`
	CoveredS       float64        `json:"covered_s"` // between the samples whose statements are compared
	SampleMeanS    float64        `json:"sample_mean_s"`
	SampleMaxS     float64        `json:"sample_max_s"`
	Samples        int            `json:"samples"`
	SamplesFailed  int            `json:"samples_failed"`
	Gaps           []string       `json:"gaps"`
}

// Statement is one statement's part of the judged time.
type Statement struct {
	Query      string  `json:"query"`
	Calls      int64   `json:"calls"`
	MeanS      float64 `json:"mean_s"`
	StddevS    float64 `json:"stddev_s"`
	TotalS     float64 `json:"total_s"`
	MaxS       float64 `json:"max_s"`
	MaxKnown   bool    `json:"max_known"` // false: max_s is an upper bound from before the judged time
	Rows       int64   `json:"rows"`
	Share      float64 `json:"share"` // of all statements' time
	Control    bool    `json:"control"`
	Incomplete bool    `json:"incomplete"`
}

// QueryClaim is what is known of the 99th percentile of query times, or of the quantile
// that the plan's db_query objective names.
type QueryClaim struct {
	Claim      string   `json:"claim"` // measured, proved, bracketed, estimated or unknown
	Decision   string   `json:"decision"`
	UpperS     *float64 `json:"upper_s"` // the quantile is proved not to exceed it
	Calls      int64    `json:"calls"`
	SlowLow    *int64   `json:"slow_low"` // calls that took the limit or longer: bounds
	SlowHigh   *int64   `json:"slow_high"`
	LimitS     float64  `json:"limit_s"`
	Quantile   float64  `json:"quantile"`
	Population string   `json:"population"`
	Reason     string   `json:"reason"`
}

// defaultClaim is reported where no objective asks for another.
const defaultClaim = "db_query_p99 < 500ms"

func database(s *analysis.Summary, objectives []scenarios.Objective) Database {
	d := s.Database
	out := Database{
		Available: d.Available, Reason: d.Reason, Version: d.Version, Name: d.Name, Statements: []Statement{},
		Sessions:       map[string]int{},
		ConnectionsMax: d.ConnectionsMax, MaxConnections: d.MaxConnections,
		CoveredS: d.Covered.Seconds(), SamplesFailed: d.Failed, SampleMeanS: d.SampleMean.Seconds(), SampleMaxS: d.SampleMax.Seconds(), Samples: d.Samples, Gaps: list(d.Gaps),
		QueryP99: claim(d, objectives),
	}
	if c := d.Counters; c.OK {
		out.Commits, out.Rollbacks, out.BlocksHit, out.BlocksRead = &c.Commits, &c.Rollbacks, &c.BlocksHit, &c.BlocksRead
		out.TempBytes, out.Deadlocks = &c.TempBytes, &c.Deadlocks
	}
	if d.Available && !d.StatementsOK {
		out.Reason = d.StatementsReason
	}
	for _, x := range d.Sessions {
		out.Sessions[x.State] = x.Max
	}
	for _, x := range d.Statements {
		out.Statements = append(out.Statements, Statement{Query: x.Query, Calls: x.Calls, MeanS: x.Mean.Seconds(), StddevS: x.Stddev.Seconds(),
			TotalS: x.Total.Seconds(), MaxS: x.Max.Seconds(), MaxKnown: x.MaxKnown, Rows: x.Rows, Share: x.Share, Control: x.Control, Incomplete: x.Incomplete})
	}
	return out
}

func claim(d analysis.Database, objectives []scenarios.Objective) QueryClaim {
	o, _ := scenarios.ParseObjective(defaultClaim)
	for _, x := range objectives {
		if x.Metric == scenarios.MetricDBQuery {
			o = x
			break
		}
	}
	out := QueryClaim{Claim: string(analysis.ClaimUnknown), Reason: d.Reason, LimitS: o.Limit, Quantile: o.Quantile}
	if !d.Available {
		return out
	}
	q := d.Query(o.Quantile, o.LimitDuration(), o.Op == scenarios.LessEqual)
	out.Claim, out.Decision, out.Reason, out.Population = string(q.Claim), string(q.Decision), q.Reason, q.Population
	out.Calls = q.N
	if q.Decision != analysis.DecisionUndecided || q.SlowHigh > 0 { // else nothing was proved of any
		out.SlowLow, out.SlowHigh = &q.SlowLow, &q.SlowHigh
	}
	if q.UpperOK {
		upper := q.Upper.Seconds()
		out.UpperS = &upper
	}
	return out
}

// statementsShown is how many statements the terminal shows.
const statementsShown = 8

func (t *text) database() {
	d := t.r.Database
	if !d.Available {
		t.heading("Database: no data")
		t.paragraph("  ", d.Reason)
		t.gaps(d.Gaps)
		return
	}
	t.heading(fmt.Sprintf("Database: PostgreSQL %s, %q", d.Version, d.Name))
	q := d.QueryP99
	t.entry("queries", "p%s %s: %s", trimFloat(q.Quantile*100), q.Claim, q.Reason)
	if q.UpperS != nil {
		t.entry("", "p%s is proved to be at most %s", trimFloat(q.Quantile*100), secs(*q.UpperS))
	}
	if d.Commits != nil {
		t.entry("work", "%d commits, %d rollbacks, %d deadlocks; %d blocks from shared buffers, %d read, %s of temporary files",
			*d.Commits, *d.Rollbacks, *d.Deadlocks, *d.BlocksHit, *d.BlocksRead, bytes(*d.TempBytes))
	} else {
		t.entry("work", "not known: the counters do not span the judged time")
	}
	t.entry("sessions", "%d at most of %d%s", d.ConnectionsMax, d.MaxConnections, states(d.Sessions))
	t.entry("sampling", "%d samples (%d failed), %s each on average, %s at most; statements are counted between two of them, %s apart",
		d.Samples, d.SamplesFailed, secs(d.SampleMeanS), secs(d.SampleMaxS), secs(d.CoveredS))
	if len(d.Statements) > 0 {
		tab := t.table("RRRRRc", "calls", "mean", "max", "total", "share", "statement")
		for i, st := range d.Statements {
			if i == statementsShown {
				break
			}
			longest := secs(st.MaxS)
			if !st.MaxKnown {
				longest = "<=" + longest
			}
			tab.row(fmt.Sprint(st.Calls), secs(st.MeanS), longest, secs(st.TotalS), fmt.Sprintf("%.1f%%", st.Share*100), st.Query)
		}
		tab.render()
		if n := len(d.Statements) - statementsShown; n > 0 {
			t.paragraph("  ", fmt.Sprintf("and %d more in report.json", n))
		}
	}
	t.gaps(d.Gaps)
}

func states(m map[string]int) string {
	var s []string
	for _, state := range []string{"active", "idle", "idle in transaction"} {
		if n, ok := m[state]; ok {
			s = append(s, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(s) == 0 {
		return ""
	}
	return " (most at once: " + strings.Join(s, ", ") + ")"
}

func trimFloat(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.4g", v), ".") }
