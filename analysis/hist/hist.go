// Package hist counts durations and drops none silently: time.Duration in, quantile in
// [0,1] out, ok=false when empty. It wraps HdrHistogram, whose own functions take
// percentiles of 0..100, round the rank, answer 0 when empty and drop what is out of range.
package hist

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// Unit is the resolution: durations are counted in whole microseconds, rounded half up.
	Unit = time.Microsecond
	// Max is the longest duration that has a bucket of its own. Longer ones are counted
	// in the last bucket and in Over as well.
	Max = 24 * time.Hour
	// Digits is the precision: a bucket is at most 1/1024 of its value wide.
	Digits = 3
	// subBucketBits is log2 of HdrHistogram's sub-bucket count for 3 digits (2048).
	subBucketBits = 11
)

// Histogram counts durations in HdrHistogram buckets, stored sparsely: its size follows
// the number of different buckets hit, not the range. Use New; not safe for concurrent use.
type Histogram struct {
	h    *hdrhistogram.PackedHistogram
	over int64
}

// New returns an empty histogram.
func New() *Histogram {
	return &Histogram{h: hdrhistogram.NewPacked(1, int64(Max/Unit), Digits)}
}

// Record counts one duration. A negative one is counted as 0: it can only come from a
// clock's rounding.
func (h *Histogram) Record(d time.Duration) { h.RecordN(d, 1) }

// RecordN counts a duration n times.
func (h *Histogram) RecordN(d time.Duration, n int64) {
	if d > Max {
		h.over += n
		d = Max
	}
	v := int64((max(d, 0) + Unit/2) / Unit)
	if err := h.h.RecordValues(v, n); err != nil {
		// v is within the range by now, so only a negative or overflowing n gets here.
		panic(fmt.Sprintf("hist: cannot count %d times %s: %v", n, d, err))
	}
}

// Count returns how many durations were counted, those over the range included.
func (h *Histogram) Count() int64 { return h.h.TotalCount() }

// Over returns how many of them were longer than Max.
func (h *Histogram) Over() int64 { return h.over }

// Quantile returns the q-quantile, q in [0,1]: the value of rank ceil(q*n) in ascending
// order (rank 1 for q = 0), as the upper end of its bucket. ok is false when empty.
func (h *Histogram) Quantile(q float64) (d time.Duration, ok bool) {
	_, d, ok = h.AtRank(Rank(q, h.Count()))
	return d, ok
}

// Rank is the ascending 1-based rank of the q-quantile among n values: ceil(q*n), at least 1.
func Rank(q float64, n int64) int64 {
	// q*n of a decimal q comes out just above the integer it should be (0.99*300 =
	// 297.00000000000006 in some orders), which ceil would push one rank too far.
	r := int64(math.Ceil(q*float64(n) - 1e-9*math.Max(1, q*float64(n))))
	return min(max(r, 1), max(n, 1))
}

// AtRank returns the ends of the bucket that holds the value of the given ascending
// 1-based rank. ok is false where there is no such rank.
func (h *Histogram) AtRank(rank int64) (low, high time.Duration, ok bool) {
	if rank < 1 || rank > h.Count() {
		return 0, 0, false
	}
	var seen int64
	h.h.ForEachBucket(func(v, n int64) bool {
		seen += n
		if seen < rank {
			return true
		}
		low, high = time.Duration(v)*Unit, time.Duration(v+width(v)-1)*Unit
		return false
	})
	return low, high, true
}

// CountOver bounds how many durations are at or over the limit (strict: over it). The
// bucket that straddles the limit is in high and not in low.
func (h *Histogram) CountOver(limit time.Duration, strict bool) (low, high int64) {
	h.h.ForEachBucket(func(v, n int64) bool {
		// A bucket of v holds durations that were rounded to v .. v+width-1 units, so from
		// half a unit below the first to half a unit above the last.
		from := time.Duration(v)*Unit - Unit/2
		to := time.Duration(v+width(v)-1)*Unit + Unit/2 // exclusive
		switch {
		case from > limit, from == limit && !strict:
			low += n
			high += n
		case to > limit:
			high += n
		}
		return true
	})
	return low, high
}

// width returns how many units the bucket of a value spans: 1 below 2048, then doubling
// with each power of two (HdrHistogram's layout for a unit of 1 and 3 digits).
func width(v int64) int64 {
	return 1 << max(0, bits.Len64(uint64(v))-subBucketBits)
}

// Min returns the shortest duration (its bucket's lower end).
func (h *Histogram) Min() (time.Duration, bool) {
	low, _, ok := h.AtRank(1)
	return low, ok
}

// Max returns the longest duration (its bucket's upper end).
func (h *Histogram) Max() (time.Duration, bool) {
	_, high, ok := h.AtRank(h.Count())
	return high, ok
}

// Mean returns the mean of the buckets' middles.
func (h *Histogram) Mean() (time.Duration, bool) {
	if h.Count() == 0 {
		return 0, false
	}
	return time.Duration(h.h.Mean() * float64(Unit)), true
}

// Merge adds another histogram's counts.
func (h *Histogram) Merge(o *Histogram) {
	if dropped := h.h.Merge(o.h); dropped != 0 {
		// Both have the same range, so nothing can fall outside.
		panic(fmt.Sprintf("hist: merge lost %d of %d counts", dropped, o.Count()))
	}
	h.over += o.over
}

// Reset empties the histogram for reuse.
func (h *Histogram) Reset() {
	h.h.Reset()
	h.over = 0
}

// Encode returns the V2 compressed base64 form that stands in interval logs
// ("HISTFAAA..."). It keeps every bucket's count; Over is not part of that format.
func (h *Histogram) Encode() (string, error) {
	b, err := h.h.Encode()
	return string(b), err
}

// Decode reads what Encode wrote.
func Decode(s string) (*Histogram, error) {
	p, err := hdrhistogram.DecodePacked([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("reading a histogram: %w", err)
	}
	h := New()
	if p.LowestTrackableValue() != 1 || p.SignificantFigures() != Digits || p.HighestTrackableValue() != h.h.HighestTrackableValue() {
		return nil, fmt.Errorf("reading a histogram: its range is %d..%d with %d digits, not 1..%d with %d: it was not written by this tool",
			p.LowestTrackableValue(), p.HighestTrackableValue(), p.SignificantFigures(), h.h.HighestTrackableValue(), Digits)
	}
	return &Histogram{h: p}, nil
}
