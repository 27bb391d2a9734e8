package pgstat

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"arqload/analysis"
	"arqload/analysis/observation"
	"arqload/attack/collectors"
)

// recording drives a collector as a run does, a sample a second, with one judged phase that
// begins with the recording, and puts the record together.
type recording struct {
	t       *testing.T
	run     *observation.Run
	sampler *collectors.Sampler
	epoch   time.Time
	mu      sync.Mutex
}

// record starts it; c is closed by its end.
func record(t *testing.T, c *Collector) *recording {
	t.Helper()
	r := &recording{t: t, run: &observation.Run{Footer: &observation.Footer{}}, epoch: time.Now().Add(200 * time.Millisecond)}
	r.sampler = collectors.NewSampler([]collectors.Collector{c}, r.now, func(s observation.Sample) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.run.Samples = append(r.run.Samples, s)
	})
	// Every whole second may become the end of the phase: the statements are read at each.
	edges := []collectors.Edge{{At: 0, Name: "start"}}
	for s := range time.Duration(60) {
		edges = append(edges, collectors.Edge{At: (s + 1) * time.Second, Name: "second"})
	}
	r.sampler.Start(context.Background(), edges)
	time.Sleep(time.Until(r.epoch) + 150*time.Millisecond) // the first edge is read
	return r
}

func (r *recording) now() time.Duration { return time.Since(r.epoch) }

// end closes the judged phase at the next second that has a sample of its own, waits as a
// run does, and returns the record and what it says.
func (r *recording) end() (*observation.Run, analysis.Database) {
	r.t.Helper()
	end := r.now().Truncate(time.Second) + time.Second
	r.run.Header.Phases = []observation.Phase{{Name: "all", Judged: true, End: observation.Seconds(end)}}
	time.Sleep(end - r.now())
	time.Sleep(collectors.Settle)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r.sampler.Finish(ctx)
	return r.run, analysis.SummarizeDatabase(r.run)
}

// crowd runs f on each of many connections at a time.
func crowd(t *testing.T, dsn string, n int, f func(i int, conn *pgx.Conn) error) {
	t.Helper()
	conns := make([]*pgx.Conn, n)
	for i := range conns {
		conns[i] = client(t, dsn)
	}
	errs := make(chan error, n)
	var wg sync.WaitGroup
	for i, conn := range conns {
		wg.Go(func() {
			if err := f(i, conn); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
}

// sleeps calls pg_sleep with each time in turn; wrong calls fail the test.
func sleeps(conn *pgx.Conn, seconds ...float64) error {
	for _, s := range seconds {
		if _, err := conn.Exec(context.Background(), "select pg_sleep($1)", s); err != nil {
			return fmt.Errorf("pg_sleep(%g): %w", s, err)
		}
	}
	return nil
}

func decode(t *testing.T, run *observation.Run) []observation.Postgres {
	t.Helper()
	var all []observation.Postgres
	for _, s := range run.Samples {
		if s.Error != "" {
			continue
		}
		var p observation.Postgres
		if err := json.Unmarshal(s.Data, &p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}
