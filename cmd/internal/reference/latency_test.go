package reference

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func FuzzLatencyReadsWhatItWrites(f *testing.F) {
	for _, text := range []string{"", "0", "5ms", "uniform(1ms,10ms)", "lognormal(20ms, 0.5)", "uniform(", "lognormal(1ms,NaN)"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLatency(text)
		if err != nil {
			return
		}
		again, err := ParseLatency(l.String())
		if err != nil || again != l {
			t.Errorf("%q is %+v, written %q, read %+v (%v)", text, l, l.String(), again, err)
		}
		if d := l.sample(rand.New(rand.NewPCG(1, 1))); d < 0 {
			t.Errorf("%q: a delay of %v", text, d)
		}
	})
}

func TestLatencyHasTheQuantilesItPromises(t *testing.T) {
	const n = 100_000
	for _, c := range []struct {
		text     string
		p50, p99 time.Duration
	}{
		{"5ms", 5 * time.Millisecond, 5 * time.Millisecond},
		{"uniform(10ms,110ms)", 60 * time.Millisecond, 109 * time.Millisecond}, // 10+100*0.5, 10+100*0.99
		{"lognormal(20ms,0.5)", 20 * time.Millisecond, 64 * time.Millisecond},  // 20*exp(0.5*2.326) = 64.0
		{"lognormal(100ms,0)", 100 * time.Millisecond, 100 * time.Millisecond}, // no spread
	} {
		l, err := ParseLatency(c.text)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		sample := make([]time.Duration, n)
		for i := range sample {
			sample[i] = l.sample(rng)
		}
		slices.Sort(sample)
		for _, q := range []struct {
			got, want time.Duration
		}{{sample[n/2], c.p50}, {sample[n*99/100], c.p99}} {
			if math.Abs(float64(q.got-q.want)) > 0.02*float64(q.want) {
				t.Errorf("%s: quantiles %v and %v, want %v and %v", c.text, sample[n/2], sample[n*99/100], c.p50, c.p99)
			}
		}
	}
}
