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

// within1 says whether two values are less than 1% apart.
func within1(t *testing.T, what string, got, want float64) bool {
	t.Helper()
	t.Logf("%s: collector %g, pgbench %g", what, got, want)
	return math.Abs(got-want) <= 0.01*want
}

// TestPgbenchCountsTheSameTransactions holds the collector against a load generator that
// knows nothing of it: 6,000 transactions of TPC-B.
func TestPgbenchCountsTheSameTransactions(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	pgbench(t, dsn, "-i", "-q", "-s", "1")
	time.Sleep(1200 * time.Millisecond) // the server publishes what that did
	r := record(t, open(t, dsn))
	n, _ := pgbench(t, dsn, "-n", "-c", "4", "-t", "1500")
	_, d := r.end()
	if n != 6000 || !within1(t, "transactions", float64(d.Counters.Commits), float64(n)) {
		t.Errorf("the collector counts %d commits, pgbench made %d of 6000 transactions", d.Counters.Commits, n)
	}
	calls := map[string]int64{}
	for _, s := range d.Statements {
		for _, part := range []string{"INSERT INTO pgbench_history", "UPDATE pgbench_accounts"} {
			if strings.Contains(s.Query, part) {
				calls[part] += s.Calls
			}
		}
	}
	if fmt.Sprint(calls) != "map[INSERT INTO pgbench_history:6000 UPDATE pgbench_accounts:6000]" {
		t.Errorf("calls = %v, want those of pgbench", calls)
	}
}

// TestPgbenchMeasuresTheSameLatency: of a statement that takes a second, so that the
// client's own part of it is below 1%. On a busy machine that part grows: it may try thrice.
func TestPgbenchMeasuresTheSameLatency(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	script := filepath.Join(t.TempDir(), "sleep.sql")
	if err := os.WriteFile(script, []byte("select pg_sleep(1);\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r := record(t, open(t, dsn))
		n, latency := pgbench(t, dsn, "-n", "-c", "4", "-t", "2", "-f", script)
		_, d := r.end()
		if n != 8 || len(d.Statements) == 0 || d.Statements[0].Calls != 8 {
			t.Fatalf("pgbench made %d calls, the collector counts %+v; want 8", n, d.Statements)
		}
		if within1(t, "mean latency", d.Statements[0].Mean.Seconds(), latency) {
			return
		}
	}
	t.Error("the mean latency was more than 1% apart three times")
}

// TestTheCollectorsOwnTransactionsAreTakenOut: at 20 transactions a second they would be
// more than half of all. What is published a second late may be off by that second's.
func TestTheCollectorsOwnTransactionsAreTakenOut(t *testing.T) {
	t.Parallel()
	dsn := scratch(t, "")
	app := client(t, dsn)
	exec(t, app, "create table t (i int)")
	time.Sleep(1200 * time.Millisecond)
	r := record(t, open(t, dsn))
	for range 100 {
		exec(t, app, "insert into t values (1)")
		time.Sleep(50 * time.Millisecond)
	}
	_, d := r.end()
	if c := d.Counters; c.Own != 0 || c.Commits < 75 || c.Commits > 125 {
		t.Errorf("%d commits (%d perhaps our own), want 100 but for a second's of ours", c.Commits, c.Own)
	}
	t.Logf("%d commits counted, 100 made, beside %d queries of the collector", d.Counters.Commits, d.Cost.Queries)
}
