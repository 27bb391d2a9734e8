package attack

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// The load by which the floor is measured.
const (
	floorWarm    = 250 * time.Millisecond // opens the connections, counted in nothing
	floorFor     = time.Second
	floorWithin  = 5 * time.Second // for all of it, on a machine that cannot keep up
	floorMinRate = 20.0            // arrivals a second, so that there are some
	floorMaxRate = 20_000.0
	floorSlots   = 256 // each may hold two file descriptors of this process
	floorAnswer  = `{"id":"floor"}`
)

// measureFloor finds what this machine alone adds to a response time, and notes it in the
// header: a second at the plan's highest rate against a server in this process, through the
// same lane, attacker, transport and book as the load, so that timers, Vegeta, net/http and
// the histogram are all in it, and the server's own moment too. Plain HTTP/1.1: TLS is not
// in it. What goes wrong is a warning, and never ends the run.
func (d *drive) measureFloor(ctx context.Context) {
	if d.real == nil || ctx.Err() != nil {
		return
	}
	floor, err := floorOf(ctx, d.plan)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		d.warn(fmt.Sprintf("what this machine alone adds could not be measured: %v; response times of a few milliseconds cannot be told from it", err))
	default:
		d.o.Header.Floor = floor
	}
}

func floorOf(ctx context.Context, p *scenarios.Plan) (*observation.Floor, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, floorAnswer)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // it ends by Close
	defer serving.Wait()
	defer func() { _ = server.Close() }()
	return driveFloor(ctx, "http://"+listener.Addr().String(), floorRate(p), floorInFlight(p))
}

// driveFloor loads a server for the floor's time.
func driveFloor(ctx context.Context, base string, rate float64, slots int) (*observation.Floor, error) {
	plan, err := floorPlan(base, rate, slots)
	if err != nil {
		return nil, err
	}
	m := observation.Memory{TotalsOnly: true}
	d, err := newDrive(plan, Options{Recorder: &m})
	if err != nil {
		return nil, err
	}
	defer d.close()
	ctx, cancel := context.WithTimeout(ctx, floorWithin)
	defer cancel()
	d.rec.failed = cancel
	d.epoch = time.Now().Add(lead)
	d.layOut(ctx)
	if err := d.rec.begin(d.header); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() {
		d.book.stop(d.now(), observation.ByPerson)
		d.giveUp()
	})()
	d.lanes[0].attack()
	d.flush(d.now(), true)

	planned := d.header.Lanes[0].PlannedJudg
	h := m.Run.Latency[observation.Series{Scenario: "floor", Step: observation.All, Outcome: observation.OK, Clock: observation.Response}]
	if h == nil || uint64(h.Count()) < planned/2 {
		answered := int64(0)
		if h != nil {
			answered = h.Count()
		}
		return nil, fmt.Errorf("%d of %d requests to a server in this process were answered well within %s", answered, planned, floorWithin)
	}
	f := &observation.Floor{RatePerS: rate, Count: h.Count()}
	for share, to := range map[float64]*observation.Seconds{0.5: &f.P50, 0.95: &f.P95, 0.99: &f.P99} {
		v, _ := h.Quantile(share)
		*to = observation.Seconds(v)
	}
	return f, nil
}

func floorRate(p *scenarios.Plan) float64 { return min(max(peakRate(p), floorMinRate), floorMaxRate) }

// peakRate is the highest rate of all arrivals that the plan asks for, a second.
func peakRate(p *scenarios.Plan) float64 {
	var rate, most float64
	for _, l := range p.Load {
		rate += l.Rate
	}
	for _, ph := range p.Phases {
		shares := ph.Steps
		if len(shares) == 0 {
			shares = []float64{ph.From, ph.To}
		}
		for _, s := range shares {
			most = max(most, rate*s)
		}
	}
	return most
}

func floorInFlight(p *scenarios.Plan) int {
	slots := 0
	for _, l := range p.Load {
		slots += l.InFlight
	}
	return min(slots, floorSlots)
}

func floorPlan(base string, rate float64, slots int) (*scenarios.Plan, error) {
	return scenarios.Parse("floor", fmt.Appendf(nil, `version: 1
name: floor
system: {base_url: %q, username: none, password: none}
load: [{scenario: floor, rate: %s/s, in_flight: %d}]
phases: [{name: warm-up, duration: %s, judged: false}, {name: floor, duration: %s}]
objectives: [p50 < 1s]
scenarios:
  floor:
    steps:
      - name: read
        request: {method: GET, path: /}
        expect: {status: [200]}
        capture: {dialogue_id: id}
`, base, strconv.FormatFloat(rate, 'f', -1, 64), slots, floorWarm, floorFor), nil)
}
