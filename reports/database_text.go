package reports

import (
	"fmt"
	"strings"

	"arqload/analysis"
)

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
	t.queries(d.QueryP99)
	if d.Commits != nil {
		own := ""
		if d.CommitsOwn > 0 {
			own = fmt.Sprintf(" (up to %d of them arqload's own)", d.CommitsOwn)
		}
		t.entry("work", "%d commits%s, %d rollbacks, %d deadlocks; %d blocks from shared buffers, %d read, %s of temporary files%s",
			*d.Commits, own, *d.Rollbacks, *d.Deadlocks, *d.BlocksHit, *d.BlocksRead, bytes(*d.TempBytes), partly(d.CountersPartial))
	} else {
		t.entry("work", "not known: %s", d.CountersPartial)
	}
	used := ""
	if d.UsedShareMax != nil {
		used = fmt.Sprintf("; with arqload's own %.0f%% of what is not reserved", 100**d.UsedShareMax)
	}
	t.entry("sessions", "%d at most of %d%s%s", d.ConnectionsMax, d.MaxConnections, used, states(d.Sessions))
	if w := waits(d.Waits); w != "" {
		t.entry("waits", "active sessions at a time: %s", w)
	}
	if d.LocksMax > 0 {
		t.entry("locks", "%d waited for at once, the longest %s", d.LocksMax, secs(d.LongestLockS))
	}
	t.storage(d)
	for _, r := range d.Replicas {
		behind := "lag hidden from the collector's role"
		if r.LagBytesMax != nil {
			behind = bytes(*r.LagBytesMax) + " behind at most"
		}
		t.entry("replica", "%q %s, %s; %s", r.Name, r.State, r.SyncState, behind)
	}
	switch l := d.Lag; {
	case l == nil:
	case l.MaxS == nil:
		t.entry("lag", "not known: %s", l.Reason)
	default:
		t.entry("lag", "p50 %s, p99 %s, max %s of %d probes (%d lost): upper bounds, by the WAL position replayed", opt(l.P50S), opt(l.P99S), opt(l.MaxS), l.Probes, l.Lost)
	}
	between := ""
	if d.CoveredS > 0 {
		between = fmt.Sprintf("; statements are counted between two of them, %s apart", secs(d.CoveredS))
	}
	t.entry("sampling", "%d samples (%d failed), %s each on average, %s at most%s", d.Samples, d.SamplesFailed, secs(d.SampleMeanS), secs(d.SampleMaxS), between)
	if c := d.Cost; c != nil {
		ofAll := ""
		if c.ShareOfTotal != nil {
			ofAll = fmt.Sprintf(", %.2g%% of all statements' time", 100**c.ShareOfTotal)
		}
		t.entry("", "it cost the database %s of execution in %d queries: %.2g%% of one session's time%s", secs(c.InDatabaseS), c.Queries, 100*c.ShareOfTime, ofAll)
	}
	t.statements(d)
	t.tables(d.Tables)
	t.rows(&d)
	t.gaps(d.Gaps)
}

// queries says what is known of the query times.
func (t *text) queries(q QueryClaim) {
	t.entry("queries", "p%s %s: %s", trimFloat(q.Quantile*100), q.Claim, q.Reason)
	if q.UpperS != nil {
		t.entry("", "p%s is proved to be at most %s", trimFloat(q.Quantile*100), secs(*q.UpperS))
	}
	if q.RunningHigh != nil && q.Claim != string(analysis.ClaimBracketed) {
		t.entry("", "running statements, looked at ten times a second: %d to %d of them took %s or longer", *q.RunningLow, *q.RunningHigh, secs(q.LimitS))
	}
}

// storage says what was written.
func (t *text) storage(d Database) {
	var parts []string
	if w := d.WAL; w != nil {
		parts = append(parts, fmt.Sprintf("%s of WAL in %d records", bytes(w.Bytes), w.Records))
	}
	if c := d.Checkpoints; c != nil {
		parts = append(parts, fmt.Sprintf("%d checkpoints (%d requested) wrote %d buffers", c.Timed+c.Requested, c.Requested, c.Buffers))
	}
	if i := d.IO; i != nil {
		parts = append(parts, fmt.Sprintf("relations: %d reads, %d writes, %d fsyncs", i.Reads, i.Writes, i.Fsyncs))
	}
	if len(parts) > 0 {
		t.entry("storage", "%s%s", strings.Join(parts, "; "), partly(d.StorageWhy))
	}
}

func (t *text) statements(d Database) {
	if len(d.Statements) == 0 {
		return
	}
	tab := t.table("RRRRRRc", "calls", "/arrival", "mean", "max", "total", "share", "statement")
	for i, st := range d.Statements {
		if i == statementsShown {
			break
		}
		longest, per := secs(st.MaxS), "-"
		if !st.MaxKnown {
			longest = "<=" + longest
		}
		if st.PerArrival != nil {
			per = fmt.Sprintf("%.2f", *st.PerArrival)
		}
		tab.row(fmt.Sprint(st.Calls), per, secs(st.MeanS), longest, secs(st.TotalS), fmt.Sprintf("%.1f%%", st.Share*100), st.Query)
	}
	tab.render()
	if n := len(d.Statements) - statementsShown; n > 0 {
		t.paragraph("  ", fmt.Sprintf("and %d more in report.json", n))
	}
	for i, s := range d.Slow {
		if i == statementsShown {
			break
		}
		t.entry("slow", "mean %s in %d calls: %s", secs(s.MeanS), s.Calls, s.Query)
	}
	if len(d.Slow) > 0 {
		t.entry("", "to look by hand: %s", d.SQL.SlowStatements)
	}
}

// tablesShown is how many tables the terminal shows.
const tablesShown = 5

func (t *text) tables(all []Table) {
	if len(all) == 0 {
		return
	}
	tab := t.table("RRRRRc", "before", "after", "live rows", "dead rows", "changed", "table (whole run)")
	for i, x := range all {
		if i == tablesShown {
			break
		}
		before := "-"
		if x.BytesBefore != nil {
			before = bytes(*x.BytesBefore)
		}
		live, dead, changed := "?", "?", "?"
		if x.Inserted != nil {
			live, dead, changed = fmt.Sprint(*x.LiveRows), fmt.Sprint(*x.DeadRows), fmt.Sprintf("+%d ~%d -%d", *x.Inserted, *x.Updated, *x.Deleted)
		}
		tab.row(before, bytes(x.BytesAfter), live, dead, changed, x.Name)
	}
	tab.render()
}

// rows says what the run left behind: the next run begins with it.
func (t *text) rows(d *Database) {
	if d.RowsAdded == nil {
		return
	}
	var grown int64
	for _, x := range d.Tables {
		if x.BytesBefore != nil {
			grown += x.BytesAfter - *x.BytesBefore
		}
	}
	byTable := ""
	switch {
	case grown > 0:
		byTable = "; they grew by " + bytes(grown)
	case grown < 0:
		byTable = "; they shrank by " + bytes(-grown)
	}
	t.entry("rows", "%d inserted into these tables in the whole run, by whomever%s%s: the next run begins with them", *d.RowsAdded, byTable, partly(d.RowsPartial))
}

// partly marks numbers that cover a part alone.
func partly(reason string) string {
	if reason == "" {
		return ""
	}
	return "; at least so much: " + reason
}

// waits lists what active sessions waited for most.
func waits(all []Wait) string {
	var s []string
	for i, w := range all {
		if i == 4 || w.Mean < 0.005 {
			break
		}
		s = append(s, fmt.Sprintf("%.2f %s", w.Mean, w.Event))
	}
	return strings.Join(s, ", ")
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
