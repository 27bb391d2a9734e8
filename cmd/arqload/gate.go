package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"arqload/analysis"
	"arqload/analysis/observation"
	"arqload/attack"
	"arqload/scenarios"
)

func newGate() *cobra.Command {
	o := runOptions{gate: true}
	c := &cobra.Command{
		Use:   "gate PLAN",
		Short: "Run a plan until its verdict is known",
		Long: `gate is run, but looks after each judged second whether the verdict is known already, and then ends the
run: with pass when every required objective is met, with fail as soon as one is missed; else it goes on to
the plan's end. Looking often makes an error no likelier: the bounds hold at every look, and are wider
than those of run for that. A plan whose judged load changes, or comes in parts, can fail early, but passes at
its end alone.`,
		Example: "  arqload gate plan.yaml --out runs --format text,json=report.json",
		Args:    one("PLAN"),
		RunE:    o.runPlan,
	}
	o.flags(c)
	o.runFlags(c)
	return c
}

// lookShare is the most of the time that looks may take of one CPU.
const lookShare = 0.05

// gateWatch hands a run's record to its bundle and to a gate at once, and ends the run when
// the gate knows the verdict. It looks from a goroutine of its own: neither the load nor the
// recording waits for it.
type gateWatch struct {
	observation.Recorder
	gate   *analysis.Gate
	said   func(string)  // told once why the run was ended
	news   chan struct{} // room for one: a second was closed since the last look
	status atomic.Value  // string, for the progress
	ctx    context.Context
	finish context.CancelFunc
	looks  sync.WaitGroup
}

func newGateWatch(plan *scenarios.Plan, to observation.Recorder, said func(string)) *gateWatch {
	g := &gateWatch{Recorder: to, gate: analysis.NewGate(plan), said: said, news: make(chan struct{}, 1)}
	g.ctx, g.finish = context.WithCancel(context.Background())
	return g
}

// begun starts looking.
func (g *gateWatch) begun(end func(attack.Ended) bool) {
	g.looks.Go(func() { g.look(end) })
}

// done ends looking and waits for it.
func (g *gateWatch) done() {
	g.finish()
	g.looks.Wait()
}

func (g *gateWatch) look(end func(attack.Ended) bool) {
	for {
		select {
		case <-g.news:
		case <-g.ctx.Done():
			return
		}
		began := time.Now()
		k := g.gate.Look()
		took := time.Since(began)
		g.status.Store(k.String())
		if k.Verdict != "" {
			if end(attack.Ended{By: observation.ByGate, Why: k.Why}) {
				g.said(fmt.Sprintf("gate: %s is known: %s; what is in flight goes on to its end", k.Verdict, k.Why))
			}
			return
		}
		select { // what looking has cost is made up for
		case <-time.After(time.Duration(float64(took) * (1/lookShare - 1))):
		case <-g.ctx.Done():
			return
		}
	}
}

// line is what the progress shows.
func (g *gateWatch) line() string {
	if s, ok := g.status.Load().(string); ok {
		return "gate: " + s
	}
	return "gate: nothing is judged yet"
}

// Begin is of observation.Recorder, as Second and Sample are.
func (g *gateWatch) Begin(h observation.Header) error {
	g.gate.Begin(h)
	return g.Recorder.Begin(h)
}

// Second tells of a closed second.
func (g *gateWatch) Second(s observation.Second, intervals []observation.Interval) error {
	if err := g.Recorder.Second(s, intervals); err != nil {
		return err
	}
	g.gate.Second(s, intervals)
	select {
	case g.news <- struct{}{}:
	default:
	}
	return nil
}

// Sample hands a sample on.
func (g *gateWatch) Sample(s observation.Sample) error {
	g.gate.Sample(s)
	return g.Recorder.Sample(s)
}
