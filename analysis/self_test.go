package analysis

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"arqload/analysis/observation"
)

// self makes a run whose generator used a share of one CPU each second.
func self(t *testing.T, share func(second int) float64, edit func(second int, s *observation.Self) error) *observation.Run {
	t.Helper()
	run := runOf()
	var cpu float64
	for s := -2; s <= 23; s++ {
		if s > 20 && s < 23 {
			continue
		}
		o := observation.Self{CPU: observation.Seconds(math.Round(cpu * 1e9)), GOMAXPROCS: 2, RSSBytes: uint64(1000 + s), OpenFiles: 10 + s, MaxFiles: 1024,
			MachineBusy: at(float64(s+2) * 1.5), MachineAll: at(float64(s+2) * 2), GCPauses: at(0.001 * float64(s+2)), GCs: uint64(s + 2),
			SchedDelay: observation.Buckets{Upper: []float64{0.0001, 0.001, 0.01}, Count: []uint64{uint64(980 * (s + 2)), uint64(15 * (s + 2)), uint64(5 * (s + 2))}}}
		var err error
		if edit != nil {
			err = edit(s, &o)
		}
		put(t, run, "selfhealth", float64(s), o, err)
		cpu += share(s)
	}
	return run
}

func TestTheBusiestFiveSecondsCount(t *testing.T) {
	s := SummarizeSelf(self(t, func(second int) float64 {
		switch {
		case second < 10:
			return 2 // the warm-up is not judged
		case second >= 13 && second < 18:
			return 1.9
		case second == 18:
			return 2 // a busier second alone does not count
		}
		return 0.5
	}, nil))
	// 14 to 19 s: (4*1.9 + 2) / (5 * 2) = 0.96.
	if !s.Available || math.Abs(s.CPUShare-0.96) > 1e-6 || s.CPUs != 2 {
		t.Errorf("%+v, want a share of 0.96 of 2 CPUs", s)
	}
	// (4*0.5 + 5*1.9 + 2) / 20 = 0.675.
	if math.Abs(s.CPUShareMean-0.675) > 1e-6 || !s.MachineOK || math.Abs(s.MachineShare-0.75) > 1e-6 {
		t.Errorf("mean %v, machine %v; want 0.675, 0.75", s.CPUShareMean, s.MachineShare)
	}
	// 98% wait up to 0.1 ms, 99.5% up to 1 ms.
	if s.SchedDelayP99 != time.Millisecond || s.GCPauseTotal != 10*time.Millisecond || s.GCs != 10 {
		t.Errorf("delay %v, pauses %v in %d GCs; want 1ms, 10ms in 10", s.SchedDelayP99, s.GCPauseTotal, s.GCs)
	}
	if s.OpenFilesMax != 30 || s.MaxFiles != 1024 || s.RSSMax != 1020 || s.Throttled != 0 {
		t.Errorf("%+v, want 30 of 1024 files and 1020 bytes", s)
	}
}

func TestTheQuotaLimitsWhatCouldBeUsed(t *testing.T) {
	s := SummarizeSelf(self(t, func(int) float64 { return 0.5 }, func(second int, o *observation.Self) error {
		o.QuotaCPUs, o.Throttled = 0.5, int64(max(0, second))
		return nil
	}))
	if s.CPUShare != 1 || s.CPUs != 0.5 || s.Throttled != 10 {
		t.Errorf("%+v, want all of half a CPU and 10 throttled periods", s)
	}
}

func TestAShortRunIsTakenWhole(t *testing.T) {
	run := self(t, func(int) float64 { return 1 }, nil)
	run.Header.Phases[1] = phase("steady", 10, 12, true)
	if s := SummarizeSelf(run); math.Abs(s.CPUShare-0.5) > 1e-6 {
		t.Errorf("share %v of 2 s, want 0.5", s.CPUShare)
	}
}

func TestAGeneratorThatCouldNotBeWatchedIsNotIdle(t *testing.T) {
	if s := SummarizeSelf(runOf()); s.Available || s.Reason == "" {
		t.Errorf("no samples: %+v", s)
	}
	s := SummarizeSelf(self(t, func(int) float64 { return 1 }, func(second int, o *observation.Self) error {
		if second > 8 {
			return errors.New("no")
		}
		return nil
	}))
	if s.Available || !strings.Contains(s.Reason, "end at 20s") {
		t.Errorf("lost: %+v", s)
	}
	s = SummarizeSelf(self(t, func(int) float64 { return 1 }, func(_ int, o *observation.Self) error {
		o.Missing = []string{"cpu"}
		return nil
	}))
	if s.Available {
		t.Errorf("no CPU time: %+v", s)
	}
}
