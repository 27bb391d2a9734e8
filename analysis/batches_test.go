package analysis

import (
	"math"
	"testing"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
)

// populated has n seconds of 100 answers of 10 ms, of which slow(second) take 100 ms.
func populated(n int, slow func(second int) int) *Population {
	p := &Population{Response: hist.New()}
	for s := range n {
		h := hist.New()
		h.RecordN(10*time.Millisecond, int64(100-slow(s)))
		if k := slow(s); k > 0 {
			h.RecordN(100*time.Millisecond, int64(k))
		}
		p.Response.Merge(h)
		t := observation.Tally{Planned: 100, Sent: 100, Results: observation.Results{OK: 100}}
		p.Tally.Add(&t)
		p.seconds = append(p.seconds, second{start: observation.Seconds(time.Duration(s) * time.Second), length: time.Second, tally: t, judged: []*hist.Histogram{h}})
	}
	return p
}

func TestAQuantileIsLessCertainWhereSlowAnswersComeTogether(t *testing.T) {
	// 6% are slow: p95 is 100 ms. Spread evenly the share of 100 ms is the same in every batch,
	// so that its error is that of 6000 independent arrivals, sqrt(0.06*0.94/6000) = 0.3%, and p95
	// cannot be another; in one block of 4 seconds, it can: the error is several times larger
	// than the 1% between p94 and p95.
	even := populated(60, func(int) int { return 6 })
	block := populated(60, func(s int) int {
		if s >= 20 && s < 24 {
			return 90
		}
		return 0
	})
	a, okA := even.QuantileError(0.95)
	b, okB := block.QuantileError(0.95)
	if !okA || !okB || a != 0 || b < math.Log(100.0/10)/2-0.01 {
		t.Errorf("error of ln p95: %.3f (%t) evenly, %.3f (%t) in a block; want 0 and at least ln(10)/2", a, okA, b, okB)
	}
}

func TestNoErrorIsKnownWithoutSeconds(t *testing.T) {
	p := populated(60, func(int) int { return 6 })
	for i := range p.seconds {
		p.seconds[i].judged = nil // read with totals alone
	}
	if _, ok := p.QuantileError(0.95); ok {
		t.Error("an error is told without any histogram of a second")
	}
	if _, ok := populated(9, func(int) int { return 6 }).QuantileError(0.95); ok {
		t.Error("an error is told from 9 seconds")
	}
}

func TestFailuresCountAsSlow(t *testing.T) {
	p := populated(10, func(int) int { return 0 })
	p.Failed += 60 // of 1060: over 5%
	if d, ok := p.Quantile(0.95); ok {
		t.Errorf("p95 is %s, though its rank lies among the failures", d)
	}
	if d, ok := p.Quantile(0.5); !ok || d < 10*time.Millisecond || d > 11*time.Millisecond {
		t.Errorf("p50 is %s, %t", d, ok)
	}
}

func TestABurstOfFailuresIsOneEvent(t *testing.T) {
	fail := func(in func(s int) uint64) *Population {
		p := populated(60, func(int) int { return 0 })
		for s := range p.seconds {
			p.seconds[s].tally.Failed = in(s)
			p.Failed += in(s)
		}
		return p
	}
	// Ten in one second of 60: mean 1/6, variance (100 - 60/36)/59 = 1.667, so 10.
	burst := fail(func(s int) uint64 {
		if s == 7 {
			return 10
		}
		return 0
	}).FailureDispersion()
	if math.Abs(burst-10) > 0.01 {
		t.Errorf("a burst of ten has the dispersion %.3f, want 10", burst)
	}
	if even := fail(func(int) uint64 { return 5 }).FailureDispersion(); even != 1 {
		t.Errorf("5 failures in every second have the dispersion %.3f, want 1", even)
	}
}
