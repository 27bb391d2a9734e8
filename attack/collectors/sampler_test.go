package collectors

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"arqload/analysis/observation"

	"github.com/google/go-cmp/cmp"
)

// fake is a collector with a script: what happens at each sample.
type fake struct {
	name   string
	sample func(ctx context.Context, at Tick) (any, error)
	closed bool
}

func (f *fake) Name() string { return f.name }
func (f *fake) Sample(ctx context.Context, at Tick) (any, error) {
	return f.sample(ctx, at)
}
func (f *fake) Close(context.Context) error { f.closed = true; return nil }

func answers(ctx context.Context, at Tick) (any, error) { return at.Seq, nil }

// hold sleeps, or returns the context's error where that comes first.
func hold(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// seen is what a test compares of a sample.
type seen struct {
	At, Took time.Duration
	Edge     string
	Failed   bool
}

// record runs a sampler over a script in virtual time: the epoch is 2.3 s after Start,
// Finish comes at an offset from the epoch and has 3 s. It returns each collector's samples.
func record(t *testing.T, cs []Collector, edges []Edge, finish time.Duration) map[string][]seen {
	t.Helper()
	got := map[string][]seen{}
	synctest.Test(t, func(t *testing.T) {
		epoch := time.Now().Add(2300 * time.Millisecond)
		var mu sync.Mutex
		s := NewSampler(cs, func() time.Duration { return time.Since(epoch) }, func(o observation.Sample) {
			mu.Lock()
			defer mu.Unlock()
			got[o.Collector] = append(got[o.Collector], seen{o.At.Duration(), o.Took.Duration(), o.Edge, o.Error != ""})
			if (o.Error == "") == (o.Data == nil) {
				t.Errorf("%s at %v has data %s and error %q, want one of the two", o.Collector, o.At.Duration(), o.Data, o.Error)
			}
		})
		s.Start(t.Context(), edges)
		time.Sleep(time.Until(epoch) + finish)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		s.Finish(ctx)
	})
	return got
}

const ms = time.Millisecond

func TestSamplesFallOnWholeSecondsAndEdges(t *testing.T) {
	c := &fake{name: "a", sample: answers}
	edges := []Edge{
		{0, "start of warm-up"},
		{1500 * ms, "end of warm-up"}, {1500 * ms, "start of steady"}, // one sample, both names
		{2997 * ms, "start of odd"}, // the tick at 3 s is 3 ms away: the edge's sample stands for it
		{4004 * ms, "end of odd"},   // likewise, on the other side
	}
	got := record(t, []Collector{c}, edges, 5200*ms)
	want := []seen{
		{At: -2300 * ms}, // at once
		{At: -2000 * ms}, {At: -1000 * ms},
		{At: 0, Edge: "start of warm-up"},
		{At: 1000 * ms},
		{At: 1500 * ms, Edge: "end of warm-up, start of steady"},
		{At: 2000 * ms},
		{At: 2997 * ms, Edge: "start of odd"},
		{At: 4004 * ms, Edge: "end of odd"},
		{At: 5000 * ms},
		{At: 5200 * ms, Edge: "final"},
	}
	if d := cmp.Diff(want, got["a"]); d != "" {
		t.Errorf("samples (-want +got):\n%s", d)
	}
	if !c.closed {
		t.Error("the collector was not closed")
	}
}

func TestTicksDoNotPileUpBehindASlowCollectorAndEdgesAreKept(t *testing.T) {
	slow := &fake{name: "slow", sample: func(ctx context.Context, at Tick) (any, error) {
		return at.Seq, hold(ctx, 2400*ms)
	}}
	quick := &fake{name: "quick", sample: answers}
	got := record(t, []Collector{slow, quick}, []Edge{{1000 * ms, "start of steady"}}, 3900*ms)
	want := []seen{
		{At: -2300 * ms, Took: 2400 * ms}, // until 0.1 s
		{At: 1000 * ms, Took: 2400 * ms, Edge: "start of steady"},
		{At: 3900 * ms, Took: 2400 * ms, Edge: "final"}, // 2 s and 3 s were skipped
	}
	if d := cmp.Diff(want, got["slow"]); d != "" {
		t.Errorf("slow collector (-want +got):\n%s", d)
	}
	if n := len(got["quick"]); n != 8 { // -2.3, -2, -1, 0, 1, 2, 3 s and the final one
		t.Errorf("the quick collector has %d samples, want 8: %v", n, got["quick"])
	}
}

func TestAnEdgeDuringASampleIsReadRightAfterIt(t *testing.T) {
	slow := &fake{name: "slow", sample: func(ctx context.Context, at Tick) (any, error) {
		return at.Seq, hold(ctx, 700*ms)
	}}
	got := record(t, []Collector{slow}, []Edge{{1100 * ms, "start of steady"}}, 2900*ms)
	want := []seen{
		{At: -2300 * ms, Took: 700 * ms},
		{At: -1000 * ms, Took: 700 * ms},
		{At: 0, Took: 700 * ms},
		{At: 1000 * ms, Took: 700 * ms},
		{At: 1700 * ms, Took: 700 * ms, Edge: "start of steady"}, // 0.6 s late, and says so
		{At: 2900 * ms, Took: 700 * ms, Edge: "final"},           // the tick at 2 s was skipped, 2.4 s is over
	}
	if d := cmp.Diff(want, got["slow"]); d != "" {
		t.Errorf("samples (-want +got):\n%s", d)
	}
}

func TestASampleIsBoundedAndItsErrorHasItsDuration(t *testing.T) {
	c := &fake{name: "stuck", sample: func(ctx context.Context, at Tick) (any, error) {
		if at.Seq == 1 {
			return nil, hold(ctx, time.Hour)
		}
		return at.Seq, nil
	}}
	got := record(t, []Collector{c}, nil, 4500*ms)
	want := []seen{
		{At: -2300 * ms},
		{At: -2000 * ms, Took: Limit, Failed: true}, // until 3 s
		{At: 4000 * ms},
		{At: 4500 * ms, Edge: "final"},
	}
	if d := cmp.Diff(want, got["stuck"]); d != "" {
		t.Errorf("samples (-want +got):\n%s", d)
	}
}

func TestACollectorThatIgnoresItsDeadlineIsRecordedOnceAndItsLateAnswerToo(t *testing.T) {
	c := &fake{name: "deaf", sample: func(_ context.Context, at Tick) (any, error) {
		if at.Seq == 1 {
			time.Sleep(8 * time.Second)
		}
		return at.Seq, nil
	}}
	got := record(t, []Collector{c}, []Edge{{5 * time.Second, "start of steady"}}, 8500*ms)
	want := []seen{
		{At: -2300 * ms},
		{At: -2000 * ms, Took: Limit + Grace, Failed: true},
		{At: -2000 * ms, Took: 8 * time.Second}, // the late answer, at 6 s
		{At: 6000 * ms, Edge: "start of steady"},
		{At: 7000 * ms}, {At: 8000 * ms},
		{At: 8500 * ms, Edge: "final"},
	}
	if d := cmp.Diff(want, got["deaf"]); d != "" {
		t.Errorf("samples (-want +got):\n%s", d)
	}
}

func TestFinishIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		deaf := &fake{name: "deaf", sample: func(_ context.Context, at Tick) (any, error) {
			if at.Seq == 1 {
				<-release
			}
			return at.Seq, nil
		}}
		epoch := time.Now()
		var got []observation.Sample
		s := NewSampler([]Collector{deaf}, func() time.Duration { return time.Since(epoch) },
			func(o observation.Sample) { got = append(got, o) })
		s.Start(t.Context(), nil)
		time.Sleep(1500 * ms)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s.Finish(ctx)
		if d := time.Since(epoch); d != 1500*ms+2*time.Second+Grace {
			t.Errorf("Finish returned at %v, want its context's end and the grace: 4.5 s", d)
		}
		if len(got) != 2 || got[1].Edge != "final" || got[1].Error == "" {
			t.Errorf("samples = %+v, want the first one and an error in place of the final one", got)
		}
		close(release) // the goroutine ends by itself; what it says now is nobody's
		synctest.Wait()
		if len(got) != 2 {
			t.Errorf("%d samples after Finish returned, want 2", len(got))
		}
		if !deaf.closed {
			t.Error("the collector was not closed when it answered at last")
		}
	})
}

func TestAnInterruptedRunStillHasItsFinalSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fake{name: "a", sample: func(ctx context.Context, at Tick) (any, error) { return at.Seq, ctx.Err() }}
		epoch := time.Now()
		var got []seen
		s := NewSampler([]Collector{c}, func() time.Duration { return time.Since(epoch) }, func(o observation.Sample) {
			got = append(got, seen{o.At.Duration(), o.Took.Duration(), o.Edge, o.Error != ""})
		})
		ctx, cancel := context.WithCancel(t.Context())
		s.Start(ctx, []Edge{{0, "start of steady"}, {5 * time.Second, "end of steady"}})
		time.Sleep(1200 * ms)
		cancel()
		time.Sleep(2 * time.Second)
		s.Finish(context.Background())
		want := []seen{{At: 0, Edge: "start of steady"}, {At: 1000 * ms}, {At: 3200 * ms, Edge: "final"}}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("samples (-want +got):\n%s", d)
		}
	})
}

func TestWhatCannotBeReadOrEncodedIsAnErrorSample(t *testing.T) {
	c := &fake{name: "bad", sample: func(_ context.Context, at Tick) (any, error) {
		if at.Seq == 0 {
			return nil, errors.New("connection refused")
		}
		return func() {}, nil // JSON has no functions
	}}
	for _, s := range record(t, []Collector{c}, nil, 100*ms)["bad"] {
		if !s.Failed {
			t.Errorf("the sample at %v is no error", s.At)
		}
	}
}

func TestFinishWithoutStartClosesTheCollectors(t *testing.T) {
	c := &fake{name: "a"}
	NewSampler([]Collector{c}, nil, nil).Finish(t.Context())
	if !c.closed {
		t.Error("the collector was not closed")
	}
}

func TestAContextThatCannotEndDoesNotStopTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		epoch := time.Now()
		n := 0
		s := NewSampler([]Collector{&fake{name: "a", sample: answers}}, func() time.Duration { return time.Since(epoch) }, func(observation.Sample) { n++ })
		s.Start(context.WithoutCancel(t.Context()), nil)
		time.Sleep(5500 * time.Millisecond)
		s.Finish(context.Background())
		if n != 7 { // at once, at 1 to 5 s, and the final one
			t.Errorf("%d samples, want 7", n)
		}
	})
}
