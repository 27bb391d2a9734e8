// Command arqload drives ARQ's API, watches PostgreSQL and Redis from inside, judges what
// it saw against objectives and says whether the numbers can be believed.
//
// Report and machine output go to stdout and files, progress and errors to stderr.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"arqload/analysis"
	"arqload/attack"
	"arqload/reports"
)

// The exit codes that leave no verdict; the others are the verdict's own.
const (
	exitUsage      = 2
	exitUnprepared = 6
)

// version is set by the build (-ldflags "-X main.version=..."); else the module's own.
var version string

func main() { os.Exit(Main()) }

// Main runs the command line and returns the exit code. A first Ctrl-C stops what runs in
// good order: requests in flight get a moment, the bundle and the report are written. More
// of them change nothing, so that nothing is left behind.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// exitError carries an exit code to the end; err may be nil where all is said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := exitUsage
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		code = exit.code
		if exit.err == nil {
			return code
		}
	case attack.IsUnprepared(err):
		code = exitUnprepared
	case ctx.Err() != nil:
		code = analysis.ExitInterrupted
	}
	complain(stderr, err.Error())
	return code
}

// complain tells a person what is wrong. The words may be a server's own: nothing of them
// may command the terminal.
func complain(stderr io.Writer, what string) {
	fmt.Fprintln(stderr, "arqload:", reports.Printable(what))
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "arqload",
		Short:         "Says with evidence whether ARQ meets its targets under load",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       toolVersion(),
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		Long: `arqload drives ARQ's API, watches PostgreSQL and Redis from inside while it does, judges every
response against the plan's objectives, and says whether the numbers can be believed.

Exit codes: 0 pass, 1 fail, 2 bad usage or plan, 3 inconclusive, 4 invalid run, 6 the system could
not be reached or prepared, 130 interrupted.`,
	}
	root.SetVersionTemplate("arqload {{.Version}}\n")
	root.AddCommand(newDemo(), newRun(), newGate(), newJudge(), newValidate(), newReference())
	return root
}

// one demands exactly one argument and says which.
func one(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes one %s, not %d: write arqload %s, see arqload %s --help", c.Name(), name, len(args), c.Use, c.Name())
		}
		return nil
	}
}

// toolVersion is what stands in reports.
func toolVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
