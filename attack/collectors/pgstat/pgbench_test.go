package pgstat

import (
	"bytes"
	"fmt"
	"math"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"arqload/attack/sandbox"
)

// pgbench runs PostgreSQL's own load generator and returns how many transactions it counted
// and their mean latency in seconds.
func pgbench(t *testing.T, dsn string, args ...string) (transactions int64, latency float64) {
	t.Helper()
	program, err := sandbox.Program("pgbench")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := osexec.CommandContext(t.Context(), program, append(args, dsn)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("pgbench: %v\n%s", err, out.String())
	}
	number := func(pattern string) float64 {
		m := regexp.MustCompile(pattern).FindStringSubmatch(out.String())
		if m == nil {
			return 0
		}
		v, _ := strconv.ParseFloat(m[1], 64)
		return v
	}
	return int64(number(`actually processed: (\d+)`)), number(`latency average = ([\d.]+) ms`) / 1000
}

// TestPgbenchAgreesWithTheCollector holds the collector against a load generator that knows
// nothing of it: transactions by TPC-B within 1%, and the mean latency of a statement that
// takes a second, so that the client's own part of it stays below 1%.
func TestPgbenchAgreesWithTheCollector(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	pgbench(t, dsn, "-i", "-q", "-s", "1")
	time.Sleep(1200 * time.Millisecond) // the server publishes what that did
	script := filepath.Join(t.TempDir(), "sleep.sql")
	if err := os.WriteFile(script, []byte("select pg_sleep(1);\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := record(t, open(t, dsn))
	tpcb, _ := pgbench(t, dsn, "-n", "-c", "4", "-t", "1500")
	sleeps, latency := pgbench(t, dsn, "-n", "-c", "16", "-t", "2", "-f", script)
	_, d := r.end()
	if tpcb != 6000 || sleeps != 32 {
		t.Fatalf("pgbench made %d and %d transactions, want 6000 and 32", tpcb, sleeps)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.01*want {
			t.Errorf("%s: the collector says %g, pgbench %g: more than 1%% apart", what, got, want)
		}
		t.Logf("%s: collector %g, pgbench %g", what, got, want)
	}
	near("transactions", float64(d.Counters.Commits), float64(tpcb+sleeps))
	calls, mean := map[string]int64{}, 0.0
	for _, s := range d.Statements {
		for _, part := range []string{"INSERT INTO pgbench_history", "UPDATE pgbench_accounts", "pg_sleep"} {
			if strings.Contains(s.Query, part) {
				calls[part] += s.Calls
			}
		}
		if strings.Contains(s.Query, "pg_sleep") {
			mean = s.Mean.Seconds()
		}
	}
	if fmt.Sprint(calls) != "map[INSERT INTO pgbench_history:6000 UPDATE pgbench_accounts:6000 pg_sleep:32]" {
		t.Errorf("calls = %v, want those of pgbench", calls)
	}
	near("mean latency", mean, latency)
}
