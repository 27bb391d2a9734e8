package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

// CacheProbes says what the replication probes of the judged time found.
type CacheProbes struct {
	Asked   bool // the plan names a key
	Reason  string
	Count   int // lost ones among them
	Lost    int
	P50     time.Duration // of those with a value; of one that had not ended what it had waited
	P99     time.Duration
	Max     time.Duration
	Masters int
	// Worst is the master whose probes are judged, WorstP99 the p99 of those with a value;
	// the figures above are of all masters.
	Worst    string
	WorstP99 time.Duration
}

// waits is WAIT's own limit in the collector: what has not ended by then is slow.
const waits = time.Second

// probe takes the replication probes of the judged time, and says whether the plan names
// a key for them. lost are the replicas that they did not wait for.
func (c *Cache) probe(all []taken[observation.Redis], stretches []stretch, lost []string) bool {
	by := map[string][]Probe{}
	seconds := map[string]map[time.Duration]float64{}
	notes := slices.Clone(lost)
	var values []time.Duration
	dropped := 0
	for i, t := range all {
		c.Probes.Asked = c.Probes.Asked || t.data.Probing
		if sampled(stretches, t.at) {
			notes = append(notes, t.data.ProbeNotes...)
		}
		if i > 0 && overlaps(stretches, all[i-1].at, t.at) {
			dropped += t.data.Dropped
		}
		for _, p := range t.data.Probes {
			at := t.at - p.Ago.Duration()
			if !p.Lost {
				if seconds[p.Master] == nil {
					seconds[p.Master] = map[time.Duration]float64{}
				}
				second := at.Truncate(time.Second)
				seconds[p.Master][second] = max(seconds[p.Master][second], p.Took.Duration().Seconds())
			}
			if !slices.ContainsFunc(stretches, func(s stretch) bool { return s.from <= at && at < s.to }) {
				continue
			}
			// One that had not ended after a short wait might have been fast or slow.
			one := Probe{At: at, Value: p.Took.Duration(), Lost: p.Lost || p.AtLeast && p.Took.Duration() < waits, Open: p.AtLeast}
			c.Probes.Count++
			if by[p.Master] = append(by[p.Master], one); one.Lost {
				c.Probes.Lost++
			} else {
				values = append(values, one.Value)
			}
		}
	}
	c.probeSeries(seconds)
	if !c.Probes.Asked {
		return false
	}
	if dropped > 0 {
		notes = append(notes, plural(uint64(dropped), "replication probe")+" were dropped: too many had not ended")
	}
	m := Measure{}
	if c.Probes.Masters = len(by); len(by) == 0 {
		m = noMeasure(join("there was no replication probe in the judged time", gapWords(notes)))
	} else {
		worst, unproved := worstMaster(by)
		notes = append(notes, unproved...)
		m = Measure{Partial: gapWords(notes), N: len(worst.probes), Probes: worst.probes}
		if c.Probes.Worst, c.Probes.WorstP99 = worst.master, worst.p99; len(by) > 1 {
			m.Where = worst.master
		}
	}
	c.Probes.Reason = join(m.Reason, m.Partial)
	if slices.Sort(values); len(values) > 0 {
		c.Probes.P50, c.Probes.P99, c.Probes.Max = atQuantile(values, 0.5), atQuantile(values, 0.99), values[len(values)-1]
	}
	c.Measures["cache.replication_lag"] = m
	return true
}

// atQuantile is the q-quantile of sorted values, of which there is at least one.
func atQuantile(values []time.Duration, q float64) time.Duration {
	return values[hist.Rank(q, int64(len(values)))-1]
}

// probeSeries are the longest probes of those begun in each second, by master.
func (c *Cache) probeSeries(seconds map[string]map[time.Duration]float64) {
	for _, master := range slices.Sorted(maps.Keys(seconds)) {
		s := Series{Name: "cache.replication_lag", Source: "redis", Unit: scenarios.UnitSeconds}
		if len(seconds) > 1 {
			s.Of = master
		}
		for at, v := range seconds[master] {
			s.Points = append(s.Points, Point{At: at, Value: v})
		}
		sortPoints(s.Points)
		c.Series = append(c.Series, s)
	}
}

// unbounded is a quantile of which nothing is known.
const unbounded = time.Duration(math.MaxInt64)

// masterProbes are one master's probes with the p99 of those that have a value, and the
// limits that the verdict would call missed (up to low) and met (above high) by these probes
// alone.
type masterProbes struct {
	master         string
	probes         []Probe
	lost           int
	low, p99, high time.Duration
}

// boundsOf inverts the test of the verdict: it searches for how many of the slowest may be
// bad, with the dispersion that these have.
func boundsOf(master string, probes []Probe) masterProbes {
	m := masterProbes{master: master, probes: probes, high: unbounded}
	type late struct {
		value  time.Duration
		second int // into seconds
	}
	var slowest []late
	var seconds []share // with the lost ones alone bad
	index := map[time.Duration]int{}
	for _, p := range slices.SortedStableFunc(slices.Values(probes), func(a, b Probe) int { return cmp.Compare(a.At, b.At) }) {
		i, ok := index[p.At.Truncate(time.Second)]
		if !ok {
			i = len(seconds)
			index[p.At.Truncate(time.Second)], seconds = i, append(seconds, share{})
		}
		if seconds[i].all++; p.Lost {
			seconds[i].bad++
		} else {
			slowest = append(slowest, late{p.Value, i})
		}
	}
	slices.SortFunc(slowest, func(a, b late) int { return cmp.Compare(b.value, a.value) })
	m.lost = len(probes) - len(slowest)
	const q = 0.99
	limit, all := 1-q, float64(len(probes))
	phi := func(bad int) float64 {
		some := slices.Clone(seconds)
		for _, p := range slowest[:bad] {
			some[p.second].bad++
		}
		phi, _, _ := dispersion(some)
		return phi
	}
	n := len(slowest)
	fewest := sort.Search(n+1, func(bad int) bool {
		f := phi(bad)
		lower, _ := Bounds(float64(bad)/f, all/f, Confidence)
		return lower >= limit
	})
	if 0 < fewest && fewest <= n {
		m.low = slowest[fewest-1].value
	}
	most := sort.Search(n+1, func(bad int) bool {
		f := phi(bad)
		_, upper := Bounds(float64(bad+m.lost)/f, all/f, Confidence)
		return upper >= limit
	}) - 1
	if 0 <= most && most < n {
		m.high = slowest[most].value
	}
	if n > 0 {
		m.p99 = slowest[n-int(hist.Rank(q, int64(n)))].value
	}
	return m
}

// worstMaster is the master whose probes stand for all, whatever the limit: what they meet
// each other meets by itself. Where some master can meet no limit at all, it is the one that
// misses the highest, and unproved names those that keep it from meeting any.
func worstMaster(by map[string][]Probe) (worst masterProbes, unproved []string) {
	var all []masterProbes
	for _, master := range slices.Sorted(maps.Keys(by)) {
		all = append(all, boundsOf(master, by[master]))
	}
	worst = slices.MaxFunc(all, func(a, b masterProbes) int {
		return cmp.Or(cmp.Compare(a.high, b.high), cmp.Compare(a.low, b.low), cmp.Compare(a.p99, b.p99))
	})
	if worst.high < unbounded {
		return worst, nil
	}
	worst = slices.MaxFunc(all, func(a, b masterProbes) int {
		return cmp.Or(cmp.Compare(a.low, b.low), cmp.Compare(a.p99, b.p99), cmp.Compare(a.high, b.high))
	})
	for _, m := range all {
		if m.high == unbounded && worst.high < unbounded {
			unproved = append(unproved, fmt.Sprintf("the %s of the master %s are too few to prove anything (%d lost)", plural(uint64(len(m.probes)), "probe"), m.master, m.lost))
		}
	}
	return worst, unproved
}
