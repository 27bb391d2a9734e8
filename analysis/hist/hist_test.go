package hist

import (
	"sort"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestQuantileIsTheValueOfTheCeilRank(t *testing.T) {
	h := New()
	for i := 1; i <= 151; i++ {
		h.Record(time.Duration(i) * time.Microsecond)
	}
	// ceil(0.99*151) = ceil(149.49) = 150. HdrHistogram for Go would round to 149.
	got, ok := h.Quantile(0.99)
	if !ok || got != 150*time.Microsecond {
		t.Errorf("p99 of 1..151 us = %v, %v; want 150us, true", got, ok)
	}
	for _, c := range []struct {
		q    float64
		n, r int64
	}{{0.5, 4, 2}, {0.99, 100, 99}, {0.99, 300, 297}, {0.95, 20, 19}, {0.999, 1000, 999}, {0, 10, 1}, {1, 10, 10}, {0.07, 100, 7}} {
		if got := Rank(c.q, c.n); got != c.r {
			t.Errorf("Rank(%v, %d) = %d, want %d", c.q, c.n, got, c.r)
		}
	}
}

func TestAnEmptyHistogramHasNoQuantile(t *testing.T) {
	h := New()
	if v, ok := h.Quantile(0.5); ok {
		t.Errorf("empty histogram answered %v", v)
	}
	if _, ok := h.Max(); ok {
		t.Error("empty histogram has a maximum")
	}
	if _, ok := h.Mean(); ok {
		t.Error("empty histogram has a mean")
	}
}

func TestNothingIsDroppedOverTheRange(t *testing.T) {
	h := New()
	h.Record(25 * time.Hour)
	h.Record(-time.Nanosecond)
	if h.Count() != 2 || h.Over() != 1 {
		t.Errorf("count %d, over %d; want 2, 1", h.Count(), h.Over())
	}
	if v, _ := h.Quantile(1); v < Max {
		t.Errorf("maximum %v, want at least %v", v, Max)
	}
}

func TestCountOverPutsTheStraddlingBucketOnBothSides(t *testing.T) {
	h := New()
	// 1 s = 1,000,000 us lies in the bucket [999,936, 1,000,447] us (width 512).
	for _, us := range []int64{999_935, 999_940, 1_000_000, 1_000_448} {
		h.Record(time.Duration(us) * time.Microsecond)
	}
	low, high := h.CountOver(time.Second, false)
	if low != 1 || high != 3 {
		t.Errorf("CountOver(1s) = %d..%d, want 1..3", low, high)
	}
}

// oracle checks what must hold of every histogram of the given values.
func oracle(t *rapid.T, h *Histogram, values []time.Duration) {
	t.Helper()
	if h.Count() != int64(len(values)) {
		t.Fatalf("count %d, recorded %d", h.Count(), len(values))
	}
	if len(values) == 0 {
		return
	}
	sorted := append([]time.Duration(nil), values...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
	last := time.Duration(0)
	for rank := int64(1); rank <= h.Count(); rank++ {
		low, high, ok := h.AtRank(rank)
		v := sorted[rank-1]
		if !ok || v < low-Unit || v > high+Unit {
			t.Fatalf("rank %d: bucket %v..%v does not hold %v", rank, low, high, v)
		}
		if high-low > v/1024+Unit {
			t.Fatalf("rank %d: bucket %v..%v is wider than 1/1024 of %v", rank, low, high, v)
		}
		if high < last {
			t.Fatalf("rank %d: %v after %v", rank, high, last)
		}
		last = high
	}
	limit := sorted[len(sorted)/2]
	var exact int64
	for _, v := range values {
		if v >= limit {
			exact++
		}
	}
	if low, high := h.CountOver(limit, false); exact < low || exact > high {
		t.Fatalf("%d values are at or over %v, CountOver says %d..%d", exact, limit, low, high)
	}
}

func durations(t *rapid.T, label string) []time.Duration {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "d")) >> rapid.IntRange(0, 30).Draw(t, "shift")
	}), 0, 60).Draw(t, label)
}

func TestMergeAndEncodingKeepEveryCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := durations(t, "a"), durations(t, "b")
		ha, hb := New(), New()
		for _, d := range a {
			ha.Record(d)
		}
		for _, d := range b {
			hb.Record(d)
		}
		oracle(t, ha, a)
		ha.Merge(hb)
		oracle(t, ha, append(append([]time.Duration(nil), a...), b...))
		enc, err := ha.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(enc)
		if err != nil {
			t.Fatal(err)
		}
		oracle(t, back, append(append([]time.Duration(nil), a...), b...))
	})
}

func FuzzDecode(f *testing.F) {
	h := New()
	h.Record(time.Second)
	s, _ := h.Encode()
	f.Add(s)
	f.Add("HISTFAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := Decode(s)
		if err == nil && h.Count() < 0 {
			t.Errorf("negative count %d", h.Count())
		}
	})
}
