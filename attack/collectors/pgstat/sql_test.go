package pgstat

import (
	"testing"

	"arqload/reports"
)

// TestTheSQLOfTheReportWorksOnThisServer runs what the report offers to look by hand, with
// the oldest extension that this server has and with its newest.
func TestTheSQLOfTheReportWorksOnThisServer(t *testing.T) {
	for _, version := range []string{"1.4", ""} {
		dsn := scratch(t, version)
		conn := client(t, dsn)
		exec(t, conn, "set search_path = stats, public")
		sql := reports.SQLFor(sample(t, open(t, dsn), first).Extension)
		for _, q := range []string{sql.SlowStatements, sql.TableSizes, sql.Sessions} {
			exec(t, conn, q)
		}
	}
}
