package analysis

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

func TestReachOfOneMinuteAtAThousandPerSecond(t *testing.T) {
	// 60 000 arrivals prove < 0.05% with at most 20 bad and disprove it with 40 or more (the
	// counts of TestErrorRateDecisionsAtKnownCounts). A Poisson count is at most 20 with 90%
	// at the mean chi2(42; 10%)/2 = 30.765/2 = 15.38, and at least 40 with 90% at
	// chi2(80; 90%)/2 = 96.578/2 = 48.29: 0.02564% and 0.08048%.
	r := exactReach(once{}, 60_000, 0.0005)
	if r.Proves == nil || math.Abs(*r.Proves-0.0002564) > 1e-7 {
		t.Errorf("proves up to %v, want 0.02564%%", r.Words("fail"))
	}
	if r.Disproves == nil || math.Abs(*r.Disproves-0.0008048) > 1e-7 {
		t.Errorf("disproves from %v, want 0.08048%%", r.Words("fail"))
	}
	if math.Abs(r.Sees-3.0/60_000) > 1e-7 { // 3/n
		t.Errorf("sees %v, want 3/60000", r.Sees)
	}
	if got, want := r.Words("fail"), "proves it (9 times in 10) if truly at most 0.026% fail, and disproves it if at least 0.08% do"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestReachAtTheFewestArrivals(t *testing.T) {
	// 5989 good arrivals prove nothing, 5990 do, and then only if there is none bad at all:
	// with p = 1-0.9^(1/5990) that happens 9 times in 10.
	if r := ReachOf(5989, 1, 0.0005); r.Proves != nil || !strings.HasPrefix(r.Words("fail"), "cannot prove it") {
		t.Errorf("5989 arrivals are said to prove 0.05%%: %v", r.Words("fail"))
	}
	r := ReachOf(5990, 1, 0.0005)
	if want := 1 - math.Pow(0.9, 1.0/5990); r.Proves == nil || math.Abs(*r.Proves-want) > 1e-9 {
		t.Errorf("5990 arrivals prove up to %v, want %v", r.Proves, want)
	}
	// Four of four over the median: 0.05^(1/4) = 0.473 is not over 0.5, of five 0.549 is.
	if r := exactReach(once{}, 4, 0.5); r.Disproves != nil {
		t.Errorf("4 arrivals are said to disprove p50, from %v on", *r.Disproves)
	}
	if r := exactReach(once{}, 5, 0.5); r.Disproves == nil {
		t.Error("5 bad arrivals disprove p50")
	}
	for _, r := range []Reach{ReachOf(0, 1, 0.01), ReachOf(100, 1, 0), ReachOf(100, 1, 1)} {
		if r.Proves != nil || r.Disproves != nil || r.Sees != 1 {
			t.Errorf("from nothing: %+v", r)
		}
	}
}

// A plan's promise must be the judge's practice: at the share that is said to be proved,
// the judge's own bounds prove it in 90% of all outcomes, and at 10% more they do not.
func TestReachIsWhatTheBoundsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := float64(rapid.IntRange(5, 20_000).Draw(t, "n"))
		limit := rapid.SampledFrom([]float64{0.5, 0.05, 0.01, 0.001}).Draw(t, "limit")
		r := exactReach(once{}, n, limit)
		chance := func(p float64, decides func(k float64) bool) (sum float64) {
			x := distuv.Binomial{N: n, P: p}
			for k := 0.0; k <= n && k < 3*n*p+60; k++ {
				if w := x.Prob(k); w > 1e-9 && decides(k) {
					sum += w
				}
			}
			return sum
		}
		met := func(k float64) bool { _, u := Bounds(k, n, Confidence); return u < limit }
		missed := func(k float64) bool { l, _ := Bounds(k, n, Confidence); return l >= limit }
		if r.Proves != nil {
			if got := chance(*r.Proves, met); math.Abs(got-Power) > 1e-3 || !(*r.Proves < limit) {
				t.Fatalf("n=%v, limit %v: at a true %v it is proved with %v", n, limit, *r.Proves, got)
			}
		} else if met(0) {
			t.Fatalf("n=%v, limit %v: %v good arrivals prove it, which is denied", n, limit, n)
		}
		if r.Disproves != nil {
			if got := chance(*r.Disproves, missed); math.Abs(got-Power) > 1e-3 || !(*r.Disproves > limit) {
				t.Fatalf("n=%v, limit %v: at a true %v it is disproved with %v", n, limit, *r.Disproves, got)
			}
		} else if missed(n) {
			t.Fatalf("n=%v, limit %v: %v bad arrivals disprove it, which is denied", n, limit, n)
		}
	})
}

func TestClustersShortenTheReach(t *testing.T) {
	// Ten times the arrivals in clusters of ten see as much as single ones.
	if a, b := ReachOf(60_000, 10, 0.0005), exactReach(once{}, 6_000, 0.0005); math.Abs(*a.Proves-*b.Proves) > 1e-12 || math.Abs(*a.Disproves-*b.Disproves) > 1e-12 {
		t.Errorf("60000 at phi 10: %v, %v; 6000: %v, %v", *a.Proves, *a.Disproves, *b.Proves, *b.Disproves)
	}
	if r := ReachOf(60_000, math.Inf(1), 0.0005); r.Proves != nil || r.Disproves != nil {
		t.Errorf("one cluster of everything: %+v", r)
	}
}

// "9 times in 10" must hold of the judge as it is, which takes the dispersion from the run.
func TestTheJudgeKeepsWhatAPlanIsPromised(t *testing.T) {
	const runs = 300
	for _, text := range []string{"error_rate < 0.05%", "error_rate < 1%"} {
		for _, seconds := range []int{20, 60} {
			o, err := scenarios.ParseObjective(text)
			if err != nil {
				t.Fatal(err)
			}
			r := ReachOf(float64(1000*seconds), 1, LimitShare(o))
			for want, truth := range map[Outcome]float64{Met: *r.Proves, Missed: *r.Disproves} {
				src := rand.NewPCG(12, uint64(seconds))
				arrivals := distuv.Binomial{N: 1000, P: truth, Src: src}
				n := map[Outcome]int{}
				for range runs {
					n[failing(func(int) uint64 { return uint64(arrivals.Rand()) }, seconds).JudgeObjective(o).Outcome]++
				}
				t.Logf("%s, %d s, truly %s: %v", text, seconds, Roughly(truth), n)
				// 262 of 300 are two and a half standard errors below 90%.
				if n[want] < 262 {
					t.Errorf("%s in %d s with a true %s is promised to be %s 9 times in 10, and is %d times in %d: %v", text, seconds, Roughly(truth), want, n[want], runs, n)
				}
			}
		}
	}
}

// failing is a summary of one minute with so many failures among 1,000 arrivals a second.
func failing(perSecond func(second int) uint64, seconds int) *Summary {
	s := &Summary{Judged: time.Duration(seconds) * time.Second}
	for i := range seconds {
		bad := perSecond(i)
		s.Total.add(&observation.Second{Start: lasting(float64(i)), Length: lasting(1), CompletedOK: 1000 - bad},
			&observation.Tally{Planned: 1000, Sent: 1000, Results: observation.Results{OK: 1000 - bad, Failed: bad, Errors: map[observation.Class]uint64{observation.HTTP5xx: bad}}}, 1000, 1000-bad)
	}
	s.Total.Response = hist.New()
	return s
}

func TestAnUnprovenShareSaysHowManyMoreArrivalsAndSeconds(t *testing.T) {
	// One failure in every third second: 13 of 40 000 are 0.0325%.
	s := failing(func(i int) uint64 { return uint64(i % 3 / 2) }, 40)
	r := judgeText(t, s, "error_rate < 0.05%")
	if r.Outcome != Unproven || r.MissingSamples == 0 || r.MissingSeconds == 0 {
		t.Fatalf("%s, %d more arrivals, %v more seconds: %s", r.Outcome, r.MissingSamples, r.MissingSeconds, r.Reason)
	}
	// 13 of 40 000; what is said to be enough must be.
	all := float64(r.Samples) + float64(r.MissingSamples)
	if _, u := Bounds(13.0/40_000*all, all, Confidence); u >= 0.0005 {
		t.Errorf("%v arrivals at this share bound it by %v only", all, u)
	}
	if _, u := Bounds(13.0/40_000*(all-1000), all-1000, Confidence); u < 0.0005 {
		t.Errorf("a second less is enough: %v", u)
	}
	if want := math.Ceil(float64(r.MissingSamples) / 1000); math.Abs(r.MissingSeconds-want) > 1 {
		t.Errorf("%d arrivals at 1000/s take %v s, said are %v", r.MissingSamples, want, r.MissingSeconds)
	}
	for _, want := range []string{"more arrivals) would prove it if the share stays", "a run of 40000 arrivals proves it (9 times in 10) if truly at most "} {
		if !strings.Contains(r.Reason, want) {
			t.Errorf("%q is not in %q", want, r.Reason)
		}
	}
	if x := ReachOf(40_000, 1, 0.0005); r.ProvableShare == nil || *r.ProvableShare != *x.Proves || *r.DisprovableShare != *x.Disproves {
		t.Errorf("the result can prove %v and disprove %v, want %v and %v", r.ProvableShare, r.DisprovableShare, *x.Proves, *x.Disproves)
	}
}

func TestAnUnprovenShareOverItsLimitSaysWhatWouldDisproveIt(t *testing.T) {
	// 24 of 40 000 are 0.06%: never proved at that, but disproved in time.
	s := failing(func(i int) uint64 { return []uint64{0, 1, 1, 1, 0}[i%5] }, 40)
	r := judgeText(t, s, "error_rate < 0.05%")
	if r.Outcome != Unproven || !strings.Contains(r.Reason, "would disprove it if the share stays") || !strings.Contains(r.Reason, "a longer run would not prove it") {
		t.Fatalf("%s: %s", r.Outcome, r.Reason)
	}
	all := float64(r.Samples) + float64(r.MissingSamples)
	share := float64(r.Bad) / float64(r.Samples)
	if l, _ := Bounds(share*all, all, Confidence); l < 0.0005 {
		t.Errorf("%v arrivals at %v have the lower bound %v", all, share, l)
	}
}

func TestAnUnprovenThroughputSaysHowManyMoreSecondsAndRequests(t *testing.T) {
	// 12 s about 1001/s with a spread of some 10/s: the margin of 1/s takes more.
	rates := []uint64{1011, 991, 1001, 1010, 992, 1003, 999, 1012, 990, 1001, 1008, 994}
	s := &Summary{Judged: 12 * time.Second}
	for i, n := range rates {
		s.Total.add(&observation.Second{Start: lasting(float64(i)), Length: lasting(1)}, &observation.Tally{Planned: n, Sent: n, Results: observation.Results{OK: n}}, n, n)
	}
	r := judgeText(t, s, "throughput >= 1000/s")
	if r.Outcome != Unproven || r.MissingSeconds < 100 || r.MissingSeconds > 400 || r.MissingSamples == 0 {
		t.Fatalf("%s, %v s more: %s", r.Outcome, r.MissingSeconds, r.Reason)
	}
	// The spread is 8.3/s: t(n-1) 8.3/sqrt(n) < 1 from n = 188 on (t = 1.653).
	n := r.MissingSeconds + 12
	var ss float64
	for _, v := range rates {
		ss += (float64(v) - 1001) * (float64(v) - 1001)
	}
	sd := math.Sqrt(ss / 11)
	if half := studentT(n-1) * sd / math.Sqrt(n); half > 1 || half < 0.99 {
		t.Errorf("%v seconds leave +-%v of the margin of 1/s (spread %v)", n, half, sd)
	}
	for _, want := range []string{"requests at this rate) would prove it if it and its spread stay", "12 intervals with this spread tell it from its limit (9 times in 10) if it is truly "} {
		if !strings.Contains(r.Reason, want) {
			t.Errorf("%q is not in %q", want, r.Reason)
		}
	}
	if r.ProvableShare != nil || r.DisprovableShare != nil {
		t.Error("a throughput is no share")
	}
}

func TestMarginTellsATruthFromItsLimitNineTimesInTen(t *testing.T) {
	// Ten intervals of spread 1 about the margin above 0: the lower bound is over 0 in 90%
	// of all runs, and with nothing above it in 5%.
	r := seeded(11)
	const runs = 20_000
	found := func(truth float64) (share float64) {
		for range runs {
			v := make([]float64, 10)
			for i := range v {
				v[i] = truth + r.NormFloat64()
			}
			mean, sd := meanAndDeviation(v)
			if mean-studentT(9)*sd/math.Sqrt(10) > 0 {
				share += 1.0 / runs
			}
		}
		return share
	}
	if at := found(exactMargin(1, 10)); math.Abs(at-Power) > 0.02 {
		t.Errorf("at the margin %v it is found %.3f of the time, want 0.9", exactMargin(1, 10), at)
	}
	if at := found(0); math.Abs(at-0.05) > 0.01 {
		t.Errorf("with nothing to find it is found %.3f of the time", at)
	}
}

func meanAndDeviation(v []float64) (mean, sd float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		sd += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(sd / float64(len(v)-1))
}

func TestAShareAtItsLimitIsNeverDecided(t *testing.T) {
	// 5 of 10 000 are 0.05% exactly: no number proves or disproves that it is under it.
	if n, ok := needed(once{}, 5, 10_000, 1, 0.0005); ok {
		t.Errorf("%v arrivals are said to prove it", n)
	}
	if n, ok := damning(once{}, 5, 10_000, 1, 0.0005); ok {
		t.Errorf("%v arrivals are said to disprove it", n)
	}
	if _, ok := damning(once{}, 0, 0, 1, 0.0005); ok {
		t.Error("nothing is said to be disproved by more of it")
	}
}

func TestTheJudgeKeepsTheMarginOfAMean(t *testing.T) {
	const runs = 400
	r := seeded(13)
	for _, n := range []int{10, 60} {
		met := 0
		for range runs {
			s := &Summary{Judged: time.Duration(n) * time.Second}
			for i := range n {
				rate := uint64(math.Round(100_000 + 1000*(Margin(float64(n))+r.NormFloat64())))
				s.Total.add(&observation.Second{Start: lasting(float64(i)), Length: lasting(1)}, &observation.Tally{Planned: rate, Sent: rate, Results: observation.Results{OK: rate}}, rate, rate)
			}
			if judgeText(t, s, "throughput >= 100000/s").Outcome == Met {
				met++
			}
		}
		t.Logf("%d seconds: met %d times in %d", n, met, runs)
		if met < 345 { // two and a half standard errors below 90%
			t.Errorf("%d seconds are promised to prove it 9 times in 10, and do %d times in %d", n, met, runs)
		}
	}
}

// What validate says of a gate is when the gate's judge meets it, to the second.
func TestAGateProvesACleanSystemWhenItIsSaidTo(t *testing.T) {
	for text, limit := range map[string]float64{"error_rate < 0.05%": 0.0005, "error_rate < 0.02%": 0.0002, "p50 < 1s": 0.5} {
		after, ok := GateProves(limit, 1000)
		if !ok {
			t.Fatal(text)
		}
		at := func(seconds int) Outcome {
			s := failing(func(int) uint64 { return 0 }, seconds)
			s.Header.Gate = true
			return judgeText(t, s, text).Outcome
		}
		seconds := int(after / time.Second)
		t.Logf("%s: after %v", text, after)
		if a, b := at(seconds-1), at(seconds); a != Unproven || b != Met {
			t.Errorf("%s is said to be proved after %d s: a second before it is %s, then %s", text, seconds, a, b)
		}
	}
	if after, ok := GateProves(0.01, 0); ok {
		t.Errorf("without arrivals it is said to be proved after %v", after)
	}
}
