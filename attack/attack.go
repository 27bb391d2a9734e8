// Package attack drives a plan against a live system and records what it saw. It owns
// Vegeta, every goroutine of the drive and the sampler; it is the only package that
// touches the network, and it draws no conclusions.
package attack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
	"arqload/scenarios"
)

const (
	// lead is how far in the future the epoch is laid, so that all lanes stand ready
	// before the first arrival.
	lead = 200 * time.Millisecond
	// leadSampled is the same where systems are sampled: the first sample, which reads more
	// than any other, should be in before the first arrival, also over a slow link.
	leadSampled = time.Second
	// grace is how long requests in flight may go on after the run was stopped.
	grace = 2 * time.Second
	// closeEvery is how often finished seconds are handed to the recorder.
	closeEvery = 100 * time.Millisecond
	// beatEvery is the interval of the heartbeat, by which a pause of this whole process
	// is seen.
	beatEvery = 20 * time.Millisecond
)

// Options are what a run needs beside its plan.
type Options struct {
	Recorder   observation.Recorder   // receives the record; required
	Header     observation.Header     // ID, ToolVersion, Environment; Run fills in the rest
	Collectors []collectors.Collector // opened; Run closes them
	Sources    []observation.Source   // every collector the plan asks for, opened or not
	Progress   func(Progress)         // called once a second, never waited for; may be nil
	// Begun, unless nil, is given the function that ends the run early in good order, before
	// the first arrival. That may be called at any time, from any goroutine, and
	// returns whether it did: not where the run is over, or was ended already. See [Ended].
	Begun func(end func(Ended) bool)
	// Transport replaces the network: an in-memory system in tests and benchmarks. nil:
	// a real transport, and the system is connected to before anything else.
	Transport http.RoundTripper
}

// Run prepares sessions, drives the whole schedule, drains and takes the last samples.
// It returns nil for a run that was recorded to its end, also one that ctx, the owner or a
// guard of the plan ended early (the record's footer says so); *UnreachableError or *PrepareError where nothing was
// driven; and the recorder's error where the record could not be kept, which stops the
// run.
func Run(ctx context.Context, plan *scenarios.Plan, o Options) error {
	d, err := newDrive(plan, o)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.prepare(ctx); err != nil {
		collectors.NewSampler(o.Collectors, d.now, d.rec.sample).Finish(ctx) // closes them
		return err
	}
	d.measureFloor(ctx)
	return d.run(ctx)
}

// drive is one run.
type drive struct {
	plan     *scenarios.Plan
	o        Options
	base     *url.URL
	real     *http.Transport // nil with Options.Transport
	call     *caller
	sessions *sessions
	lanes    []*lane
	book     *book
	rec      *recorder
	header   observation.Header
	epoch    time.Time // its monotonic part is the run's clock

	kill     context.Context // done: requests in flight are given up
	giveUp   context.CancelFunc
	warnMu   sync.Mutex
	warnings []string
}

func newDrive(plan *scenarios.Plan, o Options) (*drive, error) {
	base, err := url.Parse(plan.System.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("system.base_url: %w", err)
	}
	d := &drive{plan: plan, o: o, base: base, epoch: time.Now(), rec: &recorder{to: o.Recorder}}
	d.kill, d.giveUp = context.WithCancel(context.Background())
	rt := o.Transport
	if rt == nil {
		if d.real, err = newTransport(plan); err != nil {
			return nil, err
		}
		rt = d.real
	}
	d.call = &caller{base: base, rt: rt, timeout: plan.Limits.Timeout, now: d.now, scrub: newScrubber(plan),
		agent: "arqload/" + o.Header.ToolVersion, dialed: func(time.Duration, time.Duration) {}}
	d.sessions = newSessions(plan, d.call, d.warn)
	return d, nil
}

func (d *drive) now() time.Duration { return time.Since(d.epoch) }

func (d *drive) warn(s string) {
	d.warnMu.Lock()
	defer d.warnMu.Unlock()
	d.warnings = append(d.warnings, s)
}

func (d *drive) close() {
	d.giveUp()
	if d.real != nil {
		d.real.CloseIdleConnections()
	}
}

// prepare connects once and makes the sessions: nothing of it is in a judged number.
func (d *drive) prepare(ctx context.Context) error {
	if d.real != nil {
		if err := checkReachable(ctx, d.base, d.real.TLSClientConfig, d.plan.Limits.Timeout); err != nil {
			return err
		}
	}
	return d.sessions.prepare(ctx)
}

// run drives the schedule.
func (d *drive) run(ctx context.Context) error {
	// rush is done where a person or a lost record leaves no time; halt where nothing more
	// is to be started, which an early end asks for too.
	rush, abort := context.WithCancel(ctx)
	defer abort()
	halt, stop := context.WithCancelCause(rush)
	defer stop(nil)
	d.rec.failed = abort

	// The one epoch of everything: the run's clock starts now.
	d.epoch = time.Now().Add(lead)
	if len(d.o.Collectors) > 1 { // more than the generator itself
		d.epoch = d.epoch.Add(leadSampled - lead)
	}
	d.layOut(halt)
	d.header.StartedAt = d.epoch.Round(0).UTC()
	sampler := collectors.NewSampler(d.o.Collectors, d.now, d.rec.sample)
	if err := d.rec.begin(d.header); err != nil {
		sampler.Finish(ctx)
		return err
	}
	sampler.Start(context.WithoutCancel(ctx), d.edges())

	defer context.AfterFunc(halt, func() { d.book.stop(d.now(), observation.ByPerson) })()
	d.book.breached = func(why string) { stop(&Ended{By: observation.ByGuard, Why: why}) }
	if d.o.Begun != nil {
		d.o.Begun(func(e Ended) bool { return d.end(e, stop) })
	}

	var background sync.WaitGroup
	helpers, stopHelpers := context.WithCancel(context.Background())
	background.Go(func() { d.sessions.keep(helpers) })
	background.Go(func() { d.giveUpAfterGrace(rush, helpers) })
	background.Go(func() { d.heartbeat(helpers) })
	show := newShow(d.o.Progress)
	defer show.end()
	background.Go(func() { d.closeSeconds(helpers, show) })

	var lanes sync.WaitGroup
	for _, l := range d.lanes {
		lanes.Go(l.attack)
	}
	lanes.Wait()
	// The schedule goes on after its last arrival, for a minute where one comes a minute.
	wait(halt, d.plan.Duration()-d.now())
	ended := d.now()
	stopHelpers()
	background.Wait()
	wait(rush, collectors.Settle) // PostgreSQL publishes counters late
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	sampler.Finish(last)
	cancel()
	d.flush(d.now(), true)
	if halt.Err() != nil {
		d.book.stop(d.now(), observation.ByPerson) // where AfterFunc has not come to it yet
	}
	return d.rec.end(d.footer(ctx.Err() != nil, context.Cause(halt), ended))
}

// wait lets a time pass, or less where ctx ends before.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// layOut makes the lanes, the book and the record's header.
func (d *drive) layOut(halt context.Context) {
	p := d.plan
	h := d.o.Header
	h.Version, h.Name, h.PlanSHA256, h.Sources = observation.Version, p.Name, p.Hash(), d.o.Sources
	h.MaxLag = observation.Seconds(p.Limits.MaxLag)
	h.Poisson, h.Seed = p.Arrivals.Process == scenarios.Poisson, p.Arrivals.Seed
	var at time.Duration
	for _, ph := range p.Phases {
		h.Phases = append(h.Phases, observation.Phase{Name: ph.Name, Judged: ph.Judged,
			Start: observation.Seconds(at), End: observation.Seconds(at + ph.Duration), Shape: shapeOf(ph)})
		at += ph.Duration
	}
	h.Counters = counters(p.Objectives)
	for i, load := range p.Load {
		l := &lane{index: i, scenario: p.Scenarios[load.Scenario], slots: load.InFlight, maxLag: p.Limits.MaxLag,
			shape: p.Schedule(i), call: d.call, sessions: d.sessions, now: d.now, halt: halt, kill: d.kill}
		l.init(p.Arrivals)
		d.lanes = append(d.lanes, l)
		h.Lanes = append(h.Lanes, laneHeader(l, load, h.Phases))
	}
	d.header = h
	d.book = newBook(h.Phases, d.lanes, h.Counters)
	for _, g := range p.StopWhen {
		d.book.guards = append(d.book.guards, newGuard(g))
	}
	for _, l := range d.lanes {
		l.book = d.book
	}
	d.call.dialed = func(connect, tls time.Duration) { d.book.dialed(d.now(), connect, tls) }
}

func shapeOf(ph scenarios.Phase) observation.Shape {
	switch {
	case len(ph.Steps) > 1:
		return observation.Steps
	case len(ph.Steps) == 0 && ph.From != ph.To:
		return observation.Ramp
	}
	return observation.Constant
}

func laneHeader(l *lane, load scenarios.LoadLine, phases []observation.Phase) observation.Lane {
	h := observation.Lane{Scenario: l.scenario.Name, RatePerS: load.Rate, InFlight: l.slots, PlannedRun: l.shape.Len()}
	for _, st := range l.scenario.Steps {
		h.Steps = append(h.Steps, st.Name)
	}
	for _, ph := range phases {
		if ph.Judged {
			h.PlannedJudg += l.shape.Between(ph.Start.Duration(), ph.End.Duration())
		}
	}
	return h
}

// counters returns the exact counters that the objectives' latency limits ask for.
func counters(objectives []scenarios.Objective) []observation.Counter {
	var out []observation.Counter
	for _, o := range objectives {
		if o.Metric != scenarios.MetricQuantile {
			continue
		}
		scenario, step := o.Target()
		c := observation.Counter{Scenario: scenario, Step: step, Limit: observation.Seconds(o.LimitDuration()), Strict: o.Op == scenarios.LessEqual}
		c.Over = observation.Key(o.LimitDuration(), c.Strict)
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// edges are the phases' ends, at each of which the collectors take a sample.
func (d *drive) edges() []collectors.Edge {
	var edges []collectors.Edge
	for i, ph := range d.header.Phases {
		if i == 0 {
			edges = append(edges, collectors.Edge{At: 0, Name: "start of " + ph.Name})
		} else {
			edges = append(edges, collectors.Edge{At: ph.Start.Duration(), Name: "end of " + d.header.Phases[i-1].Name + ", start of " + ph.Name})
		}
	}
	if n := len(d.header.Phases); n > 0 {
		last := d.header.Phases[n-1]
		edges = append(edges, collectors.Edge{At: last.End.Duration(), Name: "end of " + last.Name})
	}
	return edges
}

// heartbeat records how late this process wakes up at fixed instants. Where all slots are
// taken, a pause of the process itself (a stopped container, a stolen CPU) looks like
// waiting for the system, because its answers are read late: C[n-K] is then late by our
// own fault. The heartbeat waits for nothing but this process. Each missed tick counts, so
// a pause weighs by its length.
func (d *drive) heartbeat(ctx context.Context) {
	timer := time.NewTimer(-d.now())
	defer timer.Stop()
	for at := time.Duration(0); ; at += beatEvery {
		if wait := at - d.now(); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		} else if ctx.Err() != nil {
			return
		}
		d.book.beat(at, max(0, d.now()-at))
	}
}

// closeSeconds hands finished seconds to the recorder and reports progress.
func (d *drive) closeSeconds(ctx context.Context, show *show) {
	var reported int64 = -1
	for {
		// Aligned to the run's clock, so that each second's gauges are taken at its end.
		now := d.now()
		wait := closeEvery - (now%closeEvery+closeEvery)%closeEvery
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		now = d.now()
		if now < 0 {
			continue
		}
		d.flush(now, false)
		if sec := int64(now / time.Second); sec != reported {
			reported = sec
			show.put(d.progress(now))
		}
	}
}

// flush gives the recorder every second that is whole; all of them where force is set.
func (d *drive) flush(now time.Duration, force bool) {
	d.book.gauge(now)
	for {
		if force && d.book.drained(now) {
			break
		}
		c := d.book.close(now, force)
		if c == nil {
			break
		}
		d.rec.second(c, d.book.takeExamples())
		d.book.recycle(c.intervals)
	}
	if force {
		d.rec.examples(d.book.takeExamples())
	}
}

// giveUpAfterGrace cancels what is in flight some time after the run was interrupted. What
// an early end leaves in flight goes on instead, to its timeout at most.
func (d *drive) giveUpAfterGrace(rush, done context.Context) {
	select {
	case <-rush.Done():
	case <-done.Done():
		return
	}
	select {
	case <-time.After(grace):
		d.giveUp()
	case <-done.Done():
	}
}

func (d *drive) footer(interrupted bool, cause error, ended time.Duration) observation.Footer {
	// The wall clock may have been set while we ran; the monotonic one cannot.
	now := time.Now()
	drift := now.Round(0).Sub(d.epoch.Round(0)) - now.Sub(d.epoch)
	f := observation.Footer{
		Interrupted: interrupted, ClockDrift: observation.Seconds(drift), Sessions: len(d.sessions.all),
		Renewals: observation.Renewals{OK: d.sessions.renewedOK.Load(), Failed: d.sessions.renewedFailed.Load()},
	}
	d.book.footer(&f)
	f.Ended = max(f.Ended, observation.Seconds(min(ended, d.plan.Duration())))
	var early *Ended
	if errors.As(cause, &early) {
		f.StoppedBy, f.StoppedWhy = early.By, early.Why
	}
	if interrupted { // also in the drain of a run that had been ended already
		f.StoppedBy = observation.ByPerson
		if early != nil {
			f.StoppedWhy = fmt.Sprintf("interrupted after %s had ended it: %s", early.By, early.Why)
		}
	}
	d.warnMu.Lock()
	defer d.warnMu.Unlock()
	f.Warnings = append(f.Warnings, d.warnings...)
	return f
}

// IsUnprepared reports whether err says that the system could not be reached or prepared.
func IsUnprepared(err error) bool {
	var (
		u *UnreachableError
		p *PrepareError
	)
	return errors.As(err, &u) || errors.As(err, &p)
}
