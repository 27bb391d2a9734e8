package main

import (
	"context"
	"net/http/httptest"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/pflag"

	"arqload/attack/attacktest"
)

// TestMain makes the test binary the real command when a script runs it: exit codes,
// stdout, stderr and files are those of a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"arqload": func() {
			// A background job of a shell script may have been given SIGINT ignored.
			signal.Reset(os.Interrupt)
			os.Exit(Main())
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ARQ_USERNAME", "uat")
			e.Setenv("ARQ_PASSWORD", "planted-password")
			e.Setenv("NO_COLOR", "1")
			e.Values[systems{}] = map[string]*attacktest.System{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"system":    cmdSystem,
			"received":  cmdReceived,
			"refused":   cmdRefused,
			"waitfor":   cmdWaitFor,
			"interrupt": cmdSignal(syscall.SIGINT),
			"murder":    cmdSignal(syscall.SIGKILL),
			"nosecret":  cmdNoSecret,
			"accounted": cmdAccounted,
		},
	})
}

type systems struct{}

// cmdSystem starts a scripted system over loopback and sets ARQ_BASE_URL:
//
//	system [--error-every N] [--latency D] [--status N] [--echo] [--answer JSON]
func cmdSystem(ts *testscript.TestScript, neg bool, args []string) {
	var s attacktest.Script
	answer := ""
	f := pflag.NewFlagSet("system", pflag.ContinueOnError)
	f.Uint64Var(&s.ErrorEvery, "error-every", 0, "")
	f.DurationVar(&s.Latency, "latency", 0, "")
	f.IntVar(&s.Status, "status", 0, "")
	f.BoolVar(&s.Echo, "echo", false, "")
	f.StringVar(&answer, "answer", "", "")
	ts.Check(f.Parse(args))
	if answer != "" {
		s.Answer = func(string) string { return answer }
	}
	system := attacktest.New(s)
	server := httptest.NewServer(system)
	ts.Defer(server.Close)
	ts.Setenv("ARQ_BASE_URL", server.URL)
	ts.Value(systems{}).(map[string]*attacktest.System)["system"] = system
}

// cmdReceived checks how many requests the system received.
func cmdReceived(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.ParseUint(args[0], 10, 64)
	ts.Check(err)
	got := ts.Value(systems{}).(map[string]*attacktest.System)["system"].Requests.Load()
	if (got == want) == neg {
		ts.Fatalf("the system received %d requests", got)
	}
}

// cmdRefused sets ARQ_BASE_URL to an address at which nobody listens.
func cmdRefused(ts *testscript.TestScript, neg bool, args []string) {
	s := httptest.NewServer(nil)
	ts.Setenv("ARQ_BASE_URL", s.URL)
	s.Close()
}

// cmdWaitFor waits until the system has received a number of requests.
func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.ParseUint(args[0], 10, 64)
	ts.Check(err)
	system := ts.Value(systems{}).(map[string]*attacktest.System)["system"]
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for system.Requests.Load() < want {
		if ctx.Err() != nil {
			ts.Fatalf("after 30s the system has received %d requests", system.Requests.Load())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// cmdSignal signals the script's background command.
func cmdSignal(sig os.Signal) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		jobs := ts.BackgroundCmds()
		if len(jobs) == 0 {
			ts.Fatalf("no background command")
		}
		for _, j := range jobs {
			ts.Check(j.Process.Signal(sig))
		}
	}
}
