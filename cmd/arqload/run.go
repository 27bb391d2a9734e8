package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"arqload/analysis"
	"arqload/analysis/compare"
	"arqload/analysis/observation"
	"arqload/attack"
	"arqload/attack/collectors"
	"arqload/attack/collectors/appmetrics"
	"arqload/attack/collectors/hosts"
	"arqload/attack/collectors/pgstat"
	"arqload/attack/collectors/redisinfo"
	"arqload/attack/collectors/selfhealth"
	"arqload/reports/bundle"
	"arqload/scenarios"
)

// openWithin bounds the opening of a collector.
const openWithin = 10 * time.Second

// runOptions are the flags of run.
type runOptions struct {
	out     string
	formats []string
	quiet   bool
	confirm string
	gate    bool // end the run when its verdict is known
	// baseline is the one to compare with, of the folder store; empty: none.
	baseline, store string
}

func newRun() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:     "run PLAN",
		Short:   "Drive a plan, collect, judge, report",
		Example: "  arqload run plan.yaml --out runs --format text,json=report.json\n  arqload run plan.yaml --baseline release-41",
		Args:    one("PLAN"),
		RunE:    o.runPlan,
	}
	o.flags(c)
	o.runFlags(c)
	c.Flags().StringVar(&o.baseline, "baseline", "", "compare the run with this baseline; exit code 5 for a regression")
	storeFlag(c, &o.store)
	return c
}

// runFlags are those that run and gate have, and demo has not.
func (o *runOptions) runFlags(c *cobra.Command) {
	c.Flags().StringVar(&o.confirm, "confirm-host", "", "consent to send load to this host; needed for every host that is not loopback")
}

func (o *runOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.out, "out", "runs", "the folder in which the bundle's folder is made")
	c.Flags().StringArrayVar(&o.formats, "format", []string{"text"}, "forms of the report: text, json, or NAME=FILE; several with commas or by repeating")
	c.Flags().BoolVar(&o.quiet, "quiet", false, "no progress")
}

// runPlan is what run and gate do with PLAN.
func (o *runOptions) runPlan(c *cobra.Command, args []string) error {
	plan, err := scenarios.Load(args[0])
	if err != nil {
		return err
	}
	return run(c.Context(), plan, *o, c.OutOrStdout(), c.ErrOrStderr())
}

// run drives a plan to its report. The verdict is drawn from the bundle as it was written,
// so that judging it again next year reads the same evidence.
func run(ctx context.Context, plan *scenarios.Plan, o runOptions, stdout, stderr io.Writer) error {
	formats, err := parseFormats(o.formats)
	if err != nil {
		return err
	}
	if err := allowed(plan, o.confirm); err != nil {
		return err
	}
	var baseline []compare.Run
	if o.baseline != "" {
		if baseline, err = baselineFor(plan, o.store, o.baseline, stderr); err != nil {
			return err
		}
	}
	w, err := bundle.Create(o.out, plan.Name, time.Now(), plan.YAML())
	if err != nil {
		return err
	}
	if err := drive(ctx, plan, w, o, stderr); err != nil {
		if !w.Begun() {
			return errors.Join(err, w.Discard())
		}
		complain(stderr, err.Error())
	}
	defer fmt.Fprintln(stderr, "bundle:", w.Dir()) // the last line, also where the report cannot be written
	record, err := bundle.ReadTotals(w.Dir())
	if err != nil {
		return &exitError{code: analysis.ExitInvalid, err: err}
	}
	j := judge(record, plan.Objectives)
	if o.baseline != "" {
		j.against(w.Dir(), o.baseline, baseline)
	}
	if err := errors.Join(j.keep(w.Dir()), j.write(formats, stdout)); err != nil {
		// Code 2 would say that nothing was sent, 0 that there is a report.
		return &exitError{code: cmp.Or(j.verdict.ExitCode, analysis.ExitInvalid), err: err}
	}
	if j.verdict.ExitCode != 0 {
		return &exitError{code: j.verdict.ExitCode}
	}
	return nil
}

// allowed refuses a plan that must not be driven: one that was saved without its secrets, and
// one that loads a machine for which nobody gave consent.
func allowed(p *scenarios.Plan, confirmed ...string) error {
	if p.IsRedacted() {
		return fmt.Errorf("the secrets of the plan %s are [redacted]: it was saved in a bundle, to be judged; run the plan it was made from", p.Name)
	}
	if host := p.Host(); !p.IsLoopback() && !slices.Contains(confirmed, host) && !slices.Contains(confirmed, hostname(host)) {
		return fmt.Errorf("the plan %s sends load to %s, which is not this machine: repeat the command with --confirm-host %s if you may load it", p.Name, host, host)
	}
	return nil
}

// hostname is a host without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// drive opens the collectors and runs the attack into the bundle.
func drive(ctx context.Context, plan *scenarios.Plan, w *bundle.Writer, o runOptions, stderr io.Writer) error {
	list, sources := openCollectors(ctx, plan)
	for _, s := range sources {
		if s.Asked && s.Error != "" {
			complain(stderr, fmt.Sprintf("the collector %s is off, its objectives will have no data: %s", s.Collector, s.Error))
		}
		for _, d := range s.Doubts {
			complain(stderr, s.Collector+": "+d)
		}
	}
	options := attack.Options{
		Recorder: w, Collectors: list, Sources: sources,
		Header: observation.Header{ID: w.ID(), ToolVersion: toolVersion(), Environment: environment(plan), Gate: o.gate, Uneven: analysis.Uneven(plan.Phases)},
	}
	var also []func() string
	if o.gate {
		g := newGateWatch(plan, w, func(what string) { complain(stderr, what) })
		defer g.done()
		options.Recorder, options.Begun = g, g.begun
		also = append(also, g.line)
	}
	show, done := newProgress(stderr, o.quiet, also...)
	defer done()
	options.Progress = show
	defer context.AfterFunc(ctx, func() {
		fmt.Fprintln(stderr, "arqload: stopping: requests in flight get a moment")
	})()
	if !o.quiet && len(plan.SessionNeeds()) > 0 {
		fmt.Fprintf(stderr, "preparing %d sessions\n", plan.Sessions)
	}
	return attack.Run(ctx, plan, options)
}

// openCollectors opens every collector the plan names. One that cannot be opened is left
// out, with its reason: it never stops the load.
func openCollectors(ctx context.Context, plan *scenarios.Plan) ([]collectors.Collector, []observation.Source) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	list := []collectors.Collector{selfhealth.Open()}
	sources := []observation.Source{{Collector: "selfhealth", Asked: true}}
	add := func(name string, asked bool, open func() (collectors.Collector, error)) {
		s := observation.Source{Collector: name, Asked: asked}
		if s.Asked {
			c, err := open()
			if err != nil {
				s.Error = err.Error()
			} else {
				list = append(list, c)
			}
			if d, ok := c.(interface{ Doubts() []string }); ok && err == nil {
				s.Doubts = d.Doubts()
			}
		}
		sources = append(sources, s)
	}
	sys := plan.System
	add("pgstat", !sys.Postgres.IsZero(), func() (collectors.Collector, error) {
		return pgstat.Open(ctx, sys.Postgres.Reveal(), pgstat.Options{Replica: sys.PostgresReplica.Reveal()})
	})
	add("redisinfo", !sys.Redis.IsZero(), func() (collectors.Collector, error) {
		return redisinfo.Open(ctx, sys.Redis.Reveal(), redisinfo.Options{ProbeKey: sys.RedisProbeKey, CAFile: sys.CAFile})
	})
	add("hosts", len(sys.Hosts) > 0, func() (collectors.Collector, error) { return hosts.Open(ctx, sys.Hosts, sys.CAFile) })
	add("appmetrics", len(sys.Metrics) > 0, func() (collectors.Collector, error) {
		return appmetrics.Open(ctx, sys.Metrics, wanted(plan.Objectives), sys.CAFile)
	})
	return list, sources
}

// wanted are the application's metrics that objectives name.
func wanted(objectives []scenarios.Objective) []appmetrics.Wanted {
	var all []appmetrics.Wanted
	for _, o := range objectives {
		if o.Metric != scenarios.MetricApplication {
			continue
		}
		if s, err := scenarios.ParseSelector(o.Name); err == nil { // as every objective of a plan is
			all = append(all, appmetrics.Wanted{Name: s.Name, Match: s.Matches})
		}
	}
	return all
}

// environment is what a reader must know to compare runs.
func environment(plan *scenarios.Plan) map[string]string {
	host, _ := os.Hostname()
	return map[string]string{
		"host": host, "os": runtime.GOOS, "arch": runtime.GOARCH, "go": runtime.Version(),
		"cpus": fmt.Sprint(runtime.NumCPU()), "gomaxprocs": fmt.Sprint(runtime.GOMAXPROCS(0)),
		"base_url": plan.System.BaseURL, "arrivals": string(plan.Arrivals.Process), "seed": fmt.Sprint(plan.Arrivals.Seed),
	}
}
