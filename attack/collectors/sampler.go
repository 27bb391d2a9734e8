package collectors

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"arqload/analysis/observation"
)

// Edge is an instant at which every collector must be read, as an offset from the epoch:
// the start or the end of a phase.
type Edge struct {
	At   time.Duration
	Name string // "start of steady"
}

// The bounds on one sample. A sample that has not ended after Limit has its context
// canceled; one that does not heed this is recorded as an error after Grace more, and its
// collector is left alone until it answers.
const (
	Limit = 5 * time.Second
	Grace = time.Second
)

// together is the distance below which a tick and an edge share one sample.
const together = 5 * time.Millisecond

// closeWithin bounds the closing of a collector whose final sample is in.
const closeWithin = 2 * time.Second

// Sampler reads collectors side by side: each has a goroutine that keeps its schedule and
// one that reads it, so that a slow, failing or hanging collector delays nobody else.
type Sampler struct {
	now    func() time.Duration
	lanes  []*lane
	begun  bool
	mu     sync.Mutex // guards emit and closed
	emit   func(observation.Sample)
	closed bool // Finish has returned: what a hanging collector may still say is dropped
}

// NewSampler makes a sampler of cs. now is the run's clock, zero at the epoch; emit
// receives each sample, from several goroutines but one at a time.
func NewSampler(cs []Collector, now func() time.Duration, emit func(observation.Sample)) *Sampler {
	s := &Sampler{now: now, emit: emit}
	for _, c := range cs {
		s.lanes = append(s.lanes, &lane{
			s: s, c: c,
			orders:  make(chan order, 1),
			answers: make(chan answer, 1),
			finish:  make(chan context.Context, 1),
			done:    make(chan struct{}),
		})
	}
	return s
}

// Start takes a first sample at once, then one at each whole second of the run's clock and
// one at each edge, until ctx ends or Finish is called; the epoch may be still to come.
// The edges are sorted. A tick that comes while a sample is in flight is skipped; an edge
// is not: it is read as soon as the collector is free, and the sample's At tells how late
// that was. Start may be called once.
func (s *Sampler) Start(ctx context.Context, edges []Edge) {
	s.begun = true
	for _, l := range s.lanes {
		l.edges = edges
		go l.read()
		go l.run(ctx)
	}
}

// Finish ends the schedule, takes the final sample of each collector, closes the
// collectors and waits for all of it, but not past the end of ctx. A collector that still
// hangs then gets an error sample and keeps its goroutine.
func (s *Sampler) Finish(ctx context.Context) {
	if !s.begun {
		for _, l := range s.lanes {
			l.close()
		}
		return
	}
	for _, l := range s.lanes {
		l.finish <- ctx
	}
	for _, l := range s.lanes {
		<-l.done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *Sampler) put(o observation.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.emit(o)
	}
}

// order asks the reading goroutine for one sample.
type order struct {
	ctx   context.Context
	tick  Tick
	began time.Duration
}

// answer is what became of an order.
type answer struct {
	order
	took time.Duration
	data any
	err  error
}

// lane is one collector with its schedule. run owns every field but the channels.
type lane struct {
	s       *Sampler
	c       Collector
	orders  chan order           // run to read; closed by final
	answers chan answer          // read to run; closed by read at its end
	finish  chan context.Context // from Finish
	done    chan struct{}        // closed by run at its end
	edges   []Edge               // not yet ordered
	seq     int
	last    time.Duration // the whole second of the last tick ordered or skipped
	flying  *order        // in flight
	overdue bool          // flying is past its limit and recorded as such
}

// read is the one goroutine that touches the collector.
func (l *lane) read() {
	defer close(l.answers)
	defer l.close()
	for o := range l.orders {
		ctx, cancel := context.WithTimeout(o.ctx, Limit)
		data, err := l.c.Sample(ctx, o.tick)
		cancel()
		l.answers <- answer{order: o, took: l.s.now() - o.began, data: data, err: err}
	}
}

func (l *lane) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	_ = l.c.Close(ctx) // the samples are in; nobody is left who could use the error
}

// run keeps the schedule until ctx or Finish ends it.
func (l *lane) run(ctx context.Context) {
	defer close(l.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	l.last = floorSecond(l.s.now())
	l.order(ctx, l.edgesUntil(l.s.now()))
	// A context that cannot end has no Done channel either.
	stopped, ended := ctx.Done(), false
	for {
		if ended {
			timer.Stop()
		} else {
			timer.Reset(l.next() - l.s.now())
		}
		select {
		case a := <-l.answers:
			l.record(a)
		case <-timer.C:
			l.due(ctx)
		case <-stopped:
			stopped, ended = nil, true // only Finish is left to wait for
		case last := <-l.finish:
			l.final(last)
			return
		}
	}
}

// next is the instant at which due must be called: of the next sample, or of the limit of
// the one in flight.
func (l *lane) next() time.Duration {
	switch {
	case l.flying != nil && !l.overdue:
		return l.flying.began + Limit + Grace
	case l.flying != nil:
		return l.s.now() + time.Hour // nothing to do before it answers
	}
	at := l.nextTick()
	if len(l.edges) > 0 && l.edges[0].At <= at+together {
		at = l.edges[0].At
	}
	return at
}

// nextTick is the first whole second after both the present and the last tick.
func (l *lane) nextTick() time.Duration {
	return max(floorSecond(l.s.now()), l.last) + Every
}

// due orders the sample that is due, or records that the one in flight is past its limit.
func (l *lane) due(ctx context.Context) {
	now := l.s.now()
	if l.flying != nil {
		if now >= l.flying.began+Limit+Grace {
			l.overdue = true
			l.fail(l.flying.tick, l.flying.began,
				"no answer within %v and the collector ignores its deadline; it is not asked again before it answers", Limit+Grace)
		}
		return
	}
	// The tick that is due stands at most together away from now, on either side.
	l.last = max(l.last, floorSecond(now+together))
	l.order(ctx, l.edgesUntil(now+together))
}

// edgesUntil takes the edges up to an instant and returns their joined names.
func (l *lane) edgesUntil(at time.Duration) string {
	name := ""
	for len(l.edges) > 0 && l.edges[0].At <= at {
		if name != "" {
			name += ", "
		}
		name += l.edges[0].Name
		l.edges = l.edges[1:]
	}
	return name
}

func (l *lane) order(ctx context.Context, edge string) {
	l.send(order{ctx: ctx, tick: Tick{Seq: l.seq, Edge: edge}, began: l.s.now()})
}

func (l *lane) send(o order) {
	l.seq++
	l.flying, l.overdue = &o, false
	l.orders <- o // never blocks: one order in flight, room for one
}

// record emits an answer. One that came after its limit is recorded too: a late reading
// is a reading, its duration says how late.
func (l *lane) record(a answer) {
	l.flying = nil
	sample := observation.Sample{
		Collector: l.c.Name(),
		At:        observation.Seconds(a.began),
		Took:      observation.Seconds(a.took),
		Edge:      a.tick.Edge,
	}
	data, err := json.Marshal(a.data)
	switch {
	case a.err != nil:
		sample.Error = a.err.Error()
	case err != nil:
		sample.Error = fmt.Sprintf("the reading cannot be encoded: %v", err)
	default:
		sample.Data = data
	}
	l.s.put(sample)
}

// fail emits an error sample for a reading that began at the given instant.
func (l *lane) fail(t Tick, began time.Duration, format string, args ...any) {
	l.s.put(observation.Sample{
		Collector: l.c.Name(),
		At:        observation.Seconds(began),
		Took:      observation.Seconds(l.s.now() - began),
		Edge:      t.Edge,
		Error:     fmt.Sprintf(format, args...),
	})
}

// final takes the last sample and lets the reading goroutine close the collector. What it
// cannot get before ctx ends is an error sample.
func (l *lane) final(ctx context.Context) {
	began := l.s.now()
	tick := Tick{Seq: l.seq, Edge: "final", Final: true}
	if l.flying != nil {
		a, ok := l.await(ctx)
		if !ok {
			l.fail(tick, began, "the sample begun at %v has not ended", l.flying.began)
			close(l.orders)
			return
		}
		l.record(a)
	}
	l.send(order{ctx: ctx, tick: tick, began: l.s.now()})
	if a, ok := l.await(ctx); ok {
		l.record(a)
	} else {
		l.fail(tick, began, "no answer before the run's end")
	}
	close(l.orders)
	l.await(ctx) // until read has closed the collector
}

// await waits for an answer until ctx ends, and Grace longer for a collector that heeds it.
func (l *lane) await(ctx context.Context) (answer, bool) {
	select {
	case a, ok := <-l.answers:
		return a, ok
	case <-ctx.Done():
	}
	grace := time.NewTimer(Grace)
	defer grace.Stop()
	select {
	case a, ok := <-l.answers:
		return a, ok
	case <-grace.C:
		return answer{}, false
	}
}

// floorSecond is the whole second at or before t, also for instants before the epoch.
func floorSecond(t time.Duration) time.Duration {
	whole := t.Truncate(time.Second)
	if whole > t {
		whole -= time.Second
	}
	return whole
}
