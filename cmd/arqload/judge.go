package main

import (
	"github.com/spf13/cobra"

	"arqload/reports/bundle"
	"arqload/scenarios"
)

func newJudge() *cobra.Command {
	var planFile string
	var forms []string
	c := &cobra.Command{
		Use:   "judge BUNDLE",
		Short: "Judge a finished run again, offline, from its bundle",
		Example: `  arqload judge runs/20261123T091500Z-arq-baseline
  arqload judge runs/20261123T091500Z-arq-baseline --plan stricter.yaml`,
		Long: `judge reads a bundle's evidence and judges it against the objectives it was run with, or against
those of another plan. It sends nothing and changes nothing in the bundle.`,
		Args: one("BUNDLE"),
		RunE: func(c *cobra.Command, args []string) error {
			formats, err := parseFormats(forms)
			if err != nil {
				return err
			}
			var plan *scenarios.Plan
			if planFile != "" {
				plan, err = scenarios.Load(planFile, scenarios.Offline())
			} else {
				path, content, readErr := bundle.Plan(args[0])
				if readErr != nil {
					return readErr
				}
				plan, err = scenarios.Parse(path, content, nil)
			}
			if err != nil {
				return err
			}
			read := bundle.ReadTotals // the run counted its own plan's limits
			if planFile != "" {
				read = bundle.Read
			}
			record, err := read(args[0])
			if err != nil {
				return err
			}
			j := judge(record, plan.Objectives)
			if err := j.write(formats, c.OutOrStdout()); err != nil {
				return err
			}
			if j.verdict.ExitCode != 0 {
				return &exitError{code: j.verdict.ExitCode}
			}
			return nil
		},
	}
	c.Flags().StringVar(&planFile, "plan", "", "judge against this plan's objectives instead of the bundle's own")
	c.Flags().StringArrayVar(&forms, "format", []string{"text"}, "forms of the report: text, json, or NAME=FILE")
	return c
}
