package analysis

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"arqload/analysis/observation"
)

// stretch is a run of judged phases without a gap between them, [from, to): what a
// collector counted in it is the difference of the samples at its two ends.
type stretch struct {
	from, to time.Duration
	last     bool // no load was sent after it but what was still in flight
}

// judgedStretches returns the judged time, as far as the run reached it.
func judgedStretches(run *observation.Run) []stretch {
	end := time.Duration(1<<63 - 1)
	loaded := false // load was sent after end
	switch f := run.Footer; {
	case f == nil: // the process died: the record ends with its last second
		end = endOf(run.Seconds, func(*observation.Second) bool { return true })
	case f.Early() == observation.ByGate: // its verdict was known by these seconds, some moments before the load ended
		end, loaded = endOf(run.Seconds, func(s *observation.Second) bool { return s.Judged }), true
	case f.Early() != "":
		end = f.StoppedAt.Duration()
	}
	var all []stretch
	for i, ph := range run.Header.Phases {
		from, to := ph.Start.Duration(), ph.End.Duration()
		if !ph.Judged || from >= end {
			continue
		}
		s := stretch{from: from, to: min(to, end), last: !loaded && (i == len(run.Header.Phases)-1 || to >= end)}
		if n := len(all); n > 0 && all[n-1].to == s.from {
			s.from = all[n-1].from
			all = all[:n-1]
		}
		all = append(all, s)
	}
	return all
}

// endOf is where the last second of a kind ends; 0 where there is none.
func endOf(seconds []observation.Second, of func(*observation.Second) bool) time.Duration {
	var end time.Duration
	for i := range seconds {
		if s := &seconds[i]; of(s) {
			end = max(end, (s.Start + s.Length).Duration())
		}
	}
	return end
}

// holds says whether an instant lies in the judged time.
func holds(all []stretch, at time.Duration) bool {
	return slices.ContainsFunc(all, func(s stretch) bool { return s.from <= at && at <= s.to })
}

const (
	// atEdge is how far from an edge a sample may have been taken to count as the edge's.
	atEdge = 250 * time.Millisecond
	// nearEdge is how far outside of the stretch a sample may lie that stands in for a lost
	// one: the next regular one.
	nearEdge = 2500 * time.Millisecond
)

// ends finds the two samples that bound a stretch among the instants of the usable ones,
// which are sorted. A stand-in lies outside of the stretch, so that nothing judged is left
// out, and is noted; after the last load it may come any time later. Where there is none,
// reason says so.
func (s stretch) ends(at []time.Duration) (from, to int, notes []string, reason string) {
	from, to = nearest(at, s.from), nearest(at, s.to)
	if from < 0 {
		from = lastBefore(at, s.from)
		if from < 0 || s.from-at[from] > nearEdge {
			return 0, 0, nil, fmt.Sprintf("there is no sample of the judged time's start at %s", duration(s.from))
		}
		notes = append(notes, fmt.Sprintf("the sample at the judged time's start is missing; counted from %s before it", duration(s.from-at[from])))
	}
	if to < 0 {
		to = lastBefore(at, s.to) + 1
		if to == len(at) || !s.last && at[to]-s.to > nearEdge {
			return 0, 0, nil, fmt.Sprintf("there is no sample of the judged time's end at %s", duration(s.to))
		}
		notes = append(notes, fmt.Sprintf("the sample at the judged time's end is missing; counted until %s after it", duration(at[to]-s.to)))
	}
	if from >= to {
		return 0, 0, nil, fmt.Sprintf("there is only one sample of the judged time from %s to %s", duration(s.from), duration(s.to))
	}
	return from, to, notes, ""
}

// bounds is ends, but where a sample at one of them is missing it takes those that lie
// within: partial then says what is not covered. ok is false where there are not two.
func (s stretch) bounds(at []time.Duration) (from, to int, notes []string, partial string, ok bool) {
	from, to, notes, partial = s.ends(at)
	if partial == "" {
		return from, to, notes, "", true
	}
	from, to = lastBefore(at, s.from-atEdge)+1, lastBefore(at, s.to+atEdge)
	return from, to, nil, partial, from < to
}

// surely says that what was counted between two instants is of the stretch alone: a sample
// that stands in for the one at an end may have counted other load too.
func (s stretch) surely(from, to time.Duration) bool {
	return from >= s.from-atEdge && (s.last || to <= s.to+atEdge)
}

// nearest is the index of the instant closest to t and within atEdge of it; -1: none.
func nearest(at []time.Duration, t time.Duration) int {
	best := -1
	for i, a := range at {
		if d := (a - t).Abs(); d <= atEdge && (best < 0 || d < (at[best]-t).Abs()) {
			best = i
		}
	}
	return best
}

// lastBefore is the index of the last instant before t; -1: none.
func lastBefore(at []time.Duration, t time.Duration) int {
	i, _ := slices.BinarySearch(at, t)
	return i - 1
}

// taken is one sample of a collector, decoded. err stands in place of data.
type taken[T any] struct {
	at, took time.Duration
	err      string
	data     T
}

// read is the instant that the sample's counters stand for: a reading that took long was
// held up by what is being judged, and may hold all of it.
func (t *taken[T]) read() time.Duration {
	if t.took > atEdge {
		return t.at + t.took
	}
	return t.at
}

// samples returns a collector's samples in the order in which they were begun.
func samples[T any](run *observation.Run, collector string) []taken[T] {
	var all []taken[T]
	for _, s := range run.Samples {
		if s.Collector != collector {
			continue
		}
		t := taken[T]{at: s.At.Duration(), took: s.Took.Duration(), err: s.Error}
		if t.err == "" {
			if err := json.Unmarshal(s.Data, &t.data); err != nil {
				t.err = fmt.Sprintf("the sample cannot be decoded: %v", err)
			}
		}
		all = append(all, t)
	}
	slices.SortStableFunc(all, func(a, b taken[T]) int { return int(a.at - b.at) })
	return all
}

// good returns the samples that hold data and satisfy ok, and their instants.
func good[T any](all []taken[T], ok func(*T) bool) ([]taken[T], []time.Duration) {
	var some []taken[T]
	var at []time.Duration
	for _, t := range all {
		if t.err == "" && (ok == nil || ok(&t.data)) {
			some, at = append(some, t), append(at, t.read())
		}
	}
	return some, at
}

// begun are the instants of samples whose rates are judged and not their sums: a reading that
// took a second or longer stands for its end.
func begun[T any](all []taken[T]) []time.Duration {
	at := make([]time.Duration, len(all))
	for i := range all {
		if at[i] = all[i].at; all[i].took >= time.Second {
			at[i] = all[i].read()
		}
	}
	return at
}

// failures tells of the samples that failed, a line a run of them.
func failures[T any](all []taken[T]) []string {
	var gaps []string
	for i := 0; i < len(all); i++ {
		if all[i].err == "" {
			continue
		}
		j := i
		for j+1 < len(all) && all[j+1].err != "" {
			j++
		}
		if i == j {
			gaps = append(gaps, fmt.Sprintf("the sample at %s failed: %s", duration(all[i].at), all[i].err))
		} else {
			gaps = append(gaps, fmt.Sprintf("%d samples from %s to %s failed: %s", j-i+1, duration(all[i].at), duration(all[j].at), all[i].err))
		}
		i = j
	}
	return gaps
}

// asked says whether the plan named a system for a collector, and why it gave nothing: it
// was not named, or could not be opened.
func asked(run *observation.Run, collector, field string) (bool, string) {
	for _, s := range run.Header.Sources {
		if s.Collector == collector && s.Asked {
			return true, s.Error
		}
	}
	for _, s := range run.Samples {
		if s.Collector == collector {
			return true, ""
		}
	}
	return false, "the plan does not name it: set system." + field
}
