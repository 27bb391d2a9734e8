package reports_test

import (
	"bytes"
	"testing"

	"arqload/reports"
)

func text(t *testing.T, r *reports.Report, o reports.TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	must(t, r.WriteText(&b, o))
	return b.String()
}

func TestTheReportReadsAsItDid(t *testing.T) {
	r := report(record(t), demands(t))
	golden(t, "report-100.txt", text(t, r, reports.TextOptions{}))
	golden(t, "report-80.txt", text(t, r, reports.TextOptions{Width: 80}))
}
