package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"arqload/analysis"
	"arqload/analysis/compare"
	"arqload/reports"
	"arqload/reports/bundle"
	"arqload/scenarios"
)

func newBaseline() *cobra.Command {
	c := &cobra.Command{
		Use:   "baseline",
		Short: "Keep accepted runs, with which later ones are compared",
		Long: `A baseline is a name for several runs of one load that passed: five are recommended, since how much runs
differ by themselves can only be seen between them. It is kept in a folder made to be committed to git.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBaselineAdd(), newBaselineList(), newBaselineShow(), newBaselineRemove())
	return c
}

// arguments demands some arguments and says which.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return fmt.Errorf("%s: write arqload baseline %s, see arqload baseline %s --help", c.Name(), c.Use, c.Name())
		}
		return nil
	}
}

func newBaselineAdd() *cobra.Command {
	var store string
	var force bool
	c := &cobra.Command{
		Use:     "add NAME BUNDLE...",
		Short:   "Take finished runs into a baseline, which need not exist",
		Example: "  arqload baseline add release-41 runs/*-arq-baseline",
		Long: `add judges each bundle again and keeps its metrics where it passed. One that did not pass, was interrupted or has
another load than the baseline is refused, with the reason, and then none of the bundles is added. The host, server
versions and data volume are kept too; a run of another environment is added with a warning. So that changes of
the margin's size can be found, a run that does not know its own p99 to within the margin (its seconds vary by more,
or its generator was late by as much) is refused, unless --force.`,
		Args: arguments(2, -1),
		RunE: func(c *cobra.Command, args []string) error {
			return addToBaseline(bundle.OpenBaselines(store), args[0], args[1:], force, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	storeFlag(c, &store)
	c.Flags().BoolVar(&force, "force", false, "add also runs that were not steady enough to find changes of the margin's size")
	return c
}

func addToBaseline(b bundle.Baselines, name string, dirs []string, force bool, stdout, stderr io.Writer) error {
	var margins compare.Margins // of the last one's plan
	names, err := b.Names()
	if err != nil {
		return err
	}
	var runs []compare.Run
	if slices.Contains(names, name) {
		if runs, err = b.Runs(name); err != nil {
			return err
		}
	}
	var added []compare.Run
	var refused []string
	for _, dir := range dirs {
		f, err := readFinished(dir)
		if err != nil {
			return err
		}
		margins = compare.MarginsOf(f.plan)
		why := compare.Incomplete(f.summary)
		if f.verdict.Judgement != analysis.Pass {
			why = append(why, fmt.Sprintf("its verdict is %s: %s", f.verdict.Judgement, strings.Join(f.verdict.Reasons, "; ")))
		}
		if len(runs) > 0 {
			for _, d := range compare.LoadChanges(f.run.Load, runs[0].Load) {
				why = append(why, "another load: "+d)
			}
		}
		if slices.ContainsFunc(runs, func(r compare.Run) bool { return r.ID == f.run.ID }) {
			why = append(why, "the run is in the baseline already")
		}
		if restless := compare.Restless(f.run, margins); restless != "" && force {
			complain(stderr, f.run.ID+": "+restless)
		} else if restless != "" {
			why = append(why, restless+" (--force adds it)")
		}
		if len(why) > 0 {
			refused = append(refused, fmt.Sprintf("%s cannot be in the baseline %s: %s", dir, name, strings.Join(why, "; ")))
			continue
		}
		for _, w := range compare.EnvironmentChanges(f.run, runs) {
			complain(stderr, fmt.Sprintf("%s: %s", f.run.ID, w))
		}
		runs, added = append(runs, f.run), append(added, f.run)
	}
	if len(refused) > 0 {
		return fmt.Errorf("%s; nothing was added", strings.Join(refused, "\n"))
	}
	for _, r := range added {
		if err := b.Add(name, r); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "%s: %s added\n", name, count(len(added), "run"))
	fmt.Fprintln(stdout, strings.Join(standing(runs, margins), "\n"))
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// standing says what a baseline can show, and what more runs would.
func standing(runs []compare.Run, g compare.Margins) []string {
	out := []string{}
	switch n := len(runs); {
	case n == 1:
		out = append(out, "1 run: how much runs differ by themselves is not known, so every change will be inconclusive; add 4 more")
		return out
	case n < compare.Recommended:
		out = append(out, fmt.Sprintf("%d runs of the %d recommended: only large changes can be called", n, compare.Recommended))
	default:
		out = append(out, fmt.Sprintf("%d runs", n))
	}
	out = append(out, fmt.Sprintf("the smallest slowdown that can be called with a margin of %g%% and %s (more runs, or steadier ones, make it smaller):",
		100*g.Relative, time.Duration(g.AtLeastS*float64(time.Second))))
	for _, d := range compare.Detectables(runs, g) {
		change := "none"
		if !math.IsInf(d.Change, 0) {
			change = fmt.Sprintf("+%.0f%%", 100*d.Change)
		}
		out = append(out, fmt.Sprintf("  %-24s %8s -> %s", d.Metric.Label(), d.Metric.Format(d.Metric.Value), change))
	}
	return out
}

func newBaselineList() *cobra.Command {
	var store string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the baselines",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			b := bundle.OpenBaselines(store)
			names, err := b.Names()
			if err != nil {
				return err
			}
			if len(names) == 0 {
				fmt.Fprintf(c.ErrOrStderr(), "no baselines in %s: arqload baseline add NAME BUNDLE makes one\n", store)
			}
			var failed error // the others are listed nevertheless
			for _, n := range names {
				runs, err := b.Runs(n)
				if err != nil {
					failed = errors.Join(failed, err)
					continue
				}
				last := runs[len(runs)-1]
				note := ""
				switch {
				case len(runs) == 1:
					note = "; no change can be called with 1 run"
				case len(runs) < compare.Recommended:
					note = fmt.Sprintf("; %d recommended", compare.Recommended)
				}
				fmt.Fprintln(c.OutOrStdout(), reports.Printable(fmt.Sprintf("%-24s %s of %s, the last of %s on %s%s", n, count(len(runs), "run"), last.Name, last.StartedAt, last.Environment["host"], note)))
			}
			return failed
		},
	}
	storeFlag(c, &store)
	return c
}

func newBaselineShow() *cobra.Command {
	var store string
	c := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show the runs of a baseline and what it can tell",
		Example: "  arqload baseline show release-41",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			runs, err := bundle.OpenBaselines(store).Runs(args[0])
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			say := func(format string, a ...any) { fmt.Fprintln(out, reports.Printable(fmt.Sprintf(format, a...))) }
			last := runs[len(runs)-1]
			say("%s: %s", args[0], last.Name)
			for _, l := range last.Load.Lanes {
				say("  load  %s %g/s, %d arrivals judged", l.Scenario, l.RatePerS, l.PlannedJudged)
			}
			for _, r := range runs {
				say("  run   %s  %s, arqload %s", r.ID, r.StartedAt, r.ToolVersion)
			}
			for _, k := range slices.Sorted(maps.Keys(last.Environment)) {
				say("  %-20s %s", k, last.Environment[k])
			}
			for i, r := range runs[1:] {
				for _, w := range compare.EnvironmentChanges(r, runs[:i+1]) {
					say("  !     %s: %s", r.ID, w)
				}
			}
			for _, line := range standing(runs, compare.MarginsOf(&scenarios.Plan{Compare: scenarios.DefaultCompare()})) {
				say("%s", line)
			}
			return nil
		},
	}
	storeFlag(c, &store)
	return c
}

func newBaselineRemove() *cobra.Command {
	var store string
	c := &cobra.Command{
		Use:     "remove NAME [RUN]",
		Short:   "Remove a run from a baseline, or the whole baseline",
		Example: "  arqload baseline remove release-41 20261123T091500Z-arq-baseline\n  arqload baseline remove release-41",
		Args:    arguments(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			b := bundle.OpenBaselines(store)
			if len(args) == 2 { // be it "", of a variable that is not set: that is no run, and not all of them
				return b.Remove(args[0], args[1])
			}
			return b.RemoveAll(args[0])
		},
	}
	storeFlag(c, &store)
	return c
}
