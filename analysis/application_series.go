package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// life reads the samples of one endpoint, in their order, into series.
type life struct {
	url       string
	stretches []stretch
	samples   []taken[observation.Endpoint]
	at        []time.Duration
	series    map[string]*appSeries
	last      map[string]float64 // counters of the sample before
	started   float64            // of the process; 0: not told
	restarts  int
	gaps      []string
}

const startTime = "process_start_time_seconds"

// read adds the i-th sample.
func (l *life) read(i int) {
	t := &l.samples[i]
	again, now := l.again(i), map[string]float64{}
	for _, m := range t.data.Metrics {
		v := float64(m.Value)
		if m.Type == observation.AppHistogram || m.Type == observation.AppSummary || math.IsNaN(v) {
			continue
		}
		s := l.of(i, m)
		n := len(s.at)
		if n > 0 && s.at[n-1] == l.at[i] { // told twice in one answer
			continue
		}
		s.at = append(s.at, l.at[i])
		key := s.selector.String()
		switch {
		case !s.counter:
			s.Points = append(s.Points, Point{At: t.at, Value: v})
		case i > 0 && again == "" && s.at[n-1] == l.at[i-1]: // else it was gone and is back
			s.Points = append(s.Points, Point{At: l.at[i-1], Length: l.at[i] - l.at[i-1], Value: v - l.last[key]})
			fallthrough
		default:
			now[key] = v
		}
	}
	if again != "" && overlaps(l.stretches, l.at[i-1], l.at[i]) {
		l.restarts++
		for _, s := range l.series {
			if s.counter {
				s.partial = append(s.partial, again)
			}
		}
	}
	l.last = now
}

// again says that the process began anew before the i-th sample, as a gap; empty: it did
// not. A process that does not tell when it started shows it by a counter that is lower.
func (l *life) again(i int) string {
	what := ""
	for _, m := range l.samples[i].data.Metrics {
		v := float64(m.Value)
		if m.Name == startTime && len(m.Labels) == 0 {
			if l.started > 0 && v-l.started > clockStep {
				what = "was restarted"
			}
			l.started = v
		}
		if before, ok := l.last[appKey(m)]; ok && m.Type == observation.AppCounter && v < before && what == "" {
			what = fmt.Sprintf("was restarted or reset (%s is lower than it was)", m.Name)
		}
	}
	if what == "" {
		return ""
	}
	g := fmt.Sprintf("%s %s between %s and %s", l.url, what, duration(l.at[i-1]), duration(l.at[i]))
	l.gaps = append(l.gaps, g)
	return g
}

func appKey(m observation.AppMetric) string {
	return scenarios.Selector{Name: m.Name, Labels: m.Labels}.String()
}

// of returns the series of a metric in the i-th sample. A counter that its process had not
// told before was created since, at 0: client libraries make one at its first use.
func (l *life) of(i int, m observation.AppMetric) *appSeries {
	selector := scenarios.Selector{Name: m.Name, Labels: m.Labels}
	key := selector.String()
	s := l.series[key]
	if s == nil {
		s = &appSeries{selector: selector, counter: m.Type == observation.AppCounter,
			Series: Series{Name: seriesName(selector), Of: l.url, Source: "application", Unit: scenarios.UnitNumber}}
		if s.counter {
			s.at = slices.Clone(l.at[:i])
		}
		l.series[key] = s
	}
	return s
}

// seriesName is a series as Prometheus writes it: name{label="value"}.
func seriesName(s scenarios.Selector) string {
	labels := strings.TrimPrefix(s.String(), scenarios.Selector{Name: s.Name}.String())
	return s.Name + labels
}

// found returns the series in the order of their names, with what of the judged time they
// leave out.
func (l *life) found() []appSeries {
	var out []appSeries
	for _, key := range slices.Sorted(maps.Keys(l.series)) {
		s := l.series[key]
		judged := countJudged(l.stretches, l.at)
		known := countJudged(l.stretches, s.at)
		if known < judged {
			s.partial = append(s.partial, fmt.Sprintf("%s: it is in %d of %s alone", l.url, known, plural(uint64(judged), "answer")))
		} else {
			for _, w := range uncovered(l.stretches, l.at) {
				s.partial = append(s.partial, l.url+": "+w)
			}
		}
		if !s.counter { // a counter goes on at the next sample
			for _, w := range s.unseen(l.stretches) {
				s.partial = append(s.partial, l.url+": "+w)
			}
		}
		out = append(out, *s)
	}
	return out
}

func countJudged(stretches []stretch, at []time.Duration) int {
	n := 0
	for _, t := range at {
		if holds(stretches, t) {
			n++
		}
	}
	return n
}
