package reference

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A fate is what the faults have decided for one request.
type fate struct {
	end       ending
	latency   time.Duration
	dropWrite bool
	slowQuery bool
}

type ending int

const (
	endAnswer ending = iota
	endError
	endReset
	endHang
)

// An injector decides the requests' fates and makes them wait.
type injector struct {
	faults Faults
	record *recorder
	epoch  time.Time     // stalls are counted from here
	closed chan struct{} // closed by close: nothing waits any more

	mu   sync.Mutex
	rng  *rand.Rand
	next time.Duration // since epoch: when capacity is free again
}

func newInjector(f Faults, r *recorder, epoch time.Time) *injector {
	return &injector{faults: f, record: r, epoch: epoch, closed: make(chan struct{}), rng: rand.New(rand.NewPCG(f.Seed, 0))}
}

// close makes all waits, present and future, return false.
func (in *injector) close() { close(in.closed) }

// decide draws every number for every request, so that a switch does not change what the others decide.
func (in *injector) decide() fate {
	in.mu.Lock()
	defer in.mu.Unlock()
	f := in.faults
	u, drop, slow := in.rng.Float64(), in.rng.Float64(), in.rng.Float64()
	d := fate{latency: f.Latency.sample(in.rng), dropWrite: drop < f.DropWrites, slowQuery: slow < f.SlowQueryShare}
	switch {
	case u < f.ErrorShare:
		d.end = endError
	case u < f.ErrorShare+f.ResetShare:
		d.end = endReset
	case u < f.ErrorShare+f.ResetShare+f.HangShare:
		d.end = endHang
	}
	return d
}

// begin waits until the request may begin: for the end of a stall, for capacity, and then for its latency. Like the other
// waits it returns false if the client left first.
func (in *injector) begin(ctx context.Context, latency time.Duration) bool {
	now := time.Since(in.epoch)
	at := in.faults.stallEnd(now)
	if at > now {
		in.record.fault(func(s *FaultStats) { s.Stalled++ })
	}
	if in.faults.Capacity > 0 {
		free := in.slot(now)
		if free > at {
			in.record.fault(func(s *FaultStats) { s.Queued++ })
		}
		at = free
	}
	return in.sleep(ctx, at-now) && in.sleep(ctx, latency)
}

// slot takes the next place of a server that begins Capacity requests a second and none during a stall. A client that
// leaves does not give its place back.
func (in *injector) slot(now time.Duration) time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	at := in.faults.stallEnd(max(now, in.next))
	in.next = at + time.Duration(float64(time.Second)/in.faults.Capacity)
	return at
}

// end holds back an answer that has become ready during a stall.
func (in *injector) end(ctx context.Context) bool {
	now := time.Since(in.epoch)
	at := in.faults.stallEnd(now)
	if at > now {
		in.record.fault(func(s *FaultStats) { s.Stalled++ })
	}
	return in.sleep(ctx, at-now)
}

// stallEnd is the first instant from now on, both since the start, that is not in a stall.
func (f Faults) stallEnd(now time.Duration) time.Duration {
	if f.StallFor == 0 || now < f.StallEvery {
		return now
	}
	if phase := now % f.StallEvery; phase < f.StallFor {
		return now - phase + f.StallFor
	}
	return now
}

// hang waits for the client to leave.
func (in *injector) hang(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-in.closed:
	}
}

func (in *injector) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	case <-in.closed:
		return false
	}
}
