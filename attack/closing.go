package attack

import (
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
)

// closed is a second that is whole, ready for the recorder.
type closed struct {
	second    observation.Second
	intervals []observation.Interval
	slow      []observation.Slow
}

// close takes the oldest second off the book if everything planned in it has ended and
// its time is past; force takes it as it is. It returns nil where there is none to take.
func (b *book) close(now time.Duration, force bool) *closed {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.open) == 0 {
		return nil
	}
	s := b.open[0]
	if !force {
		if now < s.end+lateEvent {
			return nil
		}
		for i, l := range b.lanes {
			if ls := &s.lanes[i]; ls.issued != ls.decided || !l.passed(s.end) {
				return nil
			}
		}
	}
	if len(b.open) == 1 {
		b.grow(s.end)
	}
	b.open = b.open[1:]
	c := &closed{second: s.observe(b), slow: b.keepSlow(s.slow)}
	if s.beats != nil {
		c.intervals = append(c.intervals, observation.Interval{Series: observation.Heartbeat, Hist: s.beats})
	}
	b.response.Reset()
	for i := range s.lanes {
		for k, h := range s.lanes[i].hists {
			if h == nil {
				continue
			}
			if sr := b.lanes[i].series[k]; sr.Step == observation.All && sr.Outcome == observation.OK && sr.Clock == observation.Response {
				b.response.Merge(h)
			}
			c.intervals = append(c.intervals, observation.Interval{Series: b.lanes[i].series[k], Hist: h})
			b.dropped.OutOfRange += uint64(h.Over())
		}
	}
	c.second.Response = quantiles(b.response)
	return c
}

func quantiles(h *hist.Histogram) observation.Quantiles {
	q := observation.Quantiles{Count: h.Count()}
	for share, to := range map[float64]*observation.Seconds{0.5: &q.P50, 0.95: &q.P95, 0.99: &q.P99} {
		d, _ := h.Quantile(share) // 0 where it is empty
		*to = observation.Seconds(d)
	}
	return q
}

// keepSlow caps how many slow arrivals a run keeps.
func (b *book) keepSlow(slow []observation.Slow) []observation.Slow {
	room := max(0, slowestCap-b.keptSlow)
	if len(slow) > room {
		b.dropped.Slowest += uint64(len(slow) - room)
		slow = slow[:room]
	}
	b.keptSlow += len(slow)
	return slow
}

// gauge notes the in-flight count and the backlog in each open second that has just
// ended. Called often, so that a second's gauges are those of its end and not those of
// its closing, which may come many seconds later.
func (b *book) gauge(now time.Duration) {
	var backlog uint64
	for _, l := range b.lanes { // before the lock: it walks the schedule
		backlog += l.backlog(now)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at(now) // seconds without events still get a line
	for _, s := range b.open {
		if !s.gauged && s.end <= now {
			s.gauged, s.obs.InFlight, s.obs.Backlog = true, b.inFlight, backlog
		}
	}
}

// recycle gives histograms back once the recorder is done with them.
func (b *book) recycle(in []observation.Interval) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range in {
		i.Hist.Reset()
		b.pool = append(b.pool, i.Hist)
	}
}

// takeExamples returns the examples collected since the last call.
func (b *book) takeExamples() []observation.Example {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.pending
	b.pending = nil
	return out
}

// observe turns an open second into its record.
func (s *second) observe(b *book) observation.Second {
	o := s.obs
	o.Start, o.Length = observation.Seconds(s.start), observation.Seconds(s.end-s.start)
	if s.phase >= 0 && (b.stopped == 0 || s.start < b.stopped) {
		o.Phase = b.phases[s.phase].Name
		o.Judged = b.phases[s.phase].Judged && (b.stopped == 0 || s.end <= b.judgedTo)
	}
	o.SlotWait, o.Lag = s.waited[0].lateness(), s.waited[1].lateness()
	o.Scenarios = make(map[string]*observation.LaneSecond, len(s.lanes))
	for i := range s.lanes {
		ls := &s.lanes[i]
		rec := &observation.LaneSecond{Tally: ls.tally, Requests: ls.request, CompletedOK: ls.ok, Steps: map[string]*observation.StepTally{}}
		for j := range ls.steps {
			rec.Steps[b.lanes[i].scenario.Steps[j].Name] = &ls.steps[j]
		}
		o.Scenarios[b.lanes[i].scenario.Name] = rec
		o.Tally.Add(&ls.tally)
		o.Requests += ls.request
		o.CompletedOK += ls.ok
	}
	return o
}

// live holds what the progress display shows: the responses that ended in the last
// whole second.
type live struct {
	at        int64 // the second that now fills
	now, last liveSecond
}

type liveSecond struct {
	h      *hist.Histogram
	ended  uint64
	failed uint64
}

func (l *live) turn(at time.Duration) {
	sec := int64(at / time.Second)
	if l.now.h == nil {
		l.now.h, l.last.h, l.at = hist.New(), hist.New(), sec
	}
	if sec <= l.at {
		return
	}
	l.last, l.now = l.now, l.last
	if sec != l.at+1 {
		l.last.h.Reset()
		l.last.ended, l.last.failed = 0, 0
	}
	l.now.h.Reset()
	l.now.ended, l.now.failed = 0, 0
	l.at = sec
}

func (l *live) add(end, response time.Duration, failed bool) {
	l.turn(end)
	l.now.ended++
	if failed {
		l.now.failed++
		return
	}
	l.now.h.Record(response)
}
