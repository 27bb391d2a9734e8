package reports_test

import (
	"strings"
	"testing"

	"arqload/reports"
)

// In the narrow column of a terminal of 80 columns a name is broken behind one of its parts,
// and a comparison is not parted from its limit.
func TestObjectivesAreBrokenWhereTheyCanBeRead(t *testing.T) {
	out := text(t, report(record(t), objectives(t, "throughput >= 100000.00/s", "db.connections.idle_in_transaction <= 20", "db.connections.used_share < 80%",
		"conversation/message.p95 < 1500ms", `metric("pool_in_use"){pool="main"} == 40`)), reports.TextOptions{Width: 80})
	_, out, _ = strings.Cut(out, "\nObjectives")
	out, _, _ = strings.Cut(out, "\n\n")
	var column []string
	for _, line := range strings.Split(out, "\n")[2:] {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "  "), "  ")
		column = append(column, first)
	}
	all := strings.Join(column, "\n")
	for _, want := range []string{"throughput\n>= 100000.00/s\n", "db.connections.idle_in_\ntransaction <= 20\n", "db.connections.used_\nshare < 80%\n", "conversation/message.\np95 < 1500ms\n", "metric(\"pool_in_use\"){\npool=\"main\"} == 40"} {
		if !strings.Contains(all, want) {
			t.Errorf("the objectives' column does not have %q:\n%s", want, all)
		}
	}
}

func TestWrappedKeepsLabelsApart(t *testing.T) {
	for text, want := range map[string]string{
		"short  as it is\n":                          "short  as it is\n",
		"  auth     100 arrivals/s, 6550 requests\n": "  auth     100\n           arrivals/s,\n           6550 requests\n",
		"  p99 < 2s: can be proved: it takes 299\n":  "  p99 < 2s: can be\n      proved: it takes\n      299\n",
		"the last: no newline, and too long":         "the last: no\n    newline, and too\n    long\n",
	} {
		if got := reports.Wrapped(text, 24); got != want {
			t.Errorf("%q becomes\n%s\nnot\n%s", text, got, want)
		}
	}
}
