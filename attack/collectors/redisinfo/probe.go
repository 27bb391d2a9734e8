package redisinfo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"arqload/analysis/observation"
)

const (
	probeEvery  = 100 * time.Millisecond
	probeWithin = time.Second // WAIT's own limit
	probeKeeps  = time.Minute // how long the key lives
	// mostPending bounds how many probes wait to be acknowledged: ten minutes of a master that
	// does not answer. The first ones stay, which wait the longest.
	mostPending = 6000
)

// prober times writes to one master until its replicas have them: at fixed instants SET
// and WAIT, in one packet on a connection of its own, since WAIT speaks of the writes of
// its connection. What was planned while a WAIT blocked could not be sent: it waited from
// its planned instant until the first WAIT that succeeded, as the write of a WAIT that ran
// into its limit did.
type prober struct {
	node     *node
	key      string
	client   *redis.Client
	replicas atomic.Int64 // connected: to be waited for
	flying   atomic.Int64 // number of the WAIT in flight; 0: none
	cancel   context.CancelFunc
	ended    chan struct{}

	mu      sync.Mutex
	done    []probe
	pending []time.Time // planned and not yet acknowledged
	dropped int         // planned since the last sample when too many were pending
	note    string      // why the last one failed
	refused bool        // the user may not probe: note stands for good
}

// probe is one planned write; a negative duration says that it has none.
type probe struct {
	planned time.Time
	took    time.Duration
	atLeast bool
}

const lost = -1

func newProber(n *node, key string) *prober {
	ctx, cancel := context.WithCancel(context.Background())
	o := *n.options
	o.MaxRetries = -1 // a second WAIT on another connection would speak of no write
	o.ReadTimeout = probeWithin + within
	p := &prober{node: n, key: key, client: redis.NewClient(&o), cancel: cancel, ended: make(chan struct{})}
	n.prober = p
	go p.run(ctx)
	return p
}

// waiting is the number of the WAIT in flight; 0: none.
func (p *prober) waiting() int64 {
	if p == nil {
		return 0
	}
	return p.flying.Load()
}

// stop ends the probing and waits for it.
func (p *prober) stop() {
	p.cancel()
	_ = p.client.Close() // what blocks in a read returns
	<-p.ended
	p.node.prober = nil
}

func (p *prober) run(ctx context.Context) {
	defer close(p.ended)
	conn := p.client.Conn()
	defer func() { _ = conn.Close() }()
	planned := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := int64(1); ; n++ {
		timer.Reset(time.Until(planned))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		// Nobody kept these waiting but this process.
		for time.Since(planned) >= probeEvery {
			p.settle(probe{planned: planned, took: lost})
			planned = planned.Add(probeEvery)
		}
		replicas := int(p.replicas.Load())
		if replicas == 0 {
			planned = planned.Add(probeEvery)
			continue
		}
		p.plan(planned)
		sent := time.Now()
		p.flying.Store(n)
		acknowledged, err := p.node.write(ctx, conn.Pipeline(), p.key, n, replicas, probeWithin)
		p.flying.Store(0)
		end := time.Now()
		if ctx.Err() != nil {
			return
		}
		first := planned
		for planned = planned.Add(probeEvery); !planned.After(end); planned = planned.Add(probeEvery) {
			p.plan(planned)
		}
		switch {
		case err == nil && acknowledged >= replicas:
			p.acknowledge(first, end.Sub(sent), end)
		case err == nil, isTimeout(err): // still on its way
		default:
			p.fail(first, end, err)
			if forbidden(err) {
				return
			}
		}
		if err != nil {
			_ = conn.Close()
			conn = p.client.Conn()
		}
	}
}

// write sends one value and waits until so many replicas have it, or for the limit.
func (n *node) write(ctx context.Context, pipe redis.Pipeliner, key string, value int64, replicas int, limit time.Duration) (acknowledged int, err error) {
	set := pipe.Set(ctx, key, value, probeKeeps)
	wait := pipe.Do(ctx, "wait", replicas, limit.Milliseconds())
	_, _ = pipe.Exec(ctx) // each command has its own error
	for _, c := range []redis.Cmder{set, wait} {
		switch err := c.Err(); {
		case err == nil:
			n.tally.did(c.Name())
		case isReply(err):
			n.tally.refused()
		}
	}
	if err := errors.Join(set.Err(), wait.Err()); err != nil {
		return 0, err
	}
	return wait.Int()
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func (p *prober) plan(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) >= mostPending {
		p.dropped++
		return
	}
	p.pending = append(p.pending, at)
}

func (p *prober) settle(o probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, o)
}

// acknowledge ends all that was pending; the write that was sent last took from its send.
func (p *prober) acknowledge(last time.Time, took time.Duration, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.pending {
		o := probe{planned: at, took: end.Sub(at)}
		if at.Equal(last) {
			o.took = took
		}
		p.done = append(p.done, o)
	}
	p.pending = nil
}

// fail ends all that was pending: what had been sent before took at least until now, of
// the rest nothing is known.
func (p *prober) fail(sent, end time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if forbidden(err) {
		p.pending, p.done, p.refused = nil, nil, true // there is no measuring that could have lost something
	}
	for _, at := range p.pending {
		o := probe{planned: at, took: lost}
		if at.Before(sent) {
			o = probe{planned: at, took: end.Sub(at), atLeast: true}
		}
		p.done = append(p.done, o)
	}
	p.pending = nil
	p.note = p.node.probeFailed(err, p.key)
}

// probeFailed says why a probe failed and what to do about it, without the password.
func (n *node) probeFailed(err error, key string) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	if n.secret != "" {
		text = strings.ReplaceAll(text, n.secret, "[password]")
	}
	if forbidden(err) {
		text += fmt.Sprintf(" (let the user write the probe key: ACL SETUSER %s +set +wait ~%s)", n.user, key)
	}
	return fmt.Sprintf("a replication probe at %s failed: %s", n.address, text)
}

// take puts what has ended into a sample; where it is the last time, also what has not.
func (p *prober) take(s *observation.Redis, begun time.Time, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last {
		for _, at := range p.pending {
			p.done = append(p.done, probe{planned: at, took: max(0, time.Since(at)), atLeast: true})
		}
		p.pending = nil
	}
	for _, o := range p.done {
		r := observation.RedisProbe{Master: p.node.address, Ago: observation.Seconds(begun.Sub(o.planned))}
		if r.Lost = o.took == lost; !r.Lost {
			r.Took, r.AtLeast = observation.Seconds(o.took), o.atLeast
		}
		s.Probes = append(s.Probes, r)
	}
	if p.note != "" {
		s.ProbeNotes = append(s.ProbeNotes, p.note)
	}
	if p.done = nil; !p.refused {
		p.note = ""
	}
	s.Dropped, p.dropped = s.Dropped+p.dropped, 0
}
