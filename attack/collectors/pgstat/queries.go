package pgstat

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// applicationName is that of every connection of ours.
const applicationName = "arqload"

// Every query of this package reads from a common table expression named arqload. The name
// is part of the query's identity in pg_stat_statements (unlike a comment, an alias or a
// constant), so nobody else's statement shares a row with one of ours, and rows whose text
// begins with it are ours.
const mark = "with arqload as ("

// A statistics view is frozen within a transaction, so each query is its own; and
// clock_timestamp() is the present where now() would be the transaction's start.
const (
	// preflightSQL reads what decides how the counters may be read. A setting that does not
	// exist is NULL.
	preflightSQL = mark + `select e.extversion, n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
 where e.extname = 'pg_stat_statements')
select current_setting('server_version_num')::int, pg_postmaster_start_time(),
 (select extversion from arqload), (select nspname from arqload),
 current_database()::text, current_user::text, (select oid from pg_database where datname = current_database()),
 (select oid from pg_roles where rolname = current_user),
 pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
 current_setting('max_connections')::int,
 current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true), '0')::int,
 current_setting('pg_stat_statements.track', true), current_setting('pg_stat_statements.max', true),
 current_setting('pg_stat_statements.track_utility', true), current_setting('compute_query_id', true),
 current_setting('track_io_timing'), current_setting('track_activities'), current_setting('statement_timeout'),
 coalesce(has_function_privilege(to_regprocedure('pg_catalog.pg_stat_force_next_flush()'), 'execute'), false)`

	// flushSQL has the server publish what this session did once it is idle (PostgreSQL 15 and
	// later): else it may keep the count of our transactions to itself for as long as it likes.
	flushSQL = mark + `select pg_stat_force_next_flush() as flushed) select count(flushed) from arqload`

	databaseSQL = mark + `select xact_commit, xact_rollback, blks_hit, blks_read, temp_files, temp_bytes, deadlocks, conflicts, blk_read_time, blk_write_time, stats_reset
 from pg_stat_database where datname = current_database())
select clock_timestamp(), pg_postmaster_start_time(), pg_is_in_recovery(), coalesce(host(inet_server_addr()), ''), arqload.* from arqload`

	// sessionsSQL counts all databases' sessions, since they share max_connections, but takes
	// the oldest query of this one. Of a session that this role may not see, only its user and
	// database are there: it has neither type nor state. Our own count as clients alone.
	sessionsSQL = mark + `select coalesce(state, '?') as state,
  coalesce(wait_event_type, case when state = 'active' then 'CPU' else '-' end) as wait, coalesce(wait_event, '') as event,
  case when state = 'active' and datname = current_database()
   then extract(epoch from clock_timestamp() - query_start)::float8 else 0 end as age,
  coalesce(extract(epoch from clock_timestamp() - xact_start)::float8, 0) as xact,
  pid = pg_backend_pid() or application_name = '` + applicationName + `' as own
 from pg_stat_activity where backend_type = 'client backend' or backend_type is null and usesysid is not null and datid is not null)
select state, wait, event, own, count(*)::int, greatest(max(age), 0), greatest(max(xact), 0) from arqload group by 1, 2, 3, 4 order by 1, 2, 3, 4`

	// replicasSQL reads what the primary knows of its replicas; on a replica there is no
	// position of its own to compare with.
	replicasSQL = mark + `select application_name, state, sync_state,
  case when pg_is_in_recovery() then null else pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::int8 end as behind
 from pg_stat_replication)
select coalesce(application_name, ''), coalesce(state, '?'), coalesce(sync_state, '?'), behind from arqload`

	// tablesSQL takes the largest by the planner's count of pages, since the true size makes
	// the server look at each file.
	tablesSQL = mark + `select s.* from pg_stat_user_tables s join pg_class c on c.oid = s.relid order by c.relpages desc, s.n_live_tup desc limit 50)
select schemaname || '.' || relname, coalesce(pg_total_relation_size(relid), 0), coalesce(n_live_tup, 0), coalesce(n_dead_tup, 0),
 coalesce(n_tup_ins, 0), coalesce(n_tup_upd, 0), coalesce(n_tup_del, 0), coalesce(seq_scan, 0), coalesce(idx_scan, 0), coalesce(autovacuum_count, 0)
 from arqload order by 2 desc`
)

// layout is what one version of pg_stat_statements has.
type layout struct {
	minor  int // 10 for extension version 1.10
	schema string
}

// oldest is the first supported minor version of the extension.
const oldest = 4

// newLayout reads pg_extension.extversion. Columns follow it and not the server's version:
// an upgraded server keeps the old extension until ALTER EXTENSION ... UPDATE.
func newLayout(version, schema string) (layout, error) {
	major, minor, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(minor)
	if major != "1" || err != nil {
		return layout{}, fmt.Errorf("pg_stat_statements has the unknown version %q; 1.%d to 1.12 are supported", version, oldest)
	}
	if n < oldest {
		return layout{}, fmt.Errorf("pg_stat_statements %s is too old; run ALTER EXTENSION pg_stat_statements UPDATE (1.%d or later)", version, oldest)
	}
	return layout{n, schema}, nil
}

// qualified names an object of the extension, which may be installed in any schema.
func (l layout) qualified(name string) string { return pgx.Identifier{l.schema, name}.Sanitize() }

// hasInfo says whether evictions and resets can be seen.
func (l layout) hasInfo() bool { return l.minor >= 9 }

func (l layout) infoSQL() string {
	return mark + "select dealloc, stats_reset from " + l.qualified("pg_stat_statements_info") + ") select * from arqload"
}

// statementsSQL reads this database's rows without their texts, which would have the
// server load its whole file of texts each time. Counters of one row are of one instant.
// A row without queryid is one that this role may not see.
func (l layout) statementsSQL() string {
	times := "total_exec_time, min_exec_time, max_exec_time, mean_exec_time, stddev_exec_time"
	wal, plans, plan := "wal_bytes::int8", "plans", "total_plan_time"
	if l.minor < 8 {
		times = "total_time, min_time, max_time, mean_time, stddev_time"
		wal, plans, plan = "0::int8", "0::int8", "0::float8"
	}
	read, write := "blk_read_time", "blk_write_time"
	since, minmax, where := "null::int8", "null::int8", ""
	if l.minor >= 9 {
		where = " and toplevel" // a nested statement's time is in its caller's too
	}
	if l.minor >= 11 {
		since = "(extract(epoch from stats_since) * 1000000)::int8"
		minmax = "(extract(epoch from minmax_stats_since) * 1000000)::int8"
		read, write = "shared_blk_read_time", "shared_blk_write_time"
	}
	return mark + `select userid, queryid, calls, ` + times + `,
  rows, shared_blks_hit, shared_blks_read, shared_blks_written, temp_blks_read + temp_blks_written as temp, ` + wal + ` as wal,
  ` + read + ` as read, ` + write + ` as written, ` + plans + ` as plans, ` + plan + ` as plan, ` + since + ` as since, ` + minmax + ` as minmax
 from ` + l.qualified("pg_stat_statements") + `(false)
 where dbid = (select oid from pg_database where datname = current_database())` + where + `)
select * from arqload`
}

// textsSQL reads the texts of this database's rows.
func (l layout) textsSQL() string {
	return mark + `select userid, queryid, query from ` + l.qualified("pg_stat_statements") + `(true)
 where queryid is not null and query is not null and dbid = (select oid from pg_database where datname = current_database()))
select * from arqload`
}
