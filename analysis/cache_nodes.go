package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"arqload/analysis/observation"
)

// timeline is one node's way through the samples.
type timeline struct {
	address  string
	at       []time.Duration          // of all samples
	readings []*observation.RedisNode // by sample; nil: it was not read in it
	errs     []string                 // by sample: why not
	failed   []string                 // by sample: why no node was
	read     []int                    // the samples in which it was read
	broken   map[int]gapKind          // by sample: how it does not continue the one read before
	gaps     []cacheGap
	roles    []cacheGap // changes of role
}

// cacheGap says what happened to a node after the sample from and no later than the sample
// to. Of a node that was never there before or after, from is -1 or to beyond the last.
type cacheGap struct {
	from, to int
	text     string
	kind     gapKind
}

// gapKind says what is not known of a node in a gap.
type gapKind int

const (
	gapUnread  gapKind = iota // it was only not read for a while
	gapReset                  // CONFIG RESETSTAT: what that clears; gauges and the CPU time go on
	gapLasting                // what it did in it
)

// timelines finds each node's way and its gaps.
func timelines(all []taken[observation.Redis], stretches []stretch) []*timeline {
	var lines []*timeline
	by := map[string]*timeline{}
	at, failed := make([]time.Duration, len(all)), make([]string, len(all))
	for i := range all {
		at[i], failed[i] = all[i].at, all[i].err
	}
	for i := range all {
		for j := range all[i].data.Nodes {
			n := &all[i].data.Nodes[j]
			l := by[n.Address]
			if l == nil {
				l = &timeline{address: n.Address, at: at, readings: make([]*observation.RedisNode, len(all)), errs: make([]string, len(all)), failed: failed, broken: map[int]gapKind{}}
				by[n.Address] = l
				lines = append(lines, l)
			}
			if l.errs[i] = n.Error; n.Error == "" {
				l.readings[i] = n
				l.read = append(l.read, i)
			}
		}
	}
	for _, l := range lines {
		l.find(stretches)
	}
	return lines
}

// find fills gaps, roles and broken.
func (l *timeline) find(stretches []stretch) {
	last := len(l.at) - 1
	if len(l.read) == 0 {
		l.gap(-1, last+1, fmt.Sprintf("Redis at %s was never read: %s", l.address, l.said(0, last)), gapLasting)
		return
	}
	if first := l.read[0]; first > 0 {
		text := fmt.Sprintf("Redis at %s first appears at %s: what it did before is not known", l.address, duration(l.at[first]))
		if said := l.said(0, first-1); said != "" {
			text = fmt.Sprintf("Redis at %s could not be read before %s: %s", l.address, duration(l.at[first]), said)
		}
		l.gap(-1, first, text, gapLasting)
	}
	for k := 1; k < len(l.read); k++ {
		a, b := l.read[k-1], l.read[k]
		before, now := l.readings[a], l.readings[b]
		silent := ""
		if said := l.said(a+1, b-1); said != "" {
			silent = fmt.Sprintf("; it could not be read from %s: %s", duration(l.at[a+1]), said)
		}
		switch {
		case now.RunID != before.RunID:
			l.gap(a, b, fmt.Sprintf("Redis at %s was restarted or is another one, noticed at %s%s", l.address, duration(l.at[b]), silent), gapLasting)
		case wentBack(*before, *now):
			l.gap(a, b, fmt.Sprintf("the counters of Redis at %s were reset, noticed at %s%s", l.address, duration(l.at[b]), silent), resetOf(now))
		case b > a+1 && l.acrossEdge(a, b, stretches):
			l.gap(a, b, fmt.Sprintf("Redis at %s was not read from %s to %s, across an end of the judged time: %s",
				l.address, duration(l.at[a+1]), duration(l.at[b-1]), cmp.Or(l.said(a+1, b-1), "it is in no sample")), gapLasting)
		case slices.ContainsFunc(l.errs[a+1:b], func(e string) bool { return e != "" }): // else the whole sample failed, which is told elsewhere
			l.gap(a, b, fmt.Sprintf("Redis at %s could not be read from %s to %s (%s): %s", l.address,
				duration(l.at[a+1]), duration(l.at[b-1]), plural(uint64(b-a-1), "sample"), l.said(a+1, b-1)), gapUnread)
		}
		if now.Role != before.Role {
			l.roles = append(l.roles, cacheGap{from: a, to: b,
				text: fmt.Sprintf("Redis at %s became %s, it was %s before: noticed at %s", l.address, now.Role, before.Role, duration(l.at[b]))})
			l.gaps = append(l.gaps, l.roles[len(l.roles)-1])
		}
	}
	l.findHidden()
	if end := l.read[len(l.read)-1]; end < last {
		text := fmt.Sprintf("Redis at %s is gone: it is in no sample from %s on", l.address, duration(l.at[end+1]))
		if said := l.said(end+1, last); said != "" {
			text = fmt.Sprintf("Redis at %s could not be read from %s on: %s", l.address, duration(l.at[end+1]), said)
		}
		l.gap(end, last+1, text, gapLasting)
	}
}

// findHidden finds resets that the counters of INFO stats have outgrown before they were
// read again: some command's own count has not.
func (l *timeline) findHidden() {
	before := -1
	for _, i := range l.read {
		if !l.readings[i].Detailed {
			continue
		}
		if before >= 0 && !l.brokenIn(before, i) && !grew(l.readings[before], l.readings[i]) {
			l.gap(before, i, fmt.Sprintf("the counters of Redis at %s were reset between %s and %s", l.address, duration(l.at[before]), duration(l.at[i])), resetOf(l.readings[i]))
		}
		before = i
	}
}

func (l *timeline) gap(from, to int, text string, kind gapKind) {
	l.gaps = append(l.gaps, cacheGap{from: from, to: to, text: text, kind: kind})
	l.broken[to] = max(l.broken[to], kind)
}

// resetOf is what counters that went back mean: a reset where the run_id tells that it is
// still the same life.
func resetOf(n *observation.RedisNode) gapKind {
	if n.RunID == "" {
		return gapLasting
	}
	return gapReset
}

// said is the first error in some samples.
func (l *timeline) said(from, to int) string {
	for i := from; i <= to; i++ {
		if said := cmp.Or(l.errs[i], l.failed[i]); said != "" {
			return strings.TrimPrefix(said, l.address+": ")
		}
	}
	return ""
}

// acrossEdge says whether an end of the judged time lies between two samples and too far
// from both to be told apart.
func (l *timeline) acrossEdge(a, b int, stretches []stretch) bool {
	return slices.ContainsFunc(stretches, func(s stretch) bool {
		start := l.at[a] < s.from-nearEdge && l.at[b] > s.from+atEdge
		end := l.at[a] < s.to-atEdge && l.at[b] > s.to+nearEdge && !s.last
		return start || end
	})
}

// wentBack says whether any counter is lower than it was: CONFIG RESETSTAT leaves run_id
// and uptime alone.
func wentBack(a, b observation.RedisNode) bool {
	return b.Hits < a.Hits || b.Misses < a.Misses || b.Commands < a.Commands || b.Expired < a.Expired ||
		b.Evicted < a.Evicted || b.Rejected < a.Rejected || b.ErrorReplies < a.ErrorReplies
}

// delta is what a node counted.
type delta struct {
	length                                                     time.Duration // in which it is known; 0: nothing is
	hits, misses, commands, expired, evicted, rejected, errors int64
	cpu                                                        time.Duration
}

// difference is what a node counted between two of its readings of one life.
func difference(length time.Duration, a, b *observation.RedisNode) delta {
	return delta{length: length, hits: b.Hits - a.Hits, misses: b.Misses - a.Misses,
		// The collector counts its own commands a moment before or after the server does.
		commands: max(0, b.Commands-a.Commands-(b.Own-a.Own)), errors: max(0, b.ErrorReplies-a.ErrorReplies-(b.OwnErrors-a.OwnErrors)),
		expired: b.Expired - a.Expired, evicted: b.Evicted - a.Evicted, rejected: b.Rejected - a.Rejected, cpu: max(0, b.MainCPU-a.MainCPU).Duration()}
}

// between is what the node counted between two samples, as far as it is known; whole says
// that it is all.
func (l *timeline) between(a, b int) (sum delta, whole bool) {
	if l.readings[a] != nil && l.readings[b] != nil && !l.brokenIn(a, b) {
		return difference(l.at[b]-l.at[a], l.readings[a], l.readings[b]), true
	}
	for k := 1; k < len(l.read); k++ {
		i, j := l.read[k-1], l.read[k]
		if i < a || j > b || l.broken[j] != gapUnread {
			continue
		}
		d := difference(l.at[j]-l.at[i], l.readings[i], l.readings[j])
		sum.length, sum.cpu, sum.commands, sum.errors = sum.length+d.length, sum.cpu+d.cpu, sum.commands+d.commands, sum.errors+d.errors
		sum.hits, sum.misses, sum.expired = sum.hits+d.hits, sum.misses+d.misses, sum.expired+d.expired
		sum.evicted, sum.rejected = sum.evicted+d.evicted, sum.rejected+d.rejected
	}
	return sum, false
}

func (l *timeline) brokenIn(a, b int) bool {
	for i := a + 1; i <= b; i++ {
		if l.broken[i] != gapUnread {
			return true
		}
	}
	return false
}

// why are the gaps that lie between two samples; there is at least one.
func (l *timeline) why(a, b int) []cacheGap {
	var all []cacheGap
	for _, g := range l.gaps {
		if g.kind != gapUnread && g.from < b && g.to > a {
			all = append(all, g)
		}
	}
	if all == nil {
		all = []cacheGap{{from: a, to: b, kind: gapLasting,
			text: fmt.Sprintf("Redis at %s was not read between %s and %s", l.address, duration(l.at[a]), duration(l.at[b]))}}
	}
	return all
}

// changed says whether the node's role changed between two samples. Its own counters go
// on, but a failover is no part of either state.
func (l *timeline) changed(a, b int) string {
	for _, g := range l.roles {
		if g.from < b && g.to > a {
			return g.text
		}
	}
	return ""
}

// blind says whether a sample only passes over the node: it was read before and after, in
// one life.
func (l *timeline) blind(i int) bool {
	if l.readings[i] != nil {
		return false
	}
	k, _ := slices.BinarySearch(l.read, i) // of the first one after i
	return k > 0 && k < len(l.read) && l.broken[l.read[k]] == gapUnread
}

// cuts are the samples between which the sum over the nodes can be taken: at least one
// node was read in them, and they pass over none. What a node counted across a sample that
// passed over it cannot be divided.
func cuts(all []taken[observation.Redis], lines []*timeline) (some []int, at []time.Duration) {
	for i := range all {
		read := slices.ContainsFunc(lines, func(l *timeline) bool { return l.readings[i] != nil })
		if read && !slices.ContainsFunc(lines, func(l *timeline) bool { return l.blind(i) }) {
			some, at = append(some, i), append(at, all[i].read())
		}
	}
	return some, at
}

// judgedCuts returns the cuts of a stretch. Where it has no samples at its ends, those in
// it, and what is missing.
func judgedCuts(all []taken[observation.Redis], s stretch, cuts []int, at []time.Duration, notes *[]string) (some []int, partial []string) {
	from, to, more, reason := s.ends(at)
	if reason == "" {
		*notes = append(*notes, more...)
		return cuts[from : to+1], nil
	}
	for k := range cuts {
		if at[k] >= s.from-atEdge && at[k] <= s.to+atEdge {
			some = append(some, cuts[k])
		}
	}
	for _, t := range all {
		if t.err != "" && t.at >= s.from-nearEdge {
			return some, []string{reason + "; " + t.err}
		}
	}
	return some, []string{reason}
}
