package attack

import (
	"time"

	"arqload/analysis/observation"
)

// Progress is what a person may be shown while the run goes: it is never judged.
type Progress struct {
	Phase          string // "drain" after the schedule's end
	Elapsed, Total time.Duration
	Planned        uint64 // arrivals due so far
	Sent           uint64 // arrivals started so far, shed ones included
	InFlight       int
	RatePerS       float64 // arrivals that ended in the last whole second
	Failed         uint64  // of these
	// P50, P95 and P99 are response times of the successes that ended in the last whole
	// second; OK is false where there were none.
	P50, P95, P99 time.Duration
	OK            bool
}

// show calls a progress function from a goroutine of its own: a terminal that is held, or
// a pipe that nobody reads, must not hold the run.
type show struct {
	in   chan Progress
	done chan struct{}
}

func newShow(f func(Progress)) *show {
	s := &show{in: make(chan Progress, 1), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for p := range s.in {
			if f != nil {
				f(p)
			}
		}
	}()
	return s
}

func (s *show) put(p Progress) {
	select {
	case s.in <- p:
	default: // the one before is still being shown
	}
}

// end gives the last one a moment.
func (s *show) end() {
	close(s.in)
	select {
	case <-s.done:
	case <-time.After(time.Second):
	}
}

func (d *drive) progress(now time.Duration) Progress {
	p := Progress{Phase: "drain", Elapsed: min(now, d.plan.Duration()), Total: d.plan.Duration()}
	for _, ph := range d.header.Phases {
		if now >= ph.Start.Duration() && now < ph.End.Duration() {
			p.Phase = ph.Name
		}
	}
	for _, l := range d.lanes {
		backlog := l.backlog(now)
		l.mu.Lock()
		p.Sent += l.startedN
		p.Planned += l.startedN + backlog
		l.mu.Unlock()
	}
	b := d.book
	b.mu.Lock()
	defer b.mu.Unlock()
	p.InFlight = b.inFlight
	b.live.turn(now)
	last := &b.live.last
	p.RatePerS, p.Failed = float64(last.ended), last.failed
	p.P50, p.OK = last.h.Quantile(0.5)
	p.P95, _ = last.h.Quantile(0.95)
	p.P99, _ = last.h.Quantile(0.99)
	return p
}

// drained reports whether the oldest open second lies wholly in the future: nothing more
// has happened.
func (b *book) drained(now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open) == 0 || b.open[0].start > now
}

// footer fills in what the book knows at the end.
func (b *book) footer(f *observation.Footer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f.Ended = observation.Seconds(b.lastEnd)
	f.Addresses = b.addresses
	f.Retried = b.retried
	f.Dropped = b.dropped
	f.StoppedAt, f.Breach = observation.Seconds(b.stopped), b.breach
}
