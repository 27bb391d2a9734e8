package analysis

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/scenarios"

	"gonum.org/v1/gonum/stat/distuv"
)

var calibrate = flag.Bool("calibrate", false, "print the whole table of TestCalibration")

// perSecond is the load of every simulated run.
const perSecond = 1000

// world is a system whose truth is known. counts gives how many of perSecond arrivals are bad
// in each second of a run in which the share of bad ones is p on the long average; for a
// mean it gives deviations from it.
type world struct {
	name    string
	cluster float64       // the largest cluster of bad ones; 0: none
	episode time.Duration // the longest episode; 0: none
	counts  func(r *rand.Rand, seconds int, p float64) []float64
}

// level turns a standard normal level w of a second into the share of bad ones in it: arrivals are
// bad where their own normal and the level's, in the proportion 1 : b, exceed a limit that
// leaves p on the average.
func level(p, b, w float64) float64 {
	return distuv.UnitNormal.CDF(math.Sqrt(1+b*b)*distuv.UnitNormal.Quantile(p) + b*w)
}

const swing = 0.3 // b: at 1% the share goes from 0.5% to 1.9% (one deviation either way)

func binomial(r *rand.Rand, p float64) float64 {
	return distuv.Binomial{N: perSecond, P: p, Src: r}.Rand()
}

var independent = world{name: "independent", counts: func(r *rand.Rand, seconds int, p float64) []float64 {
	out := make([]float64, seconds)
	for i := range out {
		out[i] = binomial(r, p)
	}
	return out
}}

// clusters come at random instants; each has size(r) arrivals in a row, mean on the average.
func clusters(name string, largest, mean float64, size func(r *rand.Rand) float64) world {
	return world{name: name, cluster: largest, counts: func(r *rand.Rand, seconds int, p float64) []float64 {
		out := make([]float64, seconds)
		n := distuv.Poisson{Lambda: float64(seconds) * perSecond * p / mean, Src: r}.Rand()
		for range int(n) {
			at := r.Float64() * float64(seconds) * perSecond
			for left := size(r); left > 0; {
				i := int(at / perSecond)
				if i >= seconds {
					break
				}
				some := math.Ceil(min(left, float64(i+1)*perSecond-at))
				out[i] = min(perSecond, out[i]+some)
				left -= some
				at += some
			}
		}
		return out
	}}
}

func fixed(m float64) world {
	return clusters(fmt.Sprintf("clusters of %g", m), m, m, func(*rand.Rand) float64 { return m })
}

func uniform(m float64) world {
	return clusters(fmt.Sprintf("clusters of 1 to %g", m), m, (m+1)/2, func(r *rand.Rand) float64 { return 1 + float64(r.IntN(int(m))) })
}

// mixed: half of the bad ones come one by one, half in clusters of m.
func mixed(m float64) world {
	return clusters(fmt.Sprintf("singles, clusters of %g", m), m, 2*m/(m+1), func(r *rand.Rand) float64 {
		if r.Float64()*(m+1) < m {
			return 1
		}
		return m
	})
}

// stalls of 100 ms come at random; what arrives in one is bad.
var stalls = world{name: "stalls of 100ms", cluster: perSecond / 10, counts: func(r *rand.Rand, seconds int, p float64) []float64 {
	const length = 0.1
	rate := -math.Log1p(-p) / length
	out := make([]float64, seconds)
	end := 0.0
	for at := -length + r.ExpFloat64()/rate; at < float64(seconds); at += r.ExpFloat64() / rate {
		from, to := max(end, at, 0), min(at+length, float64(seconds))
		end = max(end, to)
		for from < to {
			i := int(from)
			edge := min(to, float64(i+1))
			out[i] = min(perSecond, out[i]+math.Round((edge-from)*perSecond))
			if edge == from {
				break
			}
			from = edge
		}
	}
	return out
}}

// levels are standard normal, one a second, and resemble their neighbours.
type levels func(r *rand.Rand, seconds int) []float64

func slowWave(tau float64) levels { // first-order autoregression
	return func(r *rand.Rand, seconds int) []float64 {
		out, keep, w := make([]float64, seconds), math.Exp(-1/tau), r.NormFloat64()
		for i := range out {
			out[i] = w
			w = keep*w + math.Sqrt(1-keep*keep)*r.NormFloat64()
		}
		return out
	}
}

func steps(length int) levels { // another level every so many seconds
	return func(r *rand.Rand, seconds int) []float64 {
		out, w, offset := make([]float64, seconds), r.NormFloat64(), r.IntN(length)
		for i := range out {
			if (i+offset)%length == 0 {
				w = r.NormFloat64()
			}
			out[i] = w
		}
		return out
	}
}

func normalAt(name string, episode time.Duration, l levels) world {
	return world{name: name, episode: episode, counts: func(r *rand.Rand, seconds int, _ float64) []float64 { return l(r, seconds) }}
}

func shareAt(name string, episode time.Duration, l levels) world {
	return world{name: name, episode: episode, counts: func(r *rand.Rand, seconds int, p float64) []float64 {
		out := l(r, seconds)
		for i, w := range out {
			out[i] = binomial(r, level(p, swing, w))
		}
		return out
	}}
}

var rising = world{name: "rising or falling", counts: func(r *rand.Rand, seconds int, p float64) []float64 {
	out, slope := make([]float64, seconds), 0.8
	if r.IntN(2) == 0 {
		slope = -slope
	}
	for i := range out {
		out[i] = binomial(r, p*(1+slope*(2*(float64(i)+0.5)/float64(seconds)-1)))
	}
	return out
}}

// simulated is a run that grows second by second and is judged as a real one is.
type simulated struct {
	s Summary
	o scenarios.Objective
}

func newSimulated(text string, gate bool) *simulated {
	o, err := scenarios.ParseObjective(text)
	if err != nil {
		panic(err)
	}
	sim := &simulated{o: o}
	sim.s.Header.Gate = gate
	sim.s.Total.Response, sim.s.Total.Service = hist.New(), hist.New()
	sim.s.Header.Counters = []observation.Counter{{Over: observation.Key(o.LimitDuration(), false)}}
	return sim
}

// second adds one with so many bad of perSecond arrivals; of a throughput, so many over
// the limit; of a hit ratio, so many misses of perSecond reads.
func (sim *simulated) second(bad float64) {
	s, p := &sim.s, &sim.s.Total
	t := observation.Tally{Planned: perSecond, Sent: perSecond}
	sec := second{start: observation.Seconds(s.Judged), length: time.Second}
	n := uint64(bad)
	switch sim.o.Metric {
	case scenarios.MetricThroughput:
		sec.completed = uint64(math.Round(sim.o.Limit + bad))
		t.OK = perSecond
	case scenarios.MetricCacheHits:
		s.Cache.Available = true
		s.Cache.Intervals = append(s.Cache.Intervals, CacheInterval{Hits: perSecond - int64(n), Misses: int64(n)})
		s.Cache.Hits += perSecond - int64(n)
		s.Cache.Misses += int64(n)
	case scenarios.MetricQuantile:
		t.OK, t.Over = perSecond, map[string]uint64{sim.s.Header.Counters[0].Over: n}
	default:
		t.OK, t.Failed, t.Errors = perSecond-n, n, map[observation.Class]uint64{observation.HTTP5xx: n}
	}
	sec.tally = t
	p.Tally.Add(&t)
	p.CompletedOK += sec.completed
	p.seconds = append(p.seconds, sec)
	s.Judged += time.Second
}

// decided reports whether a run that is looked at every second would end now.
func (sim *simulated) decided() bool {
	s, p := &sim.s, &sim.s.Total
	if sim.o.Metric == scenarios.MetricThroughput || sim.o.Metric == scenarios.MetricCacheHits {
		v := s.JudgeObjective(sim.o)
		return v.Outcome == Met || v.Outcome == Missed
	}
	limit := LimitShare(sim.o)
	d, _, _ := s.divisors(s.shares(sim.o, p), limit)
	k, n := float64(s.bad(sim.o, p, false).high), float64(p.Planned)
	return always{}.below(k/d.met, n/d.met, limit) || always{}.above(k/d.missed, n/d.missed, limit)
}

// cell is one row of the table: an objective, a world, a length, a truth.
type cell struct {
	objective string
	world     world
	seconds   int
	gate      bool
	truth     float64 // share of bad ones by the limit's; of a throughput the mean's distance from the limit in deviations of a second
	runs      int
}

// rates are what became of a cell's runs, in shares of them.
type rates struct {
	met, missed           float64
	metStated, missStated float64 // where the scope that the verdict states holds the world
	unproven              float64
	seconds               int // median of those decided
}

func (c cell) run() rates {
	h := fnv.New64()
	fmt.Fprint(h, c.objective, c.world.name, c.seconds, c.gate, c.truth)
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	var got rates
	var ends []int
	add := 1 / float64(c.runs)
	for range c.runs {
		sim := newSimulated(c.objective, c.gate)
		var bad []float64
		if sim.o.Metric == scenarios.MetricThroughput {
			bad = c.world.counts(r, c.seconds, 0)
			for i := range bad {
				bad[i] = 30 * (bad[i] + c.truth)
			}
		} else {
			bad = c.world.counts(r, c.seconds, c.truth*limitShare(sim.o))
		}
		var v Result
		for i, b := range bad {
			sim.second(b)
			// JudgeObjective looks for bounds too, which takes long; in between only the test that
			// they invert is asked, and now and then whether both agree.
			known := c.gate && sim.decided()
			if known || i == len(bad)-1 || c.gate && i%50 == 25 {
				v = sim.s.JudgeObjective(sim.o)
				if c.gate && known != (v.Outcome == Met || v.Outcome == Missed) {
					panic(fmt.Sprintf("%s in %s: the test says decided %v, the verdict %s: %s", c.objective, c.world.name, known, v.Outcome, v.Reason))
				}
			}
			if v.Outcome == Met || v.Outcome == Missed {
				ends = append(ends, i+1)
				break
			}
		}
		mean := sim.o.Metric == scenarios.MetricThroughput || sim.o.Metric == scenarios.MetricCacheHits
		stated := (mean || float64(v.Cluster) >= c.world.cluster) && v.Episode >= c.world.episode
		switch v.Outcome {
		case Met:
			got.met += add
			if stated {
				got.metStated += add
			}
		case Missed:
			got.missed += add
			if stated {
				got.missStated += add
			}
		default:
			got.unproven += add
		}
	}
	if len(ends) > 0 {
		slices.Sort(ends)
		got.seconds = ends[len(ends)/2]
	}
	return got
}

func limitShare(o scenarios.Objective) float64 {
	if o.Metric == scenarios.MetricCacheHits {
		return 1 - o.Limit
	}
	return LimitShare(o)
}

// explore is temporary
func TestExplore(t *testing.T) {
	if !*calibrate {
		t.Skip()
	}
	var cells []cell
	add := func(o string, w world, n int, gate bool, runs int, truths ...float64) {
		for _, x := range truths {
			cells = append(cells, cell{o, w, n, gate, x, runs})
		}
	}
	for _, n := range []int{20, 60, 300} {
		for _, o := range []string{"error_rate < 0.05%", "p99 < 2s", "p95 < 1s"} {
			ws := []world{independent, shareAt("wave 1", time.Second, slowWave(1)), shareAt("wave 5", 5*time.Second, slowWave(5)), shareAt("steps 20s", 20*time.Second, steps(20))}
			for _, w := range ws {
				add(o, w, n, false, 1500, 1)
			}
			add(o, independent, n, false, 600, 0.5, 0.7)
		}
		add("throughput >= 1000/s", normalAt("independent", 0, slowWave(.01)), n, false, 2000, 0)
		add("throughput >= 1000/s", normalAt("wave 1", time.Second, slowWave(1)), n, false, 2000, 0)
		add("throughput >= 1000/s", normalAt("wave 5", 5*time.Second, slowWave(5)), n, false, 2000, 0)
		add("throughput >= 1000/s", normalAt("steps 20", 20*time.Second, steps(20)), n, false, 2000, 0)
	}
	for _, o := range []string{"error_rate < 0.05%", "p99 < 2s"} {
		for _, w := range []world{independent, fixed(3), fixed(10), mixed(3), stalls, shareAt("wave 1", time.Second, slowWave(1)), shareAt("wave 5", 5*time.Second, slowWave(5)), shareAt("steps 20s", 20*time.Second, steps(20))} {
			add(o, w, 300, true, 500, 1)
		}
		add(o, independent, 300, true, 200, 0, 0.2, 0.5, 2, 20)
	}
	add("throughput >= 1000/s", normalAt("independent", 0, slowWave(.01)), 300, true, 1000, -1, 0, 1)
	add("throughput >= 1000/s", normalAt("wave 1", time.Second, slowWave(1)), 300, true, 1000, 0)
	add("throughput >= 1000/s", normalAt("wave 5", 5*time.Second, slowWave(5)), 300, true, 1000, 0)
	add("throughput >= 1000/s", normalAt("steps 20", 20*time.Second, steps(20)), 300, true, 1000, 0)
	out := make([]rates, len(cells))
	var wg sync.WaitGroup
	ch := make(chan int)
	for range 2 {
		wg.Go(func() {
			for i := range ch {
				out[i] = cells[i].run()
			}
		})
	}
	for i := range cells {
		ch <- i
	}
	close(ch)
	wg.Wait()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "objective\tworld\ts\tgate\ttruth\tmet\tmissed\tmet,stated\tmissed,stated\tunproven\tmedian s\t")
	for i, c := range cells {
		g := out[i]
		fmt.Fprintf(w, "%s\t%s\t%d\t%v\t%g\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t\n", c.objective, c.world.name, c.seconds, c.gate, c.truth, g.met*100, g.missed*100, g.metStated*100, g.missStated*100, g.unproven*100, g.seconds)
	}
	w.Flush()
}
