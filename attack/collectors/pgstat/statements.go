package pgstat

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"arqload/analysis/observation"
)

// reading is one look at pg_stat_statements that is not yet in a sample.
type reading struct {
	rows map[observation.StatementKey]observation.Statement
	at   time.Time
}

// learn finds out whether the statements can be read, and which rows are our own: each of
// our queries is run once and then looked for by its text, whose beginning nobody else's
// row can have. The texts' own query leaves its row only after its first run.
func (c *Collector) learn(ctx context.Context) error {
	c.statementsErr = nil
	if c.facts.extension == "" {
		what := "run CREATE EXTENSION pg_stat_statements there"
		if _, loaded := c.facts.settings["pg_stat_statements.max"]; !loaded {
			what = "set shared_preload_libraries = 'pg_stat_statements', restart the server, and " + what
		}
		c.statementsErr = fmt.Errorf("pg_stat_statements is not installed in database %q: %s", c.facts.database, what)
		return nil
	}
	if c.layout, c.statementsErr = newLayout(c.facts.extension, c.facts.schema); c.statementsErr != nil {
		return nil
	}
	if len(c.own) > 0 && c.server.Equal(c.facts.postmaster) {
		return nil // a new connection to the same server
	}
	err := c.probe(ctx)
	switch code(err) {
	case notInReadyState, undefinedTable, undefinedFunction, insufficientRights:
		c.statementsErr = err
		return nil
	}
	c.server = c.facts.postmaster
	return err
}

// probe runs each query once, then looks for them.
func (c *Collector) probe(ctx context.Context) error {
	var scratch observation.Postgres
	if err := c.sessions(ctx, &scratch); err != nil {
		return err
	}
	if err := c.database(ctx, &scratch); err != nil {
		return err
	}
	if c.facts.flush {
		_ = c.main.flush(ctx) // see read
	}
	c.locks(ctx, &scratch)
	c.background(ctx, &scratch)
	c.tables(ctx, &scratch)
	if err := c.main.query(ctx, queryWithin, c.pollSQL, func(pgx.Rows) error { return nil }); err != nil {
		return err
	}
	if _, err := c.statements(ctx, &scratch); err != nil {
		return err
	}
	for range 2 {
		err := c.eachText(ctx, func(user uint32, query int64, text string) {
			if user == c.facts.user && strings.HasPrefix(text, mark) {
				c.own[ownKey{user, query}] = true
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// statements reads all rows. It does not touch what the next reading is compared with;
// commit does, once the whole sample is there.
func (c *Collector) statements(ctx context.Context, s *observation.Postgres) (*reading, error) {
	if c.statementsErr != nil {
		return nil, c.statementsErr
	}
	// A reset in the middle would mix two lives in one reading: read again.
	for range 3 {
		resetBefore, err := c.info(ctx, &s.Dealloc)
		if err != nil {
			return nil, err
		}
		r := &reading{rows: map[observation.StatementKey]observation.Statement{}, at: time.Now()}
		s.Hidden, s.Own.InDatabase = 0, 0
		if err := c.main.query(ctx, queryWithin, c.layout.statementsSQL(), func(row pgx.Rows) error { return c.scan(row, s, r) }); err != nil {
			return nil, err
		}
		if s.StatsReset, err = c.info(ctx, &s.DeallocAfter); err != nil {
			return nil, err
		}
		if s.StatsReset.Equal(resetBefore) {
			return r, nil
		}
	}
	return nil, fmt.Errorf("pg_stat_statements was reset three times while it was read")
}

// info reads when the statistics were last reset and how often rows were evicted.
func (c *Collector) info(ctx context.Context, dealloc *int64) (reset time.Time, err error) {
	if !c.layout.hasInfo() {
		return time.Time{}, nil
	}
	err = c.main.query(ctx, queryWithin, c.layout.infoSQL(), func(r pgx.Rows) error { return r.Scan(dealloc, &reset) })
	return reset, err
}

func (c *Collector) scan(row pgx.Rows, s *observation.Postgres, r *reading) error {
	var query, since, minmax *int64
	st := observation.Statement{StatementKey: observation.StatementKey{DBID: c.facts.dbid, TopLevel: true}}
	err := row.Scan(&st.UserID, &query, &st.Calls, &st.Total, &st.Min, &st.Max, &st.Mean, &st.Stddev,
		&st.Rows, &st.BlocksHit, &st.BlocksRead, &st.BlocksWritten, &st.TempBlocks, &st.WALBytes,
		&st.ReadTime, &st.WriteTime, &st.Plans, &st.PlanTime, &since, &minmax)
	if err != nil {
		return err
	}
	if query == nil {
		s.Hidden++
		return nil
	}
	for _, ms := range []*float64{&st.Total, &st.Min, &st.Max, &st.Mean, &st.Stddev, &st.ReadTime, &st.WriteTime, &st.PlanTime} {
		*ms /= 1000 // milliseconds
	}
	if c.own[ownKey{st.UserID, *query}] {
		s.Own.InDatabase += seconds(st.Total + st.PlanTime)
		return nil
	}
	st.QueryID = *query
	if since != nil && minmax != nil {
		st.Since, st.MinMaxSince = time.UnixMicro(*since).UTC(), time.UnixMicro(*minmax).UTC()
	}
	if other, ok := r.rows[st.StatementKey]; ok {
		st = merge(other, st)
	}
	r.rows[st.StatementKey] = st
	return nil
}

// merge adds up two rows of one key: extension 1.8 on a newer server shows a statement's
// top-level and nested calls as two rows that nothing tells apart. The deviation is that of
// the union: the sum of both squared deviations from their means, plus that of the means
// (Chan, Golub and LeVeque).
func merge(a, b observation.Statement) observation.Statement {
	n, na, nb := float64(a.Calls+b.Calls), float64(a.Calls), float64(b.Calls)
	if n > 0 {
		d := b.Mean - a.Mean
		m2 := a.Stddev*a.Stddev*na + b.Stddev*b.Stddev*nb + d*d*na*nb/n
		a.Mean, a.Stddev = a.Mean+d*nb/n, math.Sqrt(m2/n)
	}
	a.Calls, a.Total, a.Rows = a.Calls+b.Calls, a.Total+b.Total, a.Rows+b.Rows
	a.Min, a.Max = min(a.Min, b.Min), max(a.Max, b.Max)
	a.BlocksHit, a.BlocksRead = a.BlocksHit+b.BlocksHit, a.BlocksRead+b.BlocksRead
	a.TempBlocks, a.WALBytes = a.TempBlocks+b.TempBlocks, a.WALBytes+b.WALBytes
	a.BlocksWritten, a.ReadTime, a.WriteTime = a.BlocksWritten+b.BlocksWritten, a.ReadTime+b.ReadTime, a.WriteTime+b.WriteTime
	a.Plans, a.PlanTime = a.Plans+b.Plans, a.PlanTime+b.PlanTime
	return a
}

// commit puts into s what changed since the last reading, and makes r the last one.
func (c *Collector) commit(r *reading, s *observation.Postgres) {
	for key, now := range r.rows {
		if before, ok := c.rows[key]; !ok || before != now {
			s.Statements = append(s.Statements, now)
			if c.reading > 0 {
				c.changed[key.QueryID] = true
			}
		}
	}
	for key := range c.rows {
		if _, ok := r.rows[key]; !ok {
			s.Vanished = append(s.Vanished, key)
		}
	}
	c.rows, c.readAt = r.rows, r.at
	c.reading++
	s.StatementsRead, s.Reading = true, c.reading
}

// texts reads the texts of the statements that were called since the first reading.
func (c *Collector) texts(ctx context.Context) (map[string]string, error) {
	texts := map[string]string{}
	err := c.eachText(ctx, func(_ uint32, query int64, text string) {
		if c.changed[query] {
			texts[strconv.FormatInt(query, 10)] = redact(text)
		}
	})
	return texts, err
}

func (c *Collector) eachText(ctx context.Context, each func(user uint32, query int64, text string)) error {
	return c.main.query(ctx, textsWithin, c.layout.textsSQL(), func(r pgx.Rows) error {
		var user uint32
		var query int64
		var text string
		if err := r.Scan(&user, &query, &text); err != nil {
			return err
		}
		each(user, query, text)
		return nil
	})
}

func seconds(s float64) observation.Seconds {
	return observation.Seconds(math.Round(s * 1e9))
}
