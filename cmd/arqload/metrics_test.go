package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// doMetrics serves a file as a Prometheus endpoint on loopback; the word SCRAPES in it is
// the number of times that it has been asked for.
func doMetrics(ts *testscript.TestScript, _ bool, args []string) {
	usage(ts, len(args) == 2, "metrics FILE VARIABLE")
	text := ts.ReadFile(args[0])
	var scrapes atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, strings.ReplaceAll(text, "SCRAPES", fmt.Sprint(scrapes.Add(1))))
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[1], server.URL+"/metrics")
}
