package compare_test

import (
	"bufio"
	"cmp"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"arqload/analysis"
	"arqload/analysis/compare"
	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"
)

// noiseFile holds recorded runs of the reference ARQ: of each judged second and scenario the
// number of answers and the order statistics of their response times in tenths of a millisecond,
// deciles of the lower nine tenths and every one of the upper tenth, where the p95 and the p99 are;
// each as what it is more than the one before.
// A run begins with its id, its validity, and the percentiles of the generator's own lag, 0 to 100,
// in hundredths of a millisecond.
const noiseFile = "testdata/noise.txt"

// deciles are kept of the lower nine tenths: 0%, 10%, ..., 90% of them.
const deciles = 10

// noiseSecond is one scenario in one second.
type noiseSecond struct {
	n    int
	bulk []int // quantiles of the lower ones
	top  []int // the rest, ascending
}

// noiseRun is one recorded run.
type noiseRun struct {
	id      string
	valid   bool
	lag     []int // percentiles of the generator's
	seconds []map[string]noiseSecond
}

// readNoise reads noiseFile.
func readNoise(t testing.TB) []noiseRun {
	t.Helper()
	f, err := os.Open(cmp.Or(os.Getenv("ARQLOAD_NOISE_FILE"), noiseFile)) // held-out.txt was recorded after the method was chosen
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var runs []noiseRun
	now := map[string]noiseSecond{}
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		fields := strings.Fields(scan.Text())
		switch fields[0] {
		case "run":
			runs = append(runs, noiseRun{id: fields[1], valid: fields[2] == "true", lag: integers(t, fields[3:])})
		case "second":
			last := &runs[len(runs)-1]
			last.seconds = append(last.seconds, now)
			now = map[string]noiseSecond{}
		default:
			numbers := integers(t, fields[1:])
			for i := 2; i < len(numbers); i++ {
				numbers[i] += numbers[i-1]
			}
			now[fields[0]] = noiseSecond{n: numbers[0], bulk: numbers[1 : 1+deciles], top: numbers[1+deciles:]}
		}
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	return runs
}

func integers(t testing.TB, fields []string) []int {
	t.Helper()
	var out []int
	for _, x := range fields {
		v, err := strconv.Atoi(x)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// demands are the objectives by which the recorded runs were valid: the acceptance document's.
func demands(t testing.TB) []scenarios.Objective {
	t.Helper()
	o, err := scenarios.ParseObjective("p50 < 200ms")
	if err != nil {
		t.Fatal(err)
	}
	return []scenarios.Objective{o}
}

// values are the response times of the second, ascending and in tenths of a millisecond, the
// lower ones read off their deciles.
func (s noiseSecond) values() []int {
	all := make([]int, 0, s.n)
	lower := s.n - len(s.top)
	for i := range lower {
		at := float64(i) / float64(max(1, lower-1)) * (deciles - 1)
		j := min(int(at), deciles-2)
		v := float64(s.bulk[j]) + (at-float64(j))*float64(s.bulk[j+1]-s.bulk[j])
		all = append(all, int(v+0.5))
	}
	return append(all, s.top...)
}

// blockLength is how many consecutive seconds stay together when a run is resampled.
const blockLength = 5

// synthetic makes a run of the given judged seconds out of a recorded one: blocks of its seconds,
// drawn with replacement (the moving block bootstrap: Kuensch, Annals of Statistics 17 (1989)
// 1217), so that the run has the recorded run's level and its waves. slower changes each time.
// It goes the way of every record: observation, summary, metrics.
func synthetic(t testing.TB, r noiseRun, rng *rand.Rand, seconds int, slower func(time.Duration) time.Duration) compare.Run {
	t.Helper()
	lanes := []string{"auth", "dialogue", "message"}
	rates := map[string]float64{"auth": 50, "dialogue": 150, "message": 350}
	h := observation.Header{ID: r.id, Name: "arq-uat", StartedAt: time.Date(2026, 11, 25, 16, 0, 0, 0, time.UTC), Environment: map[string]string{"host": "vm"},
		Phases: []observation.Phase{{Name: "steady", Judged: true, End: observation.Seconds(time.Duration(seconds) * time.Second)}}}
	for _, l := range lanes {
		n := uint64(rates[l]) * uint64(seconds)
		h.Lanes = append(h.Lanes, observation.Lane{Scenario: l, Steps: []string{"x"}, RatePerS: rates[l], InFlight: 1000, PlannedRun: n, PlannedJudg: n})
	}
	var m observation.Memory
	if err := m.Begin(h); err != nil {
		t.Fatal(err)
	}
	from := 0
	for s := range seconds {
		if s%blockLength == 0 {
			from = rng.IntN(len(r.seconds) - blockLength + 1)
		}
		sec := observation.Second{Start: observation.Seconds(time.Duration(s) * time.Second), Length: observation.Seconds(time.Second), Phase: "steady", Judged: true, Scenarios: map[string]*observation.LaneSecond{}}
		var intervals []observation.Interval
		for _, l := range lanes {
			hh := hist.New()
			values := r.seconds[from+s%blockLength][l].values()
			for i := 0; i < len(values); {
				same := i
				for i < len(values) && values[i] == values[same] {
					i++
				}
				hh.RecordN(slower(time.Duration(values[same])*100*time.Microsecond), int64(i-same))
			}
			n := uint64(hh.Count())
			tally := observation.Tally{Planned: n, Sent: n, Results: observation.Results{OK: n}}
			sec.Scenarios[l] = &observation.LaneSecond{Tally: tally, Requests: n, CompletedOK: n}
			sec.Tally.Add(&tally)
			sec.Requests, sec.CompletedOK, sec.Completed = sec.Requests+n, sec.CompletedOK+n, sec.Completed+n
			intervals = append(intervals, observation.Interval{Series: observation.Series{Scenario: l, Step: observation.All, Outcome: observation.OK, Clock: observation.Response}, Hist: hh})
		}
		if s == 0 {
			lag := hist.New()
			for _, v := range r.lag {
				lag.RecordN(time.Duration(v)*10*time.Microsecond, 330)
			}
			intervals = append(intervals, observation.Interval{Series: observation.Series{Scenario: lanes[0], Step: observation.All, Outcome: observation.Started, Clock: observation.Lag}, Hist: lag})
		}
		if err := m.Second(sec, intervals); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.End(observation.Footer{Ended: observation.Seconds(time.Duration(seconds) * time.Second)}); err != nil {
		t.Fatal(err)
	}
	return compare.Of(analysis.Summarize(&m.Run))
}
