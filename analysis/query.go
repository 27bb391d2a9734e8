package analysis

import (
	"fmt"
	"math"
	"strings"
	"time"

	"arqload/analysis/observation"
)

// Claim is what a statement about the database's query times stands on.
type Claim string

// The rungs of the ladder, the firmest first. Nothing here can measure each call: this
// version climbs to proved.
const (
	ClaimMeasured  Claim = "measured"  // each call was timed
	ClaimProved    Claim = "proved"    // follows from sums that the server keeps
	ClaimBracketed Claim = "bracketed" // running statements were looked at
	ClaimEstimated Claim = "estimated" // a distribution was assumed; never decides
	ClaimUnknown   Claim = "unknown"
)

// Decision is what a claim says about a limit.
type Decision string

// The decisions.
const (
	DecisionMet       Decision = "met"
	DecisionMissed    Decision = "missed"
	DecisionUndecided Decision = "undecided"
)

// QueryClaim is what is known of a quantile of the database's query times.
type QueryClaim struct {
	Claim    Claim
	Decision Decision
	// N counts the completed calls of queries, or where there is no pg_stat_statements the
	// committed transactions; 0 means that there is no data.
	N int64
	// SlowLow and SlowHigh bound how many of them took the limit or longer (longer, for an
	// inclusive limit): facts about those calls, not estimates with a confidence. They stand
	// on pg_stat_statements where Known.
	SlowLow, SlowHigh int64
	Known             bool
	// Unseen counts calls that may have been slow and are in no row of pg_stat_statements:
	// statements that failed, of which each rolled back transaction had one, or as many as
	// can have been seen running that long, where that is less.
	Unseen int64
	// Running are the bounds that looking at the running statements gives, where RunningOK.
	// They include statements that failed or were canceled, waits for locks before
	// execution, and commits.
	RunningLow, RunningHigh int64
	RunningOK               bool
	Waits                   []WaitCount // what those that were seen to be slow waited for
	// Hidden is how many more calls were seen running that long than pg_stat_statements can
	// account for.
	Hidden int64
	// Upper, where UpperOK, is proved not to be exceeded by the quantile.
	Upper   time.Duration
	UpperOK bool
	// Estimate, where EstimateOK, is the quantile of lognormal distributions with each
	// statement's mean and deviation. It can be wrong by several times in either direction.
	Estimate   time.Duration
	EstimateOK bool
	Population string // of which statements and of which part of their time this is said
	Reason     string
}

// Query says whether the q-quantile (0.99) of the queries' times is below a limit, or not
// above it where inclusive. It climbs from the firmest rung down:
//
//   - proved: the sharp bounds on the number of slow calls that follow from each statement's
//     count, total, deviation and range between each two readings, with nothing lost
//     between them, and with calls that are in no row counted as slow;
//   - bracketed: the bounds that come from looking at the running statements;
//   - estimated, which never decides; unknown, with the reason.
//
// The quantile is the value at rank ceil(q·n): it meets the limit when at most
// floor((1-q)·n) calls are slow. A bracket that misses the limit outweighs a proof that
// meets it: it saw time that users waited and that the proof does not cover.
func (d Database) Query(q float64, limit time.Duration, inclusive bool) QueryClaim {
	c := QueryClaim{Claim: ClaimUnknown, Decision: DecisionUndecided, Population: d.population()}
	c.RunningLow, c.RunningHigh, c.RunningOK = d.Running.bracket(limit)
	if c.RunningLow > 0 {
		c.Waits = d.Running.Waits(limit)
	}
	for _, m := range d.work {
		c.N += m.n
	}
	why := ""
	switch {
	case !d.StatementsOK:
		why = d.StatementsReason
		if why == "" {
			why = d.Reason
		}
	case c.N == 0:
		why = d.silent()
	default:
		why = d.prove(&c, q, limit, inclusive)
	}
	if c.Decision != DecisionMissed {
		d.bracket(&c, q, limit, why)
	}
	if c.Decision == DecisionUndecided {
		if c.Reason == "" {
			c.Reason = why
		}
		if c.EstimateOK {
			c.Claim = ClaimEstimated
			c.Reason += fmt.Sprintf("; an estimate from means and deviations, which decides nothing, is %s", duration(c.Estimate))
		}
	}
	return c
}

// prove decides by pg_stat_statements, or says why it does not.
func (d Database) prove(c *QueryClaim, q float64, limit time.Duration, inclusive bool) (why string) {
	t := limit.Seconds()
	if inclusive {
		t = math.Nextafter(t, math.Inf(1))
	}
	c.Estimate, c.EstimateOK = lognormalQuantile(d.pooled, q)
	if len(d.doubts) > 0 {
		return "nothing can be proved: " + strings.Join(d.doubts, "; ")
	}
	// A statement whose text is not known may or may not be a query: it counts against
	// either verdict.
	var doubtful int64
	for _, m := range d.unread {
		doubtful += m.n
	}
	both := append(append([]moments(nil), d.work...), d.unread...)
	c.SlowLow, c.SlowHigh, c.Known = slowAtLeast(d.work, t)-slowAtLeast(d.around, t), slowAtMost(both, t), true
	c.Hidden = max(0, c.RunningLow-c.SlowHigh)
	unseen, known := d.unseen(c, limit)
	permitted := allowed(q, c.N+c.Unseen)
	ended := c.RunningOK || !d.unfollowed && d.oldest < limit && d.Settings["track_activities"] != "off"
	if known && ended && c.Unseen >= d.Counters.Rollbacks+d.undone { // each failed statement counts as slow, whatever the time
		c.Upper, c.UpperOK = upperQuantile(both, permitted, c.Unseen)
	}
	why = c.words(q, limit, inclusive) + unseen
	switch {
	case c.SlowLow > allowed(q, c.N+doubtful):
		c.Claim, c.Decision = ClaimProved, DecisionMissed
		c.Reason = fmt.Sprintf("at least %d of %s took %s, %d are allowed", c.SlowLow, plural(uint64(c.N), "call"), slower(limit, inclusive), allowed(q, c.N))
	case !known:
		return "statements that failed are in no row, and the rolled back transactions that would tell of them could not be counted"
	case !ended && d.oldest < limit:
		return "what still ran when the judged time ended is in no row, and was not seen to end in time"
	case !ended:
		return fmt.Sprintf("a statement had been running for %s when the judged time ended, and is in no row", duration(d.oldest))
	case c.SlowHigh+c.Unseen <= permitted:
		c.Claim, c.Decision, c.Reason = ClaimProved, DecisionMet, why
	}
	return why
}

// unseen sets how many calls that are in no row may have been slow, and says why; known is
// false where nothing tells.
func (d Database) unseen(c *QueryClaim, limit time.Duration) (words string, known bool) {
	failed := d.Counters.Rollbacks + d.undone
	rolled := fmt.Sprintf("; %s rolled back (%d to a savepoint), whose failed statements are in no row", plural(uint64(failed), "transaction"), d.undone)
	counted := d.Counters.OK && d.Counters.Partial == "" && d.utility()
	if !counted && !c.RunningOK {
		return "", false
	}
	if counted {
		// What failed at the very end may not be published: what was seen running then, or
		// where nobody looked, the arrivals that failed then.
		late := d.lateFailures
		if c.RunningOK {
			late = d.Running.late(limit)
		}
		if c.Unseen = failed + late; failed > 0 {
			words = rolled + ", and each counts as one slow call"
		}
		if late > 0 {
			words += fmt.Sprintf("; %d more at the end of the load may have failed, which the server does not publish at once", late)
		}
	}
	if c.RunningOK && (!counted || c.Unseen > c.RunningHigh) {
		if c.Unseen = c.RunningHigh; failed > 0 {
			words = fmt.Sprintf("%s; of all calls at most %d were seen running that long, and count as slow", rolled, c.Unseen)
		}
	}
	c.Unseen = max(c.Unseen, c.Hidden)
	return words, true
}

// bracket decides by the running statements: where the proof did not, and against one that
// met the limit.
func (d Database) bracket(c *QueryClaim, q float64, limit time.Duration, why string) {
	if !c.RunningOK && c.Hidden == 0 {
		if c.Decision == DecisionUndecided {
			c.Reason = why
			if w := d.Running.why(limit); w != "" {
				c.Reason += "; nor is there a bracket: " + w
			}
		}
		return
	}
	waits := ""
	for i, w := range c.Waits {
		if i == 3 {
			break
		}
		waits += fmt.Sprintf(", %d in %s", w.Calls, w.Event)
	}
	if waits != "" {
		waits = " (when last seen" + waits + ")"
	}
	hidden := ""
	if c.Hidden > 0 {
		hidden = fmt.Sprintf("; pg_stat_statements can account for at most %d of them: the rest is time that is not in pg_stat_statements, of statements that were canceled or failed, waited for a lock before execution, or committed", c.SlowHigh)
	}
	seen := fmt.Sprintf("by looking at the running statements every %s, between %d and %d calls took %s or longer%s%s",
		observation.LookEvery, c.RunningLow, c.RunningHigh, limit, waits, hidden)
	// All that can have run: a share is highest of the least, and lowest of the most.
	most := c.N + d.steer + c.RunningLow + d.Counters.Rollbacks + d.undone
	for _, m := range d.unread {
		most += m.n
	}
	whole := d.StatementsOK && len(d.doubts) == 0 && d.Counters.OK && d.Counters.Partial == "" && d.utility()
	switch {
	case whole && c.RunningLow > allowed(q, most):
		c.Claim, c.Decision, c.UpperOK = ClaimBracketed, DecisionMissed, false
		c.Reason = fmt.Sprintf("%s: at least %d of at most %s, %d are allowed", seen, c.RunningLow, plural(uint64(most), "call"), allowed(q, most))
	case c.Decision == DecisionMet:
		if c.Hidden > 0 {
			c.Reason += "; " + seen
		}
	case c.RunningOK && c.N > 0 && c.RunningHigh <= allowed(q, c.N):
		c.Claim, c.Decision = ClaimBracketed, DecisionMet
		c.Reason = fmt.Sprintf("%s; of at least %s %d are allowed; it was not proved: %s", seen, plural(uint64(c.N), "completed call"), allowed(q, c.N), why)
	case c.RunningOK && !d.StatementsOK && c.RunningHigh == 0 && d.Counters.OK && allowed(q, d.Counters.Commits-d.Counters.Own) > 0:
		c.N = d.Counters.Commits - d.Counters.Own
		c.Claim, c.Decision = ClaimBracketed, DecisionMet
		c.Reason = fmt.Sprintf("no statement was seen to run for %s, nor can have, in %s; how many there were is not known: %s", limit, plural(uint64(c.N), "committed transaction"), why)
	default:
		c.Reason = why + "; " + seen
	}
}

// utility says whether transaction control is counted too.
func (d Database) utility() bool { return d.Settings["pg_stat_statements.track_utility"] != "off" }

// words says what pg_stat_statements tells of the slow calls.
func (c *QueryClaim) words(q float64, limit time.Duration, inclusive bool) string {
	permitted, calls, slow := allowed(q, c.N+c.Unseen), plural(uint64(c.N), "call"), slower(limit, inclusive)
	switch {
	case c.SlowHigh == 0:
		return fmt.Sprintf("none of %s took %s: no statement's maximum is that long", calls, slow)
	case c.SlowHigh <= permitted:
		return fmt.Sprintf("at most %d of %s took %s, %d are allowed", c.SlowHigh, calls, slow, permitted)
	}
	return fmt.Sprintf("between %d and %d of %s took %s, %d are allowed: the statements' counts, means, deviations and ranges do not decide",
		c.SlowLow, c.SlowHigh, calls, slow, permitted)
}

// slower says what a slow call is.
func slower(limit time.Duration, inclusive bool) string {
	if inclusive {
		return "longer than " + limit.String()
	}
	return limit.String() + " or longer"
}

// population says what the query times are, and are not.
func (d Database) population() string {
	return fmt.Sprintf("proved: completed statements of all users in database %q but transaction and session control; time in the executor, without planning, commit, waiting for a table lock before execution, and the network; bracketed: whatever ran there, those parts but the network included", d.Name)
}

// silent says why no call was counted.
func (d Database) silent() string {
	if len(d.unread) > 0 {
		return "the texts of the statements could not be read, so that queries cannot be told from transaction control"
	}
	if d.hidden {
		return "its statements are hidden from the collector's role (GRANT pg_read_all_stats)"
	}
	reason := "pg_stat_statements counted no query in the judged time"
	if len(d.Partial) > 0 {
		reason += ", as far as it is known: " + strings.Join(d.Partial, "; ")
	}
	for _, name := range []string{"pg_stat_statements.track", "compute_query_id"} {
		if v, ok := d.Settings[name]; ok {
			reason += fmt.Sprintf("; %s = %s", name, v)
		}
	}
	return reason
}
