package pgstat

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// catalog says which columns the statistics views of this server have: they follow the
// server's version, but also forks and managed servers, so they are looked up.
type catalog map[string]map[string]bool

// readCatalog looks up the columns of the views that differ between versions.
func (c *Collector) readCatalog(ctx context.Context) (catalog, error) {
	views := catalog{}
	err := c.main.query(ctx, queryWithin, catalogSQL, func(r pgx.Rows) error {
		var view, column string
		if err := r.Scan(&view, &column); err != nil {
			return err
		}
		if views[view] == nil {
			views[view] = map[string]bool{}
		}
		views[view][column] = true
		return nil
	})
	return views, err
}

// has reports whether a view is there with all of these columns.
func (v catalog) has(view string, columns ...string) bool {
	for _, c := range columns {
		if !v[view][c] {
			return false
		}
	}
	return v[view] != nil
}

// column is the column, or what stands in for it where the view lacks it.
func (v catalog) column(view, column, otherwise string) string {
	if v.has(view, column) {
		return column
	}
	return otherwise
}

const catalogSQL = mark + `select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
 where c.relnamespace = 'pg_catalog'::regnamespace and a.attnum > 0 and c.relname in
 ('pg_stat_activity', 'pg_locks', 'pg_stat_bgwriter', 'pg_stat_checkpointer', 'pg_stat_wal', 'pg_stat_io'))
select relname::text, attname::text from arqload`

// locksSQL counts the locks that are waited for. waitstart is null for a moment after the
// wait began.
func (v catalog) locksSQL() string {
	return mark + `select locktype, mode, ` + v.column("pg_locks", "waitstart", "null::timestamptz") + ` as began from pg_locks where not granted)
select coalesce(locktype, '?'), coalesce(mode, '?'), count(*)::int,
 greatest(coalesce(max(extract(epoch from clock_timestamp() - began)), 0), 0)::float8 from arqload group by 1, 2 order by 1, 2`
}

// checkpointsSQL is empty where neither view has the columns.
func (v catalog) checkpointsSQL() string {
	switch {
	case v.has("pg_stat_checkpointer", "num_timed", "num_requested"):
		return mark + `select num_timed, num_requested, write_time, sync_time, buffers_written, stats_reset from pg_stat_checkpointer)
select * from arqload`
	case v.has("pg_stat_bgwriter", "checkpoints_timed"):
		return mark + `select checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time, buffers_checkpoint, stats_reset from pg_stat_bgwriter)
select * from arqload`
	}
	return ""
}

func (v catalog) walSQL() string {
	if !v.has("pg_stat_wal", "wal_records", "wal_bytes") {
		return ""
	}
	return mark + `select wal_records, wal_fpi, wal_bytes::int8, wal_buffers_full, stats_reset from pg_stat_wal)
select * from arqload`
}

func (v catalog) ioSQL() string {
	if !v.has("pg_stat_io", "reads", "object") {
		return ""
	}
	sum := func(c string) string { return "coalesce(sum(" + c + "), 0)" }
	return mark + `select * from pg_stat_io where object = 'relation')
select ` + strings.Join([]string{sum("reads") + "::int8", sum("writes") + "::int8", sum("extends") + "::int8", sum("fsyncs") + "::int8", sum("evictions") + "::int8",
		sum("read_time") + "::float8", sum("write_time") + "::float8", sum("fsync_time") + "::float8", "max(stats_reset)"}, ", ") + ` from arqload`
}

// activitySQL looks at the statements that run now in this database, without our own, as
// one row of arrays. statement_timestamp() is before the look and clock_timestamp(), in the
// row that is made from it, after it: the ages are lower bounds. The last column is how far
// the primary's WAL is flushed, where asked for.
func (v catalog) activitySQL(lsn bool) string {
	position := "null::int8"
	if lsn {
		position = "case when pg_is_in_recovery() then null else pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::int8 end"
	}
	return mark + `select pid, query_start, ` + v.column("pg_stat_activity", "query_id", "null::int8") + ` as query,
  coalesce(wait_event_type || '/' || wait_event, '') as wait
 from pg_stat_activity where state = 'active' and backend_type = 'client backend' and pid <> pg_backend_pid()
  and datname = current_database() and application_name <> '` + applicationName + `' and query_start is not null)
select (extract(epoch from statement_timestamp()) * 1000000)::int8,
 coalesce(array_agg(pid), '{}'), coalesce(array_agg((extract(epoch from query_start) * 1000000)::int8), '{}'),
 coalesce(array_agg(coalesce(query, 0)), '{}'), coalesce(array_agg(wait), '{}'),
 (extract(epoch from clock_timestamp()) * 1000000)::int8, ` + position + ` from arqload`
}
