package attack

import (
	"slices"
	"sync"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

const (
	// lateEvent is how long a second stays open after its end for events that were timed
	// in it and are being counted.
	lateEvent = 250 * time.Millisecond
	// slowestPerSecond and the caps bound what is kept for people.
	slowestPerSecond = 3
	slowestCap       = 10_000
	examplesPerClass = 20
	examplesCap      = 1_000
	drainSecond      = time.Second
)

// arrival is one finished arrival: shed, canceled, or run to its end.
type arrival struct {
	lane          *lane
	planned       time.Duration // all on the run's clock
	start, end    time.Duration
	slotWait, lag time.Duration
	class         observation.Class // "" where it succeeded
	sent          bool              // its first step was sent
	steps         []stepResult
}

// book counts what happens, second by second. Arrivals are counted in the second of
// their planned start, events in the second in which they happen. A second is handed to
// the recorder when everything planned in it has ended; only the open ones are in memory.
type book struct {
	phases   []observation.Phase
	lanes    []*lane
	counters [][]laneCounter // by lane
	stepped  [][]laneCounter // by lane: those of steps

	mu        sync.Mutex
	open      []*second // contiguous, from the oldest
	inFlight  int
	pool      []*hist.Histogram
	response  *hist.Histogram // of the second that is being closed, over all lanes
	addresses map[string]uint64
	retried   uint64
	examples  map[exampleKey]int
	kept      int
	keptSlow  int
	dropped   observation.Dropped
	lastEnd   time.Duration
	live      live
	pending   []observation.Example
	stopped   time.Duration // when the run was ended before its plan's end; 0: it was not
	stoppedBy observation.Stop
	judgedTo  time.Duration // where stopped: only seconds that end by then are judged
	guards    []*guard
	breach    string           // of the first guard that was breached
	breached  func(why string) // called at a breach that ends the run, with the book locked
}

type laneCounter struct {
	key    string
	step   int // -1: the arrival
	limit  time.Duration
	strict bool
}

func (c laneCounter) over(d time.Duration) bool { return d > c.limit || d == c.limit && !c.strict }

type exampleKey struct {
	lane, step int
	class      observation.Class
}

// second is an open second.
type second struct {
	start, end time.Duration
	phase      int // -1 after the schedule's end
	lanes      []laneSecond
	obs        observation.Second
	waited     [2]sum // slot wait, lag
	beats      *hist.Histogram
	slow       []observation.Slow
	gauged     bool
}

type laneSecond struct {
	tally   observation.Tally
	steps   []observation.StepTally
	request uint64
	ok      uint64            // successful HTTP responses that ended in this second
	issued  uint64            // arrivals planned in this second that the pacer has let go
	decided uint64            // of these, ended
	hists   []*hist.Histogram // by series; nil: nothing counted
}

type sum struct {
	n     int64
	total time.Duration
	max   time.Duration
}

func (s *sum) add(d time.Duration) {
	s.n++
	s.total += d
	s.max = max(s.max, d)
}

func (s *sum) lateness() observation.Lateness {
	l := observation.Lateness{Max: observation.Seconds(s.max)}
	if s.n > 0 {
		l.Mean = observation.Seconds(s.total / time.Duration(s.n))
	}
	return l
}

func newBook(phases []observation.Phase, lanes []*lane, counters []observation.Counter) *book {
	b := &book{phases: phases, response: hist.New(), lanes: lanes, addresses: map[string]uint64{}, examples: map[exampleKey]int{},
		counters: make([][]laneCounter, len(lanes)), stepped: make([][]laneCounter, len(lanes))}
	for i, l := range lanes {
		for _, c := range counters {
			if c.Scenario != "" && c.Scenario != l.scenario.Name {
				continue
			}
			lc := laneCounter{key: c.Over, step: -1, limit: c.Limit.Duration(), strict: c.Strict}
			to := &b.counters[i]
			if c.Step != "" {
				lc.step = slices.IndexFunc(l.scenario.Steps, func(s scenarios.Step) bool { return s.Name == c.Step })
				to = &b.stepped[i]
			}
			// A limit may be asked of all scenarios and of this one: it is counted once.
			if !slices.Contains(*to, lc) {
				*to = append(*to, lc)
			}
		}
	}
	b.grow(0)
	return b
}

// grow appends the second that begins at from: a whole one of the phase it lies in, or
// the phase's shorter rest.
func (b *book) grow(from time.Duration) {
	s := &second{start: from, end: from + time.Second, phase: -1, lanes: make([]laneSecond, len(b.lanes))}
	for i, ph := range b.phases {
		if from >= ph.Start.Duration() && from < ph.End.Duration() {
			s.phase = i
			s.end = min(from+time.Second, ph.End.Duration())
		}
	}
	for i, l := range b.lanes {
		s.lanes[i].steps = make([]observation.StepTally, len(l.scenario.Steps))
		s.lanes[i].hists = make([]*hist.Histogram, len(l.series))
	}
	b.open = append(b.open, s)
}

// at returns the open second that holds an instant; the oldest one for an instant whose
// second is closed already.
func (b *book) at(t time.Duration) *second {
	for last := b.open[len(b.open)-1]; t >= last.end; last = b.open[len(b.open)-1] {
		b.grow(last.end)
	}
	i := len(b.open) - 1
	for i > 0 && t < b.open[i].start {
		i--
	}
	return b.open[i]
}

// stop notes when the run was ended; the first one counts. Only whole seconds before it are
// judged, and of a gate only those that are closed already: they are what its verdict was
// known by, and none of their arrivals is canceled by the end itself.
func (b *book) stop(at time.Duration, by observation.Stop) (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stopLocked(at, by)
}

func (b *book) stopLocked(at time.Duration, by observation.Stop) (first bool) {
	if b.stopped > 0 {
		return false
	}
	b.stopped, b.stoppedBy = max(at, 1), by
	b.judgedTo = b.stopped
	if by == observation.ByGate {
		b.judgedTo = min(b.judgedTo, b.open[0].start)
	}
	return true
}

// issue notes that the pacer let an arrival of the lane go.
func (b *book) issue(l *lane, planned time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at(planned).lanes[l.index].issued++
}

// started notes that an arrival took its slot.
func (b *book) started(at time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight++
	s := b.at(at)
	s.obs.InFlightMax = max(s.obs.InFlightMax, b.inFlight)
}

// beat notes how late the generator's heartbeat came.
func (b *book) beat(planned, late time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.at(planned)
	if s.beats == nil {
		s.beats = b.histogram()
	}
	s.beats.Record(late)
}

// dialed notes a new connection's TCP connect or TLS handshake.
func (b *book) dialed(at, connect, handshake time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &b.at(at).obs.Connections
	if handshake > 0 {
		c.TLS += observation.Seconds(handshake)
		c.TLSMax = max(c.TLSMax, observation.Seconds(handshake))
		return
	}
	c.New++
	c.Connect += observation.Seconds(connect)
	c.ConnectMax = max(c.ConnectMax, observation.Seconds(connect))
}

// keepExample reserves room for one example of a failure.
func (b *book) keepExample(l *lane, step int, class observation.Class) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := exampleKey{l.index, step, class}
	if b.examples[k] >= examplesPerClass || b.kept >= examplesCap {
		b.dropped.Examples++
		return false
	}
	b.examples[k]++
	b.kept++
	return true
}

// canceled counts arrivals of a lane that were due but not started when the run stopped.
// issued says that the pacer had let them go already.
func (b *book) canceled(l *lane, planned time.Duration, issued bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ls := &b.at(planned).lanes[l.index]
	if !issued {
		ls.issued++
	}
	ls.decided++
	ls.tally.Planned++
	ls.tally.Canceled++
	ls.tally.Fail(observation.Canceled)
}

// ended counts an arrival that took a slot.
func (b *book) ended(a *arrival) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
	b.lastEnd = max(b.lastEnd, a.end)
	s := b.at(a.planned)
	l := a.lane
	ls := &s.lanes[l.index]
	ls.decided++
	t := &ls.tally
	t.Planned++
	response := a.end - a.planned
	if a.class == observation.Canceled && !a.sent {
		t.Canceled++
	} else {
		b.record(ls, seriesLag, a.lag)
		b.record(ls, seriesSlotWait, a.slotWait)
		s.waited[0].add(a.slotWait)
		s.waited[1].add(a.lag)
		if a.sent {
			t.Sent++
		} else {
			t.Shed++
			if a.lag > a.slotWait {
				t.ShedSelf++
			}
		}
	}
	if a.class == "" {
		t.OK++
		b.record(ls, seriesOK, response)
		b.record(ls, seriesOK+1, a.end-a.start)
		for _, c := range b.counters[l.index] {
			if c.over(response) {
				t.CountOver(c.key)
			}
		}
	} else {
		t.Fail(a.class)
		b.record(ls, seriesFailed, response)
		if a.sent {
			b.record(ls, seriesFailed+1, a.end-a.start)
		}
	}
	if a.sent {
		for i := range l.scenario.Steps {
			if i < len(a.steps) {
				b.step(ls, l, i, &a.steps[i])
			} else {
				ls.steps[i].NotReached++
			}
		}
	}
	b.slow(s, a)
	b.live.add(a.end, response, a.class != "")
	b.guard(a)
}

// step counts one step of an arrival: by planned second in the step's tally, by the
// second of its end in the completions.
func (b *book) step(ls *laneSecond, l *lane, i int, r *stepResult) {
	t := &ls.steps[i]
	ls.request++
	service := r.ended - r.begun
	name := l.scenario.Steps[i].Name
	ends := b.at(r.ended)
	ends.obs.Completed++
	if r.traced.timings.Reused {
		ends.obs.Connections.Reused++
	}
	if r.traced.addr != "" {
		b.addresses[r.traced.addr]++
	}
	b.retried += r.traced.resent
	if !r.ok() {
		t.Fail(r.class)
		b.record(ls, seriesSteps+2*i+1, service)
		if r.kept {
			b.pending = append(b.pending, observation.Example{
				At: observation.Seconds(r.begun), Scenario: l.scenario.Name, Step: name, Class: r.class, Status: r.status,
				Message: r.message, Answer: r.answer, Timings: r.traced.timings,
			})
		}
		return
	}
	t.OK++
	ends.lanes[l.index].ok++
	ends.lanes[l.index].steps[i].CompletedOK++
	b.record(ls, seriesSteps+2*i, service)
	for _, c := range b.stepped[l.index] {
		if c.step == i && c.over(service) {
			t.CountOver(c.key)
		}
	}
}

// The places of a lane's series. Of each pair the second is the service time.
const (
	seriesOK       = 0
	seriesFailed   = 2
	seriesLag      = 4
	seriesSlotWait = 5
	seriesSteps    = 6 // and on: a step's successes, a step's failures
)

// seriesOf lists a scenario's series in their places.
func seriesOf(sc *scenarios.Scenario) []observation.Series {
	one := func(step string, o observation.Outcome, c observation.Clock) observation.Series {
		return observation.Series{Scenario: sc.Name, Step: step, Outcome: o, Clock: c}
	}
	all := []observation.Series{
		seriesOK:         one(observation.All, observation.OK, observation.Response),
		seriesOK + 1:     one(observation.All, observation.OK, observation.Service),
		seriesFailed:     one(observation.All, observation.Failed, observation.Response),
		seriesFailed + 1: one(observation.All, observation.Failed, observation.Service),
		seriesLag:        one(observation.All, observation.Started, observation.Lag),
		seriesSlotWait:   one(observation.All, observation.Started, observation.SlotWait),
	}
	for _, st := range sc.Steps {
		all = append(all, one(st.Name, observation.OK, observation.Service), one(st.Name, observation.Failed, observation.Service))
	}
	return all
}

func (b *book) record(ls *laneSecond, series int, d time.Duration) {
	if ls.hists[series] == nil {
		ls.hists[series] = b.histogram()
	}
	ls.hists[series].Record(d)
}

// histogram returns an empty one, used before if possible.
func (b *book) histogram() *hist.Histogram {
	n := len(b.pool)
	if n == 0 {
		return hist.New()
	}
	h := b.pool[n-1]
	b.pool = b.pool[:n-1]
	return h
}

// slow keeps an arrival if it is among the slowest of its second.
func (b *book) slow(s *second, a *arrival) {
	if len(a.steps) == 0 {
		return
	}
	response := observation.Seconds(a.end - a.planned)
	if len(s.slow) == slowestPerSecond && response <= s.slow[slowestPerSecond-1].Response {
		return
	}
	one := observation.Slow{
		Planned: observation.Seconds(a.planned), Scenario: a.lane.scenario.Name, Response: response,
		SlotWait: observation.Seconds(a.slotWait), Lag: observation.Seconds(a.lag), OK: a.class == "",
	}
	for i := range a.steps {
		r := &a.steps[i]
		one.Steps = append(one.Steps, observation.SlowStep{
			Step: a.lane.scenario.Steps[i].Name, Service: observation.Seconds(r.ended - r.begun),
			Status: r.status, Address: r.traced.addr, Timings: r.traced.timings,
		})
	}
	s.slow = append(s.slow, one)
	slices.SortStableFunc(s.slow, func(x, y observation.Slow) int { return int(y.Response - x.Response) })
	s.slow = s.slow[:min(len(s.slow), slowestPerSecond)]
}
