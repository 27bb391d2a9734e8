//go:build matrix

package pgstat

import (
	"net/url"
	"testing"

	"arqload/analysis"
	"arqload/attack/sandbox"
)

// TestMatrixTheCollectorWorksThroughPgBouncer: in transaction mode no statement may be
// prepared, no setting kept, and no startup parameter be unknown to the pooler.
func TestMatrixTheCollectorWorksThroughPgBouncer(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Options{Postgres: true, PgBouncer: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := box.Stop(); err != nil {
			t.Error(err)
		}
	}()
	u, err := url.Parse(box.PgBouncerURL())
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, open(t, u.String()))
	work(t, box.PostgresURL(), 200)
	_, d := r.end()
	if len(d.Gaps) > 0 || d.Failed > 0 || d.Running.Failed > 0 {
		t.Errorf("%d samples and %d looks failed, gaps %q", d.Failed, d.Running.Failed, d.Gaps)
	}
	if len(d.Statements) != 1 || d.Statements[0].Calls != 200 {
		t.Errorf("statements = %+v, want 200 calls and nothing of ours", d.Statements)
	}
	if q := d.Query(0.99, half, false); q.Claim != analysis.ClaimProved || q.Decision != analysis.DecisionMet {
		t.Errorf("%s %s: %s; want proved", q.Claim, q.Decision, q.Reason)
	}
}
