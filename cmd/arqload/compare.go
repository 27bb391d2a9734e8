package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"arqload/analysis"
	"arqload/analysis/compare"
	"arqload/reports/bundle"
	"arqload/scenarios"
)

// exitRegression is a regression against a baseline.
const exitRegression = 5

// finished is a bundle, read and judged by its own plan.
type finished struct {
	judged
	summary *analysis.Summary
	plan    *scenarios.Plan
	run     compare.Run
}

// readFinished reads a bundle with the histograms of its seconds: how much a run varies within
// itself is in them.
func readFinished(dir string) (*finished, error) {
	path, content, err := bundle.Plan(dir)
	if err != nil {
		return nil, err
	}
	plan, err := scenarios.Parse(path, content, nil)
	if err != nil {
		return nil, err
	}
	record, err := bundle.Read(dir)
	if err != nil {
		return nil, err
	}
	s := analysis.Summarize(record)
	run := compare.Of(s)
	run.Load.Phases = compare.LoadOf(plan).Phases // the record does not know their rates
	return &finished{judged: judge(record, plan.Objectives), summary: s, plan: plan, run: run}, nil
}

// unfit says why a run cannot be compared; none: it can.
func (f *finished) unfit() []string {
	why := compare.Incomplete(f.summary)
	if f.verdict.Judgement == analysis.Invalid {
		why = append(why, "it is invalid: "+strings.Join(f.summary.Invalid(f.plan.Objectives), "; "))
	}
	return why
}

func newCompare() *cobra.Command {
	var store string
	var force, turns bool
	var o interleaveOptions
	c := &cobra.Command{
		Use:   "compare BASELINE BUNDLE, or compare --interleave PLAN_A PLAN_B",
		Short: "Say whether a run is worse than a baseline, or one system than another, by more than noise",
		Example: `  arqload compare release-41 runs/20261123T091500Z-arq-baseline
  arqload compare release-41 runs/20261123T091500Z-arq-baseline --format text,json=comparison.json
  arqload compare --interleave old.yaml new.yaml --pairs 5 --slice 15s`,
		Long: `compare holds a finished run against the runs of a baseline (arqload baseline add), metric by metric: each is
regressed, same (not worse by more than the margin), improved or inconclusive. How much runs differ by themselves
comes from the baseline's runs: with one run nothing can be called, five are recommended. The margin is the plan's
(compare: {margin: 10%, at_least: 5ms}).

A run of another load is refused, since its numbers say nothing of the baseline's; another environment is a warning.

With --interleave it drives two plans of the same load in turns, A B B A A B ..., each slice at the full rate after a
warm-up and with a bundle of its own, and compares the pairs: a regression is B being worse than A. What a noisy
machine does for a while is in both of a pair.

Exit codes: 0 no regression was found (what could not be decided is listed), 5 a regression, 2 not comparable;
with --interleave also 4, 6 and 130 as in arqload run.`,
		Args: cobra.MatchAll(func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("compare takes two arguments: write arqload %s, see arqload compare --help", c.Use)
			}
			return nil
		}),
		RunE: func(c *cobra.Command, args []string) error {
			if turns {
				return interleave(c.Context(), [2]string(args), o, c.OutOrStdout(), c.ErrOrStderr())
			}
			formats, err := parseFormats(o.formats)
			if err != nil {
				return err
			}
			baseline, err := bundle.OpenBaselines(store).Runs(args[0])
			if err != nil {
				return err
			}
			f, err := readFinished(args[1])
			if err != nil {
				return err
			}
			var forced []string
			for _, d := range compare.LoadChanges(f.run.Load, baseline[0].Load) {
				forced = append(forced, "another load: "+d)
			}
			for _, u := range f.unfit() {
				forced = append(forced, "the run is no evidence: "+u)
			}
			if len(forced) > 0 && !force {
				return fmt.Errorf("%s cannot be compared with %s: %s; --force compares nevertheless, and says so", args[1], args[0], strings.Join(forced, "; "))
			}
			f.against(args[0], baseline, forced)
			f.report.ComparisonAlone()
			f.report.ExitCode = analysis.ExitPass // the comparison's, whatever the run's was
			if f.report.Compared.Regressed {
				f.report.ExitCode = exitRegression
			}
			if err := f.write(formats, c.OutOrStdout()); err != nil {
				return err
			}
			if f.report.ExitCode != analysis.ExitPass {
				return &exitError{code: f.report.ExitCode}
			}
			return nil
		},
	}
	storeFlag(c, &store)
	c.Flags().BoolVar(&force, "force", false, "compare even another load, or a run that is no evidence")
	c.Flags().BoolVar(&turns, "interleave", false, "drive two plans in alternating slices and compare them")
	c.Flags().IntVar(&o.pairs, "pairs", 5, "with --interleave: how many slices of each plan")
	c.Flags().DurationVar(&o.slice, "slice", 15*time.Second, "with --interleave: length of a slice")
	c.Flags().DurationVar(&o.warmUp, "warm-up", 2*time.Second, "with --interleave: load before each slice, not judged")
	c.Flags().StringVar(&o.out, "out", "runs", "with --interleave: the folder in which the bundles' folders are made")
	c.Flags().BoolVar(&o.quiet, "quiet", false, "with --interleave: no progress")
	c.Flags().StringArrayVar(&o.hosts, "confirm-host", nil, "with --interleave: consent to send load to this host; needed for every host that is not loopback, may be repeated")
	c.Flags().StringArrayVar(&o.formats, "format", []string{"text"}, "forms of the report: text, json, or NAME=FILE")
	return c
}

// against holds the run against a baseline and puts what comes out into its report. forced are
// the reasons for which it would have been refused.
func (f *finished) against(name string, baseline []compare.Run, forced []string) {
	c := compare.Against(name, baseline, f.run, compare.MarginsOf(f.plan))
	var warnings []string
	for _, w := range forced {
		warnings = append(warnings, "compared by force although: "+w)
	}
	c.Warnings = append(warnings, c.Warnings...)
	f.report.AddComparison(c, withRegression(f.verdict.ExitCode, c.Regressed))
}

// withRegression is the exit code of a run whose verdict has the given one: of 2, 6, 130, 4, 1,
// 5, 3, 0 the first that holds.
func withRegression(code int, regressed bool) int {
	if regressed && (code == analysis.ExitPass || code == analysis.ExitInconclusive) {
		return exitRegression
	}
	return code
}

func storeFlag(c *cobra.Command, store *string) {
	c.Flags().StringVar(store, "store", "baselines", "the folder that holds the baselines")
}

// baselineFor reads the baseline with which a run of the plan is to be compared, and refuses one
// of another load: before the load, not after it.
func baselineFor(plan *scenarios.Plan, store, name string, stderr io.Writer) ([]compare.Run, error) {
	runs, err := bundle.OpenBaselines(store).Runs(name)
	if err != nil {
		return nil, err
	}
	if d := compare.LoadChanges(compare.LoadOf(plan), runs[0].Load); len(d) > 0 {
		return nil, fmt.Errorf("a run of this plan could not be compared with the baseline %s: %s", name, strings.Join(d, "; "))
	}
	if len(runs) < 2 {
		complain(stderr, fmt.Sprintf("the baseline %s has %d run: no change can be called", name, len(runs)))
	}
	return runs, nil
}

// against compares the run that has just ended, from its bundle. A run that is no evidence gets
// no comparison but the reason, and then does not pass: a comparison was asked for.
func (j *judged) against(dir, name string, baseline []compare.Run) {
	f, err := readFinished(dir)
	var why []string
	if err != nil {
		why = []string{err.Error()}
	} else {
		why = f.unfit()
		for _, d := range compare.LoadChanges(f.run.Load, baseline[0].Load) {
			why = append(why, "another load: "+d)
		}
	}
	if len(why) > 0 {
		j.verdict.ExitCode = cmp.Or(j.verdict.ExitCode, analysis.ExitInconclusive)
		j.report.NotCompared(name, strings.Join(why, "; "), j.verdict.ExitCode)
		return
	}
	f.against(name, baseline, nil)
	f.verdict.ExitCode = f.report.ExitCode
	*j = f.judged
}
