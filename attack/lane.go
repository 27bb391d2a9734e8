package attack

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"arqload/analysis/observation"
	"arqload/scenarios"
	"arqload/scenarios/schedule"
)

// ringSpare is how many completions more than its slots a lane remembers: an arrival
// whose goroutine is kept off the CPU between its tick and its start must still find the
// completion that freed its slot, while others go on completing.
const ringSpare = 8192

// lane is one load line: one scenario, one Vegeta attacker, one schedule and its slots.
// It is the attacker's Pacer and the RoundTripper inside its client.
type lane struct {
	index    int
	scenario *scenarios.Scenario
	series   []observation.Series
	slots    int
	maxLag   time.Duration
	shape    *schedule.Schedule
	call     *caller
	sessions *sessions
	book     *book
	now      func() time.Duration
	halt     context.Context // done: start nothing more
	kill     context.Context // done: give up what is in flight

	seq     schedule.Sequence // the pacer's
	timer   *time.Timer
	held    time.Duration // drawn from seq and not let go
	holding bool

	due      schedule.Sequence // the backlog's: the same arrivals again
	dueNext  time.Duration
	dueCount uint64
	dueOver  bool

	mu        sync.Mutex
	planned   map[uint64]time.Duration // let go and not yet started, by number
	frontier  time.Duration            // every arrival planned before it has been let go
	finished  bool
	startedN  uint64
	ring      []time.Duration // the latest completions, by number modulo its length
	completed uint64
}

func (l *lane) init(arrivals scenarios.Arrivals) {
	sequence := func() schedule.Sequence {
		if arrivals.Process == scenarios.Poisson {
			// Each lane draws its own gaps, or all scenarios would start together.
			return l.shape.Poisson(arrivals.Seed + uint64(l.index)*0x9e3779b97f4a7c15)
		}
		return l.shape.Even()
	}
	l.seq, l.due = sequence(), sequence()
	l.dueNext, l.dueOver = next(l.due)
	l.series = seriesOf(l.scenario)
	l.planned = make(map[uint64]time.Duration, l.slots)
	l.ring = make([]time.Duration, l.slots+ringSpare)
}

func next(s schedule.Sequence) (at time.Duration, over bool) {
	at, ok := s.Next()
	return at, !ok
}

// attack runs the lane's attacker to its end and counts what it never started.
func (l *lane) attack() {
	attacker := vegeta.NewAttacker(vegeta.Client(&http.Client{Transport: l}), vegeta.Workers(1), vegeta.MaxWorkers(uint64(l.slots)))
	stopped, at := make(chan struct{}), time.Duration(-1)
	running := context.AfterFunc(l.halt, func() {
		defer close(stopped)
		at = l.now()
		attacker.Stop()
	})
	target := func(t *vegeta.Target) error {
		t.Method, t.URL = http.MethodGet, "http://arrival/"
		return nil
	}
	// The duration is 0 because Vegeta drops unsent hits at its end in silence; the pacer
	// stops after the planned number instead.
	for range attacker.Attack(target, l, 0, "") {
	}
	if !running() {
		<-stopped
	}
	l.finish(at)
}

// Pace lets the n-th arrival go at its planned start. It does the waiting itself, since
// Vegeta sleeps where Stop cannot reach it. Vegeta's own clock is ignored: all lanes
// share one epoch.
func (l *lane) Pace(_ time.Duration, hits uint64) (time.Duration, bool) {
	at, ok := l.seq.Next()
	if !ok {
		return 0, true
	}
	l.held, l.holding = at, true
	l.mu.Lock()
	l.frontier = at
	l.mu.Unlock()
	if !l.waitUntil(at) {
		return 0, true
	}
	l.book.issue(l, at)
	l.mu.Lock()
	l.planned[hits] = at
	l.holding = false
	l.mu.Unlock()
	return 0, false
}

// Rate is part of vegeta.Pacer.
func (l *lane) Rate(elapsed time.Duration) float64 { return l.shape.Rate(elapsed) }

func (l *lane) waitUntil(at time.Duration) bool {
	if l.halt.Err() != nil {
		return false
	}
	wait := at - l.now()
	if wait <= 0 {
		return true
	}
	if l.timer == nil {
		l.timer = time.NewTimer(wait)
	} else {
		l.timer.Reset(wait)
	}
	select {
	case <-l.timer.C:
		return true
	case <-l.halt.Done():
		return false
	}
}

// finish counts the arrivals that were due but not started when the lane was halted, at
// stopped; -1: it was not, every planned arrival was let go.
func (l *lane) finish(stopped time.Duration) {
	l.mu.Lock()
	left := l.planned
	l.planned = nil
	l.mu.Unlock()
	for _, at := range left {
		l.book.canceled(l, at, true)
	}
	at, ok := l.held, true
	if !l.holding {
		at, ok = l.seq.Next()
	}
	for ; ok && at <= stopped; at, ok = l.seq.Next() {
		l.book.canceled(l, at, false)
	}
	l.mu.Lock()
	l.finished = true
	l.mu.Unlock()
}

// passed reports whether every arrival planned before t has been let go.
func (l *lane) passed(t time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.finished || l.frontier >= t
}

// backlog returns how many arrivals are due but not started. Called from one goroutine.
func (l *lane) backlog(now time.Duration) uint64 {
	for !l.dueOver && l.dueNext <= now {
		l.dueCount++
		l.dueNext, l.dueOver = next(l.due)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished || l.startedN > l.dueCount {
		return 0
	}
	return l.dueCount - l.startedN
}

// start takes an arrival's planned start and splits its lateness. With K slots, arrival
// n could start no sooner than the (n-K)-th completion C freed one, so
//
//	slot_wait = max(0, C[n-K] - planned)      the system's slowness
//	lag       = start - max(planned, C[n-K])  the generator's own
func (l *lane) start(n uint64, now time.Duration) (planned, slotWait, lag time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	planned = l.planned[n]
	delete(l.planned, n)
	l.startedN++
	free := planned
	if k := uint64(l.slots); n >= k && l.completed-(n-k) <= uint64(len(l.ring)) {
		// Where the ring no longer holds C[n-K], this goroutine was off the CPU while
		// thousands completed: all of its lateness is then the generator's.
		free = max(planned, l.ring[(n-k)%uint64(len(l.ring))])
	}
	return planned, free - planned, max(0, now-free)
}

func (l *lane) complete(at time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.completed%uint64(len(l.ring))] = at
	l.completed++
}

// RoundTrip runs one arrival. It never returns an error and always the same empty 200:
// what really happened is in the book.
func (l *lane) RoundTrip(hit *http.Request) (*http.Response, error) {
	n, err := strconv.ParseUint(hit.Header.Get("X-Vegeta-Seq"), 10, 64)
	if err != nil {
		return nil, err // Vegeta always sets it
	}
	a := arrival{lane: l, start: l.now()}
	a.planned, a.slotWait, a.lag = l.start(n, a.start)
	l.book.started(a.start)
	switch {
	case l.halt.Err() != nil:
		a.class = observation.Canceled
	case a.start-a.planned > l.maxLag:
		a.class = observation.Shed
	default:
		a.sent = true
		l.run(n, &a)
	}
	if a.end == 0 {
		a.end = l.now()
	}
	l.complete(a.end)
	l.book.ended(&a)
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: hit}, nil
}

// run sends the scenario's steps in order until one fails.
func (l *lane) run(n uint64, a *arrival) {
	v := &vars{session: l.sessions.of(n), fixed: l.sessions.fixed, seq: strconv.FormatUint(n, 10)}
	a.steps = make([]stepResult, 0, len(l.scenario.Steps))
	for i := range l.scenario.Steps {
		r := l.call.do(l.kill, &l.scenario.Steps[i], v, func(c observation.Class) bool { return l.book.keepExample(l, i, c) })
		a.steps = append(a.steps, r)
		a.end, a.class = r.ended, r.class
		if !r.ok() {
			return
		}
	}
}
