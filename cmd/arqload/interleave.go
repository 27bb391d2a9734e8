package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"arqload/analysis"
	"arqload/analysis/compare"
	"arqload/reports/bundle"
	"arqload/scenarios"
)

// interleaveOptions are the flags of compare --interleave.
type interleaveOptions struct {
	out     string
	formats []string
	quiet   bool
	hosts   []string // that may be loaded
	pairs   int
	slice   time.Duration
	warmUp  time.Duration
}

// leastPairs are needed for a comparison: with two, an interval is as wide as anything.
const leastPairs = 3

// interleave drives two plans in turns, A B B A A B ..., each slice a run of its own, and compares
// the pairs: what the machine does for a while is in both of a pair, and what drifts cancels.
func interleave(ctx context.Context, files [2]string, o interleaveOptions, stdout, stderr io.Writer) error {
	formats, err := parseFormats(o.formats)
	if err != nil {
		return err
	}
	if o.pairs < leastPairs || o.slice < time.Second || o.warmUp < time.Second {
		return fmt.Errorf("--pairs %d, --slice %s, --warm-up %s: at least %d pairs of 1s and 1s of warm-up are needed", o.pairs, o.slice, o.warmUp, leastPairs)
	}
	var plans [2]*scenarios.Plan
	for i, file := range files {
		if plans[i], err = scenarios.Load(file); err != nil {
			return err
		}
		if err := allowed(plans[i], o.hosts...); err != nil {
			return err
		}
		plans[i].Phases = []scenarios.Phase{
			{Name: "warm-up", Duration: o.warmUp, From: 1, To: 1},
			{Name: "slice", Duration: o.slice, From: 1, To: 1, Judged: true},
		}
	}
	if d := compare.LoadChanges(compare.LoadOf(plans[1]), compare.LoadOf(plans[0])); len(d) > 0 {
		return fmt.Errorf("the two plans have different loads, so their numbers cannot be compared: of %s, with %s as the baseline: %s", files[1], files[0], strings.Join(d, "; "))
	}
	say := func(format string, args ...any) {
		if !o.quiet {
			fmt.Fprintf(stderr, format+"\n", args...)
		}
	}
	total := 2 * time.Duration(o.pairs) * (o.slice + o.warmUp)
	say("%d pairs of slices, %s of load in all", o.pairs, total)
	var runs [2][]compare.Run
	var warnings []string
	var last *finished
	for pair := range o.pairs {
		order := []int{0, 1}
		if pair%2 == 1 {
			slices.Reverse(order)
		}
		var both [2]*finished
		for _, side := range order {
			say("pair %d of %d: %s", pair+1, o.pairs, files[side])
			name := fmt.Sprintf("%s-%c%d", plans[side].Name, 'a'+side, pair+1)
			if both[side], err = driveSlice(ctx, plans[side], name, o, stderr); err != nil {
				return err
			}
		}
		if why := append(both[0].unfit(), both[1].unfit()...); len(why) > 0 {
			warnings = append(warnings, fmt.Sprintf("pair %d is left out: %s", pair+1, strings.Join(why, "; ")))
			continue
		}
		for side := range runs {
			runs[side] = append(runs[side], both[side].run)
		}
		last = both[1]
	}
	if len(runs[0]) < leastPairs {
		return &exitError{code: analysis.ExitInvalid, err: fmt.Errorf("%d of %d pairs are fit to be compared, at least %d are needed: %s", len(runs[0]), o.pairs, leastPairs, strings.Join(warnings, "; "))}
	}
	c := compare.Paired(files[0], runs[0], runs[1], compare.MarginsOf(plans[1]))
	c.Warnings = append(warnings, c.Warnings...)
	exit := analysis.ExitPass
	if c.Regressed {
		exit = exitRegression
	}
	last.report.AddComparison(c, exit)
	last.report.ComparisonAlone()
	if err := last.write(formats, stdout); err != nil {
		return err
	}
	if exit != analysis.ExitPass {
		return &exitError{code: exit}
	}
	return nil
}

// driveSlice runs one slice into a bundle of its own and reads it back.
func driveSlice(ctx context.Context, plan *scenarios.Plan, name string, o interleaveOptions, stderr io.Writer) (*finished, error) {
	w, err := bundle.Create(o.out, name, time.Now(), plan.YAML())
	if err != nil {
		return nil, err
	}
	if err := drive(ctx, plan, w, runOptions{quiet: o.quiet}, stderr); err != nil {
		if !w.Begun() {
			return nil, errors.Join(err, w.Discard())
		}
		complain(stderr, err.Error())
	}
	if ctx.Err() != nil {
		return nil, &exitError{code: analysis.ExitInterrupted, err: fmt.Errorf("interrupted in the slice %s: nothing is compared", w.ID())}
	}
	f, err := readFinished(w.Dir())
	if err != nil {
		return nil, &exitError{code: analysis.ExitInvalid, err: err}
	}
	return f, f.keep(w.Dir())
}
