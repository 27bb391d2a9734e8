package reference

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"arqload/analysis"
	"arqload/analysis/observation"
	"arqload/attack"
	"arqload/attack/collectors"
	"arqload/attack/collectors/pgstat"
	"arqload/attack/collectors/redisinfo"
	"arqload/attack/collectors/selfhealth"
	"arqload/scenarios"
)

// TestTheReportAgreesWithTheSystemsOwnCounts drives the reference through the whole tool
// and holds what the collectors and the drive say against what the reference says it did,
// while another client of PostgreSQL and Redis is at work. The load pauses at both ends
// of the judged phase, so that nothing is in progress when it is cut off.
func TestTheReportAgreesWithTheSystemsOwnCounts(t *testing.T) {
	a := serve(t, func(c *Config) { c.Faults.ErrorShare, c.Faults.Seed = 0.02, 7 })
	plan, err := scenarios.Parse("plan.yaml", fmt.Appendf(nil, `
version: 1
name: agree
system: {base_url: %q, username: %q, password: %q, postgres: %q, redis: %q}
load:
  - {scenario: auth, rate: 20/s}
  - {scenario: dialogue, rate: 60/s}
  - {scenario: message, rate: 140/s}
sessions: 10
phases:
  - {name: quiet, duration: 1500ms, at: 0%%, judged: false}
  - {name: steady, duration: 6s, steps: [0%%, 100%%, 100%%, 100%%, 100%%, 0%%]}
objectives: [error_rate < 5%%, db_query_p99 < 500ms, cache_hit_ratio > 85%%]
`, a.url, testUser, testPassword, backends.PostgresURL(), backends.RedisURL()), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	pg, err := pgstat.Open(ctx, backends.PostgresURL(), pgstat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rd, err := redisinfo.Open(ctx, backends.RedisURL(), redisinfo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	otherClient(t)

	var before Stats
	started := false
	var m observation.Memory
	err = attack.Run(ctx, plan, attack.Options{
		Recorder: &m, Collectors: []collectors.Collector{pg, rd, selfhealth.Open()},
		Sources: []observation.Source{{Collector: "pgstat", Asked: true}, {Collector: "redisinfo", Asked: true}, {Collector: "selfhealth", Asked: true}},
		Progress: func(attack.Progress) {
			if !started { // in the quiet phase, sessions made and no load yet
				started = true
				before = a.stats()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	after := a.stats()
	s := analysis.Summarize(&m.Run)

	if !s.Database.Available || !s.Database.StatementsOK {
		t.Fatalf("database: %s %s %v", s.Database.Reason, s.Database.StatementsReason, s.Database.Gaps)
	}
	counted := map[string]int64{}
	for _, st := range s.Database.Statements {
		counted[oneLine(st.Query)] += st.Calls
	}
	for name, st := range after.Statements {
		want := st.Calls - before.Statements[name].Calls
		if got := counted[oneLine(st.SQL)]; got != want {
			t.Errorf("%s: pgstat counted %d calls, the reference executed %d (all: %v)", name, got, want, counted)
		}
	}
	if n := after.Statements["insert_message"].Calls - before.Statements["insert_message"].Calls; n < 500 {
		t.Errorf("only %d messages were inserted: the test shows nothing", n)
	}
	if counted["SELECT $1::int + $2"] == 0 {
		t.Error("the other client's statement is not in the list: it was not at work")
	}
	c := s.Cache
	if hits, misses := after.Cache.Hits-before.Cache.Hits, after.Cache.Misses-before.Cache.Misses; c.Hits != hits || c.Misses != misses || hits == 0 {
		t.Errorf("redisinfo counted %d hits and %d misses, the reference had %d and %d", c.Hits, c.Misses, hits, misses)
	}
	if injected := uint64(after.Faults.Errors - before.Faults.Errors); s.Total.Errors[observation.HTTP5xx] != injected || s.Total.Failed != injected || injected == 0 {
		t.Errorf("the drive counted %v, the reference injected %d errors", s.Total.Errors, injected)
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// otherClient keeps PostgreSQL and Redis busy with work that is not the load's until the
// test ends. Of Redis it reads nothing: a read is counted in INFO whoever makes it.
func otherClient(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := pgx.Connect(ctx, backends.PostgresURL())
	if err != nil {
		t.Fatal(err)
	}
	opts, err := redis.ParseURL(backends.RedisURL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = conn.Exec(ctx, "SELECT $1::int + 41", 1)
			_ = client.Set(ctx, "other-client", "x", time.Minute).Err()
			time.Sleep(5 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = conn.Close(context.Background())
		_ = client.Close()
	})
}
