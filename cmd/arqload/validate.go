package main

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"arqload/analysis"
	"arqload/reports"
	"arqload/scenarios"
)

func newValidate() *cobra.Command {
	var objectives bool
	c := &cobra.Command{
		Use:     "validate PLAN",
		Short:   "Check a plan, send nothing, print what it would do",
		Example: "  arqload validate plan.yaml\n  arqload validate --objectives",
		Args: func(c *cobra.Command, args []string) error {
			if objectives && len(args) == 0 {
				return nil
			}
			return one("PLAN")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if objectives {
				if err := reports.WriteCatalogue(c.OutOrStdout(), scenarios.Catalogue(), textOptions(c.OutOrStdout()).Width); err != nil {
					return err
				}
			}
			if len(args) == 0 {
				return nil
			}
			plan, err := scenarios.Load(args[0])
			if err != nil {
				return err
			}
			var b strings.Builder
			describe(&b, plan)
			said := b.String()
			if width := textOptions(c.OutOrStdout()).Width; width > 0 {
				said = reports.Wrapped(said, width)
			}
			_, err = io.WriteString(c.OutOrStdout(), said)
			return err
		},
	}
	c.Flags().BoolVar(&objectives, "objectives", false, "list what objectives can be about, with unit, source and how each is judged; needs no PLAN")
	return c
}

// describe prints what a plan would do: load, rows, and whether its objectives can be
// proved by it at all.
func describe(w io.Writer, p *scenarios.Plan) {
	phases := "1 phase"
	if n := len(p.Phases); n != 1 {
		phases = fmt.Sprintf("%d phases", n)
	}
	fmt.Fprintf(w, "plan %s: %s in %s, %s of it judged, against %s\n", p.Name, p.Duration(), phases, p.Judged(), p.System.BaseURL)
	if !p.IsLoopback() {
		fmt.Fprintf(w, "  %s is not this machine: run needs --confirm-host %s\n", p.Host(), p.Host())
	}
	if p.Judged() == 0 {
		fmt.Fprintln(w, "  no phase is judged: every objective will have no data")
	}

	fmt.Fprintln(w, "\nphases")
	describePhases(w, p)
	describeGuards(w, p)

	fmt.Fprintln(w, "\nload")
	about := ""
	if p.Arrivals.Process == scenarios.Poisson {
		about = "about "
	}
	var perS float64
	var all uint64
	rows := map[string]uint64{}
	for i, l := range p.Load {
		sc := p.Scenarios[l.Scenario]
		s := p.Schedule(i)
		steps := uint64(len(sc.Steps))
		perS += l.Rate * float64(steps)
		all += s.Len() * steps
		fmt.Fprintf(w, "  %-14s %g arrivals/s, %g requests/s; %s%d arrivals, %d requests in all; at most %d in flight\n",
			l.Scenario, l.Rate, l.Rate*float64(steps), about, s.Len(), s.Len()*steps, l.InFlight)
		addRows(rows, sc, s.Len())
	}
	fmt.Fprintf(w, "  %-14s %g requests/s, %s%d requests\n", "together", perS, about, all)

	if need := p.SessionNeeds(); len(need) > 0 {
		fmt.Fprintf(w, "\nbefore the load: %d sessions, which provide %s\n", p.Sessions, strings.Join(need, ", "))
		for _, name := range p.Preparation() {
			addRows(rows, p.Scenarios[name], uint64(p.Sessions))
		}
	}
	fmt.Fprintln(w, "\nrows the run will create in the system, as the scenarios declare them")
	if len(rows) == 0 {
		fmt.Fprintln(w, "  none declared")
	}
	tables := make([]string, 0, len(rows))
	for t := range rows {
		tables = append(tables, t)
	}
	sort.Strings(tables)
	for _, t := range tables {
		fmt.Fprintf(w, "  %-14s %s%d\n", t, about, rows[t])
	}

	describeObjectives(w, p)
}

// describePhases prints each phase with the rate of all arrivals in it.
func describePhases(w io.Writer, p *scenarios.Plan) {
	var rate float64
	for _, l := range p.Load {
		rate += l.Rate
	}
	var at time.Duration
	for _, ph := range p.Phases {
		shape := fmt.Sprintf("%g arrivals/s", rate*ph.From)
		switch {
		case len(ph.Steps) > 0:
			var steps []string
			for _, s := range ph.Steps {
				steps = append(steps, fmt.Sprintf("%g", rate*s))
			}
			shape = strings.Join(steps, ", ") + " arrivals/s"
		case ph.From != ph.To:
			shape = fmt.Sprintf("%g to %g arrivals/s", rate*ph.From, rate*ph.To)
		}
		judged := "judged"
		if !ph.Judged {
			judged = "not judged"
		}
		fmt.Fprintf(w, "  %-14s %s to %s, %s: %s\n", ph.Name, at, at+ph.Duration, judged, shape)
		at += ph.Duration
	}
	fmt.Fprintf(w, "  the generator's own lag (p99) must stay below %s, a tenth of the tightest limit on a response time, or 20ms where there is none\n", analysis.LagLimit(p.Objectives))
}

// describeGuards prints, for validate, what ends a run at once.
func describeGuards(w io.Writer, p *scenarios.Plan) {
	var all []string
	for _, g := range p.StopWhen {
		all = append(all, g.Text)
	}
	if len(all) > 0 {
		fmt.Fprintf(w, "  %-14s %s: ends the run at once, in whatever phase; the verdict is then fail\n", "stop_when", strings.Join(all, ", "))
	}
}

func addRows(rows map[string]uint64, sc *scenarios.Scenario, n uint64) {
	for _, st := range sc.Steps {
		for table, k := range st.Creates {
			rows[table] += n * uint64(k)
		}
	}
}

// judgedArrivals is how many arrivals (or HTTP requests) of a scenario, or of all, the
// judged phases plan.
func judgedArrivals(p *scenarios.Plan, scenario string, requests bool) float64 {
	var n float64
	for i, l := range p.Load {
		if scenario != "" && l.Scenario != scenario {
			continue
		}
		s := p.Schedule(i)
		var at time.Duration
		for _, ph := range p.Phases {
			if ph.Judged {
				k := float64(s.Between(at, at+ph.Duration))
				if requests {
					k *= float64(len(p.Scenarios[l.Scenario].Steps))
				}
				n += k
			}
			at += ph.Duration
		}
	}
	return n
}
