package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"arqload/attack/sandbox"
	"arqload/scenarios"
)

func newDemo() *cobra.Command {
	o := runOptions{}
	var duration, warmup time.Duration
	c := &cobra.Command{
		Use:   "demo",
		Short: "Do everything on this machine: PostgreSQL, Redis, the reference ARQ, the UAT plan, the report",
		Long: `demo starts a private PostgreSQL and Redis in a temporary folder and the reference ARQ over them, each as
a process of its own on a free loopback port, drives the UAT plan against it (1,100 requests a second), prints
the report and takes everything away again. The servers and the load share this machine's CPU: the figures
show how arqload works, not how fast ARQ is.`,
		Example: "  arqload demo --duration 30s --out runs",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return demo(c.Context(), o, duration, warmup, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	o.flags(c)
	c.Flags().DurationVar(&duration, "duration", 30*time.Second, "length of the judged phase")
	c.Flags().DurationVar(&warmup, "warm-up", 10*time.Second, "length of the warm-up")
	return c
}

func demo(ctx context.Context, o runOptions, duration, warmup time.Duration, stdout, stderr io.Writer) error {
	if _, err := parseFormats(o.formats); err != nil {
		return err
	}
	if duration < time.Second || warmup < time.Second {
		return fmt.Errorf("--duration %s, --warm-up %s: both must be at least 1s", duration, warmup)
	}
	say := func(format string, args ...any) {
		if !o.quiet {
			fmt.Fprintf(stderr, format+"\n", args...)
		}
	}
	say("starting a private PostgreSQL and Redis")
	box, err := sandbox.Start(ctx, sandbox.Options{})
	if err != nil {
		return unprepared(ctx, err)
	}
	defer func() {
		// It says nothing about the run, so it must not change its exit code.
		if err := box.Stop(); err != nil {
			complain(stderr, err.Error())
		}
	}()
	env := map[string]string{
		envPostgres: box.PostgresURL(), envRedis: box.RedisURL(), envUsername: "uat", envPassword: rand.Text(),
	}
	say("starting the reference ARQ")
	base, stop, err := startReference(ctx, env)
	if err != nil {
		return unprepared(ctx, err)
	}
	defer stop()
	env[envBaseURL] = base
	plan, err := demoPlan(env, duration, warmup)
	if err != nil {
		return err
	}
	return run(ctx, plan, o, stdout, stderr)
}

// unprepared carries exit code 6: what the demo drives could not be started.
func unprepared(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return &exitError{code: exitUnprepared, err: err}
}

// demoPlan is the built-in UAT plan at the demo's lengths; the host under test is this one.
func demoPlan(env map[string]string, duration, warmup time.Duration) (*scenarios.Plan, error) {
	plan, err := scenarios.Parse("the built-in UAT plan", scenarios.UAT(), func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	})
	if err != nil {
		return nil, err
	}
	plan.System.Hosts = []string{scenarios.LocalHost}
	for i := range plan.Phases {
		plan.Phases[i].Duration = warmup
		if plan.Phases[i].Judged {
			plan.Phases[i].Duration = duration
		}
	}
	return plan, nil
}

// startReference starts this program's reference command as a process of its own and
// returns its base URL. stop ends it; it also ends by itself when this process does.
func startReference(ctx context.Context, env map[string]string) (base string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self, "reference", "--listen", "127.0.0.1:0", "--exit-with-stdin")
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	detach(cmd) // a terminal's Ctrl-C is for us: the reference must outlive the last answer
	var said bytes.Buffer
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("starting the reference ARQ: %w", err)
	}
	stop = func() {
		_ = stdin.Close()
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait()
	}
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		first <- strings.TrimSpace(line)
	}()
	select {
	case base = <-first:
		if base == "" {
			stop()
			return "", nil, fmt.Errorf("the reference ARQ did not start: %s", strings.TrimSpace(said.String()))
		}
		return base, stop, nil
	case <-ctx.Done():
		stop()
		return "", nil, context.Cause(ctx)
	}
}
