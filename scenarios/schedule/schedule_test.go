package schedule_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"arqload/scenarios/schedule"
)

const ms = time.Millisecond

func constant(rate float64, d time.Duration) schedule.Segment {
	return schedule.Segment{Length: d, From: rate, To: rate}
}

// vegeta.Pacer, written out: this package must fit it without importing it.
var _ interface {
	Pace(elapsed time.Duration, hits uint64) (time.Duration, bool)
	Rate(elapsed time.Duration) float64
} = (*schedule.Schedule)(nil)

func TestArrivalsAreAtTheInstantsComputedByHand(t *testing.T) {
	ramp := schedule.Segment{Length: 10 * time.Second, From: 0, To: 100}
	fall := schedule.Segment{Length: 10 * time.Second, From: 100, To: 0}
	tests := map[string]struct {
		segs   []schedule.Segment
		offset float64
		len    uint64
		at     map[uint64]time.Duration
	}{
		// n/1000 s.
		"constant": {[]schedule.Segment{constant(1000, 10*time.Second)}, 0, 10000, map[uint64]time.Duration{
			0: 0, 1: ms, 777: 777 * ms, 9999: 9999 * ms, 10000: 10 * time.Second,
		}},
		// (n + 1/4)/100 s; the last is 99.25/100 s.
		"stagger": {[]schedule.Segment{constant(100, time.Second)}, 0.25, 100, map[uint64]time.Duration{
			0: 2500 * time.Microsecond, 1: 12500 * time.Microsecond, 99: 992500 * time.Microsecond, 100: time.Second,
		}},
		// N(t) = 100 t²/20 = 5t²; t = sqrt(n/5): n=5 at 1 s, 20 at 2 s, 125 at 5 s; N(10) = 500.
		"ramp from 0": {[]schedule.Segment{ramp}, 0, 500, map[uint64]time.Duration{
			0: 0, 5: time.Second, 20: 2 * time.Second, 125: 5 * time.Second, 500: 10 * time.Second,
		}},
		// 500 - N(t) = 5(10-t)²; t = 10 - sqrt((500-n)/5): 375 remain at 10-8.66 s ... n=375 at 5 s, 495 at 9 s.
		"ramp to 0": {[]schedule.Segment{fall}, 0, 500, map[uint64]time.Duration{
			0: 0, 375: 5 * time.Second, 480: 8 * time.Second, 495: 9 * time.Second, 500: 10 * time.Second,
		}},
		// R0=10, A=(90-10)/8=10: N = 10t + 5t²: N(2)=40, N(4)=120, N(8)=400.
		"ramp between rates": {[]schedule.Segment{{Length: 8 * time.Second, From: 10, To: 90}}, 0, 400, map[uint64]time.Duration{
			0: 0, 40: 2 * time.Second, 120: 4 * time.Second, 400: 8 * time.Second,
		}},
		// R0=90, A=-10: N = 90t - 5t²: N(1)=85, N(4)=280.
		"ramp down": {[]schedule.Segment{{Length: 8 * time.Second, From: 90, To: 10}}, 0, 400, map[uint64]time.Duration{
			0: 0, 85: time.Second, 280: 4 * time.Second,
		}},
		// 100 arrivals in the first second, none in the second, the 101st opens the third.
		"pause": {[]schedule.Segment{constant(100, time.Second), constant(0, time.Second), constant(100, time.Second)}, 0, 200, map[uint64]time.Duration{
			99: 990 * ms, 100: 2000 * ms, 101: 2010 * ms, 199: 2990 * ms, 200: 3 * time.Second,
		}},
		// Nothing is due while the rate is 0, not even arrival 0.
		"pause first and last": {[]schedule.Segment{constant(0, time.Second), constant(10, time.Second), constant(0, time.Second)}, 0, 10, map[uint64]time.Duration{
			0: time.Second, 9: 1900 * ms, 10: 3 * time.Second,
		}},
		// 1000/s x (10%+100%)/2 x 10 s = 5500 in the warm-up; 5500 opens the next phase.
		"warm-up and steady": {[]schedule.Segment{{Length: 10 * time.Second, From: 100, To: 1000}, constant(1000, 60*time.Second)}, 0, 65500, map[uint64]time.Duration{
			5500: 10 * time.Second, 5501: 10*time.Second + ms, 65499: 69999 * ms,
		}},
		// 0.1+0.1+0.1 is 0.30000000000000004: ten of these sum to an ulp beside 1 x 10.
		"many segments": {[]schedule.Segment{
			constant(0.1, 10*time.Second), constant(0.1, 10*time.Second), constant(0.1, 10*time.Second),
			constant(0, time.Second), constant(0.1, 10*time.Second),
		}, 0, 4, map[uint64]time.Duration{0: 0, 1: 10 * time.Second, 2: 20 * time.Second, 3: 31 * time.Second, 4: 41 * time.Second}},
		"nothing":  {nil, 0.5, 0, map[uint64]time.Duration{0: 0, math.MaxUint64: 0}},
		"no rate":  {[]schedule.Segment{constant(0, time.Second)}, 0, 0, map[uint64]time.Duration{0: time.Second}},
		"instants": {[]schedule.Segment{constant(5, 0), constant(2, time.Second), constant(7, 0)}, 0, 2, map[uint64]time.Duration{1: 500 * ms}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := schedule.New(tt.segs, tt.offset)
			if got := s.Len(); got != tt.len {
				t.Errorf("Len() = %d, want %d", got, tt.len)
			}
			for n, want := range tt.at {
				if got := s.At(n); got != want {
					t.Errorf("At(%d) = %v, want %v", n, got, want)
				}
			}
		})
	}
}

func TestConstantRateIsExactForDays(t *testing.T) {
	s := schedule.New([]schedule.Segment{constant(1000, 72*time.Hour)}, 0)
	// 72 x 3600 x 1000.
	if got := s.Len(); got != 259_200_000 {
		t.Errorf("Len() = %d, want 259200000", got)
	}
	for n := uint64(1); n < s.Len(); n = n*7/3 + 1 {
		if got, want := s.At(n), time.Duration(n)*ms; got != want {
			t.Fatalf("At(%d) = %v, want %v", n, got, want)
		}
	}
}

func TestPaceFollowsAt(t *testing.T) {
	s := schedule.New([]schedule.Segment{constant(10, time.Second)}, 0) // 0, 100 ms, ... 900 ms
	tests := []struct {
		elapsed time.Duration
		hits    uint64
		wait    time.Duration
		stop    bool
	}{
		{0, 0, 0, false},
		{0, 1, 100 * ms, false},
		{30 * ms, 1, 70 * ms, false},
		{500 * ms, 1, 0, false}, // late: at once, never a negative wait
		{2 * time.Second, 9, 0, false},
		{0, 10, 0, true},
	}
	for _, tt := range tests {
		if wait, stop := s.Pace(tt.elapsed, tt.hits); wait != tt.wait || stop != tt.stop {
			t.Errorf("Pace(%v, %d) = %v, %v, want %v, %v", tt.elapsed, tt.hits, wait, stop, tt.wait, tt.stop)
		}
	}
}

func TestRateAndExpectedFollowTheShape(t *testing.T) {
	s := schedule.New([]schedule.Segment{
		{Length: 10 * time.Second, From: 0, To: 100}, constant(50, 10*time.Second), {Length: 10 * time.Second, From: 50, To: 0},
	}, 0)
	for at, want := range map[time.Duration]float64{
		-1: 0, 0: 0, 5 * time.Second: 50, 10*time.Second - 1: 100 - 1e-8, 10 * time.Second: 50, 25 * time.Second: 25, 30 * time.Second: 0,
	} {
		if got := s.Rate(at); math.Abs(got-want) > 1e-9 {
			t.Errorf("Rate(%v) = %v, want %v", at, got, want)
		}
	}
	for _, tt := range []struct {
		a, b time.Duration
		want float64
	}{
		{0, 2 * time.Second, 20},                 // 2 x 20 / 2
		{0, 10 * time.Second, 500},               // 10 x 100 / 2
		{9 * time.Second, 11 * time.Second, 145}, // (90+100)/2 + 50
		{-time.Hour, time.Hour, 1250},            // 500 + 500 + 250
		{20 * time.Second, 25 * time.Second, 187.5},
		{2, 1, 0},
	} {
		if got := s.Expected(tt.a, tt.b); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("Expected(%v, %v) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
	if got := s.Duration(); got != 30*time.Second {
		t.Errorf("Duration() = %v, want 30s", got)
	}
}

func TestNewRefusesWhatNoPlanContains(t *testing.T) {
	for name, f := range map[string]func(){
		"negative length": func() { schedule.New([]schedule.Segment{constant(1, -1)}, 0) },
		"negative rate":   func() { schedule.New([]schedule.Segment{constant(-1, 1)}, 0) },
		"NaN":             func() { schedule.New([]schedule.Segment{{Length: 1, To: math.NaN()}}, 0) },
		"infinite":        func() { schedule.New([]schedule.Segment{{Length: 1, To: math.Inf(1)}}, 0) },
		"offset 1":        func() { schedule.New(nil, 1) },
		"offset NaN":      func() { schedule.New(nil, math.NaN()) },
		"too long":        func() { schedule.New([]schedule.Segment{constant(0, math.MaxInt64), constant(0, 1)}, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("New returned")
				}
			}()
			f()
		})
	}
}

// shapes draws segments with what makes a schedule hard: pauses, ramps from and to 0,
// whole and odd rates. A stretch holds at least 1e-5 arrivals: a billionth of one is the
// schedule's tolerance, and the fuzz test goes there.
func shapes(t *rapid.T) []schedule.Segment {
	rate := rapid.OneOf(rapid.Just(0.0), rapid.Map(rapid.IntRange(0, 2000), func(i int) float64 { return float64(i) }), rapid.Float64Range(0.01, 2000))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) schedule.Segment {
		from := rate.Draw(t, "from")
		to := from
		if rapid.Bool().Draw(t, "ramp") {
			to = rate.Draw(t, "to")
		}
		length := rapid.OneOf(
			rapid.Map(rapid.IntRange(0, 5), func(i int) time.Duration { return time.Duration(i) * time.Second }),
			rapid.Map(rapid.Int64Range(int64(ms), int64(5*time.Second)), func(i int64) time.Duration { return time.Duration(i) }),
		).Draw(t, "length")
		return schedule.Segment{Length: length, From: from, To: to}
	}), 0, 6).Draw(t, "segs")
}

func TestAtBetweenAndLenAgreeForEveryShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schedule.New(shapes(t), rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0.001, 0.999)).Draw(t, "offset"))
		if got := s.Between(0, s.Duration()); got != s.Len() {
			t.Fatalf("Between(0, Duration) = %d, Len = %d", got, s.Len())
		}
		// Fewer than one arrival of the integral may be missing or extra.
		if e := s.Expected(0, s.Duration()); math.Abs(e-float64(s.Len())) > 1+1e-6 {
			t.Fatalf("Len = %d, the integral of the rate is %v", s.Len(), e)
		}
		a := time.Duration(rapid.Int64Range(0, int64(s.Duration())).Draw(t, "a"))
		b := time.Duration(rapid.Int64Range(int64(a), int64(s.Duration())).Draw(t, "b"))

		var last time.Duration
		var inside uint64
		even := s.Even()
		for n := range s.Len() {
			at := s.At(n)
			if at < last || at >= s.Duration() {
				t.Fatalf("At(%d) = %v after %v, Duration %v", n, at, last, s.Duration())
			}
			if s.Rate(at) == 0 && s.Rate(at+1) == 0 && s.Rate(at-1) == 0 {
				t.Fatalf("At(%d) = %v lies in a pause", n, at)
			}
			if got, ok := even.Next(); got != at || !ok {
				t.Fatalf("Even's arrival %d = %v, %v, At is %v", n, got, ok, at)
			}
			if a <= at && at < b {
				inside++
			}
			last = at
		}
		if _, ok := even.Next(); ok {
			t.Fatal("Even goes on after the last arrival")
		}
		if got := s.At(s.Len()); got != s.Duration() {
			t.Fatalf("At(Len) = %v, Duration %v", got, s.Duration())
		}
		if got := s.Between(a, b); got != inside {
			t.Fatalf("Between(%v, %v) = %d, At puts %d there", a, b, got, inside)
		}
		if got, want := s.Between(0, a)+s.Between(a, b)+s.Between(b, s.Duration()), s.Len(); got != want {
			t.Fatalf("the parts have %d arrivals, the whole %d", got, want)
		}
	})
}

// With k times the rate, the arrivals number 0, k, 2k ... are the old ones.
func TestScalingTheRateScalesTheArrivals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segs := shapes(t)
		k := rapid.IntRange(2, 9).Draw(t, "k")
		scaled := make([]schedule.Segment, len(segs))
		for i, g := range segs {
			scaled[i] = schedule.Segment{Length: g.Length, From: float64(k) * g.From, To: float64(k) * g.To}
		}
		s, sk := schedule.New(segs, 0), schedule.New(scaled, 0)
		if n, nk := s.Len(), sk.Len(); nk > uint64(k)*n || nk+uint64(k) <= uint64(k)*n {
			t.Fatalf("%d arrivals became %d at %d times the rate", n, nk, k)
		}
		for n := uint64(0); n < s.Len(); n += 1 + s.Len()/50 {
			// Where the rate is nearly 0 an ulp of N is a visible time: sqrt(2 x 1e-9 / slope).
			if d := (s.At(n) - sk.At(n*uint64(k))).Abs(); d > 10*time.Microsecond {
				t.Fatalf("At(%d) = %v, at %d times the rate %v", n, s.At(n), k, sk.At(n*uint64(k)))
			}
		}
	})
}

func FuzzScheduleNeverGoesBack(f *testing.F) {
	f.Add(int64(time.Second), 0.0, 100.0, int64(time.Second), 100.0, 0.0, 0.0)
	f.Add(int64(10*time.Second), 0.1, 0.1, int64(1), 0.0, 0.0, 0.5)
	f.Add(int64(1), 1e6, 0.0, int64(time.Hour), 1e-9, 1e6, 0.999)
	f.Fuzz(func(t *testing.T, l1 int64, f1, t1 float64, l2 int64, f2, t2, offset float64) {
		ok := func(l int64, rates ...float64) bool {
			for _, r := range rates {
				if !(r >= 0 && r <= 1e6) {
					return false
				}
			}
			return l >= 0 && l <= int64(time.Hour)
		}
		if !ok(l1, f1, t1) || !ok(l2, f2, t2) || !(offset >= 0 && offset < 1) {
			t.Skip()
		}
		s := schedule.New([]schedule.Segment{{Length: time.Duration(l1), From: f1, To: t1}, {Length: time.Duration(l2), From: f2, To: t2}}, offset)
		if got := s.Between(0, s.Duration()); got != s.Len() {
			t.Fatalf("Between = %d, Len = %d", got, s.Len())
		}
		var last time.Duration
		step := 1 + s.Len()/1000
		for n := uint64(0); n < s.Len(); n += step {
			for _, m := range []uint64{n, n + 1} {
				at := s.At(m)
				if at < last || at > s.Duration() {
					t.Fatalf("At(%d) = %v after %v, Duration %v", m, at, last, s.Duration())
				}
				last = at
			}
		}
	})
}
