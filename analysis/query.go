package analysis

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Claim is what a statement about the database's query times stands on.
type Claim string

// The rungs of the ladder, the firmest first. This version climbs to proved, or not at all.
const (
	ClaimMeasured  Claim = "measured"  // each call was timed
	ClaimProved    Claim = "proved"    // follows from sums that the server keeps
	ClaimBracketed Claim = "bracketed" // running statements were sampled
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
	// N counts the completed calls of queries; 0 means that there is no data.
	N int64
	// SlowLow and SlowHigh bound how many of them took the limit or longer (longer, for an
	// inclusive limit): facts about those calls, not estimates with a confidence.
	SlowLow, SlowHigh int64
	// Unseen counts transactions that were rolled back: a statement that failed in one is
	// not among the calls, so each counts as one slow call more.
	Unseen int64
	// Upper, where UpperOK, is proved not to be exceeded by the quantile.
	Upper      time.Duration
	UpperOK    bool
	Population string // of which statements and of which part of their time this is said
	Reason     string
}

// Query says whether the q-quantile (0.99) of the queries' execution times is below a limit,
// or not above it where inclusive: by the sharp bounds on the number of slow calls that
// follow from each statement's count, total, deviation and range between each two
// readings. The quantile is the value at rank ceil(q·n): it meets the limit when at most
// floor((1-q)·n) calls are slow.
func (d Database) Query(q float64, limit time.Duration, inclusive bool) QueryClaim {
	c := QueryClaim{Claim: ClaimUnknown, Decision: DecisionUndecided, Population: d.population()}
	if !d.StatementsOK {
		c.Reason = d.StatementsReason
		if c.Reason == "" {
			c.Reason = d.Reason
		}
		return c
	}
	for _, m := range d.work {
		c.N += m.n
	}
	if c.N == 0 {
		c.Reason = d.silent()
		return c
	}
	if len(d.doubts) > 0 {
		c.Reason = "nothing can be proved: " + strings.Join(d.doubts, "; ")
		return c
	}
	t := limit.Seconds()
	if inclusive {
		t = math.Nextafter(t, math.Inf(1))
	}
	// A statement whose text is not known may or may not be a query: it counts against
	// either verdict.
	var doubtful int64
	for _, m := range d.unread {
		doubtful += m.n
	}
	both := append(append([]moments(nil), d.work...), d.unread...)
	c.SlowLow, c.SlowHigh = slowAtLeast(d.work, t), slowAtMost(both, t)
	if c.SlowLow > allowed(q, c.N+doubtful) {
		c.Claim, c.Decision = ClaimProved, DecisionMissed
	}
	if !d.Counters.OK {
		if c.Decision == DecisionUndecided {
			c.Reason = "statements that failed are in no row, and the rolled back transactions that would tell of them could not be counted"
			return c
		}
	} else {
		c.Unseen = d.Counters.Rollbacks
		permitted := allowed(q, c.N+c.Unseen)
		c.Upper, c.UpperOK = upperQuantile(both, permitted, c.Unseen)
		if c.SlowHigh+c.Unseen <= permitted {
			c.Claim, c.Decision = ClaimProved, DecisionMet
		}
	}
	if c.Decision == DecisionMet && d.oldest >= limit {
		c.Claim, c.Decision, c.UpperOK = ClaimUnknown, DecisionUndecided, false
		c.Reason = fmt.Sprintf("a statement had been running for %s when the judged time ended, and is in no row", duration(d.oldest))
		return c
	}
	c.Reason = c.words(q, limit, inclusive)
	return c
}

// words says what was found.
func (c *QueryClaim) words(q float64, limit time.Duration, inclusive bool) string {
	slow := limit.String() + " or longer"
	if inclusive {
		slow = "longer than " + limit.String()
	}
	permitted := allowed(q, c.N)
	unseen := ""
	if c.Unseen > 0 {
		unseen = fmt.Sprintf("; %s rolled back, whose failed statements are in no row, and each counts as one slow call", plural(uint64(c.Unseen), "transaction"))
	}
	switch {
	case c.Decision == DecisionMissed:
		return fmt.Sprintf("at least %d of %s took %s, %d are allowed", c.SlowLow, plural(uint64(c.N), "call"), slow, permitted)
	case c.Decision == DecisionMet && c.SlowHigh == 0:
		return fmt.Sprintf("none of %s took %s: no statement's maximum is that long%s", plural(uint64(c.N), "call"), slow, unseen)
	case c.Decision == DecisionMet:
		return fmt.Sprintf("at most %d of %s took %s, %d are allowed%s", c.SlowHigh, plural(uint64(c.N), "call"), slow, permitted, unseen)
	}
	return fmt.Sprintf("between %d and %d of %s took %s, %d are allowed: the statements' counts, means, deviations and ranges do not decide%s",
		c.SlowLow, c.SlowHigh, plural(uint64(c.N), "call"), slow, permitted, unseen)
}

// population says what the query times are, and are not.
func (d Database) population() string {
	return fmt.Sprintf("completed statements of all users in database %q but transaction and session control; time in the executor, without planning, commit, waiting for a table lock before execution, and the network", d.Name)
}

// silent says why no call was counted.
func (d Database) silent() string {
	if len(d.unread) > 0 {
		return "the texts of the statements could not be read, so that queries cannot be told from transaction control"
	}
	reason := "pg_stat_statements counted no query in the judged time"
	for _, name := range []string{"pg_stat_statements.track", "compute_query_id"} {
		if v, ok := d.Settings[name]; ok {
			reason += fmt.Sprintf("; %s = %s", name, v)
		}
	}
	return reason
}
