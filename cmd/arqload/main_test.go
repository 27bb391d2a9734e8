package main

import (
	"os"
	"os/signal"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
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
