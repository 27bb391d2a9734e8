package analysis

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
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
	d, batches, _ := s.divisors(s.shares(sim.o, p), limit)
	k, n := float64(s.bad(sim.o, p, false).high), float64(p.Planned)
	at := looksOf(s.Header)
	return s.Judged >= gateLeast && at.below(k/d.met, n/d.met, limit) || at.above(k/d.missed, n/d.missed, limit) || batches >= minBatches && anyhow(k, n) >= limit
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

// atLimit are the worlds in which every objective of a kind is simulated with its truth exactly at the
// limit. In a run of n arrivals m = n*limit/3; under a gate it is the 3 that a proof there must allow for.
func shareWorlds(m float64, gate bool) []world {
	m = max(1, math.Floor(m))
	all := []world{independent, fixed(m), uniform(m), mixed(m), fixed(3 * m), stalls}
	if !gate { // under a gate the truth until now is not that of the whole rise
		all = append(all, rising)
	}
	for _, tau := range []int{1, 5, 20} {
		all = append(all, shareAt(fmt.Sprintf("wave %ds", 2*tau), 2*time.Duration(tau)*time.Second, slowWave(float64(tau))))
	}
	return append(all, shareAt("episodes of 20s", 20*time.Second, steps(20)))
}

func meanWorlds() []world {
	all := []world{normalAt("independent", 0, func(r *rand.Rand, n int) []float64 { return slowWave(0.01)(r, n) })}
	for _, tau := range []int{1, 5, 20} {
		all = append(all, normalAt(fmt.Sprintf("wave %ds", 2*tau), 2*time.Duration(tau)*time.Second, slowWave(float64(tau))))
	}
	return append(all, normalAt("episodes of 20s", 20*time.Second, steps(20)))
}

// runAll runs cells on all processors.
func runAll(cells []cell) []rates {
	out := make([]rates, len(cells))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				out[i] = cells[i].run()
			}
		})
	}
	for i := range cells {
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}

// tolerated is 5% and four standard deviations of so many simulated runs.
func tolerated(runs int) float64 {
	const p = 1 - Confidence
	return p + 4*math.Sqrt(p*(1-p)/float64(runs))
}

// TestCalibration holds the promise of every verdict: with the truth exactly at the limit, at most 5%
// of runs are called met, and at most 5% missed, as far as the scope that is stated with the verdict
// reaches. With -calibrate it prints the whole table.
func TestCalibration(t *testing.T) {
	var cells []cell
	add := func(o string, w world, seconds int, gate bool, runs int) {
		truth := 1.0
		if strings.HasPrefix(o, "throughput") {
			truth = 0
		}
		cells = append(cells, cell{o, w, seconds, gate, truth, runs})
	}
	shares := []string{"error_rate < 0.05%", "availability > 99.95%", "p99 < 2s", "p95 < 1s", "p50 < 200ms"}
	means := []string{"throughput >= 1000/s", "cache_hit_ratio > 85%"}
	lengths, gateSeconds, runs, gateRuns := []int{20, 60, 300}, 300, 2000, 400
	if !*calibrate {
		shares, means = []string{"error_rate < 0.05%", "p99 < 2s"}, []string{"throughput >= 1000/s"}
		lengths, gateSeconds, runs, gateRuns = []int{60}, 60, 250, 50
	}
	for _, text := range shares {
		o, err := scenarios.ParseObjective(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range lengths {
			for _, w := range shareWorlds(float64(n)*perSecond*LimitShare(o)/3, false) {
				if LimitShare(o) < 0.5 || w.cluster == 0 { // half of all arrivals in clusters do not stay apart
					add(text, w, n, false, runs)
				}
			}
		}
		if o.Metric == scenarios.MetricAvailability {
			continue // of availability the same counts as of error_rate
		}
		for _, w := range shareWorlds(gateCluster, true) {
			if LimitShare(o) < 0.5 || w.cluster == 0 {
				add(text, w, gateSeconds, true, gateRuns)
			}
		}
	}
	for _, text := range means {
		for _, w := range meanWorlds() {
			if strings.HasPrefix(text, "cache") {
				l := map[string]levels{"wave 2s": slowWave(1), "wave 10s": slowWave(5), "wave 40s": slowWave(20), "episodes of 20s": steps(20)}[w.name]
				if w = shareAt(w.name, w.episode, l); l == nil {
					w = independent
				}
			}
			for _, n := range lengths {
				add(text, w, n, false, runs)
			}
			add(text, w, gateSeconds, true, gateRuns)
		}
	}
	if !*calibrate { // what no scope is stated for decides nothing here
		cells = slices.DeleteFunc(cells, func(c cell) bool {
			return c.world.episode > time.Duration(c.seconds)*time.Second/episodes || c.gate && c.world.cluster > gateCluster
		})
	}
	got := runAll(cells)
	for i, c := range cells {
		limit := tolerated(c.runs)
		if g := got[i]; g.metStated > limit || g.missStated > limit {
			t.Errorf("%s in %s, %d s, gate %v: at the limit %.1f%% of %d runs are met and %.1f%% missed within the stated scope; 5%% may be",
				c.objective, c.world.name, c.seconds, c.gate, 100*g.metStated, c.runs, 100*g.missStated)
		}
	}
	if *calibrate {
		printCalibration(cells, got)
	}
}

// TestALongerRunLeavesLessUnproven, and a run that is clearly good or bad is seen to be so.
func TestALongerRunLeavesLessUnproven(t *testing.T) {
	runs := 100
	if *calibrate {
		runs = 2000
	}
	var cells []cell
	for _, truth := range []float64{0.5, 1.5} {
		for _, n := range []int{20, 60, 300} {
			cells = append(cells, cell{"error_rate < 0.05%", independent, n, false, truth, runs})
		}
	}
	got := runAll(cells)
	for i, c := range cells {
		if i%3 > 0 && got[i].unproven >= got[i-1].unproven {
			t.Errorf("%g times the limit: %.0f%% of runs of %d s are unproven, of %d s %.0f%%", c.truth, 100*got[i].unproven, c.seconds, cells[i-1].seconds, 100*got[i-1].unproven)
		}
		if c.seconds == 300 && got[i].unproven > 0.1 {
			t.Errorf("%g times the limit: %.0f%% of runs of %d s are unproven", c.truth, 100*got[i].unproven, c.seconds)
		}
		if *calibrate {
			fmt.Printf("error_rate at %g of its limit, independent, %d s: %.1f%% met, %.1f%% missed, %.1f%% unproven\n", c.truth, c.seconds, 100*got[i].met, 100*got[i].missed, 100*got[i].unproven)
		}
	}
}

// TestAGateEndsSoonWhereTheAnswerIsPlain: a clean system within about 20 s, one with 1% errors
// within 3 s.
func TestAGateEndsSoonWhereTheAnswerIsPlain(t *testing.T) {
	at1100 := world{name: "clean", counts: func(_ *rand.Rand, n int, _ float64) []float64 { return make([]float64, n) }}
	steady := world{name: "steady", counts: func(_ *rand.Rand, n int, _ float64) []float64 { return make([]float64, n) }}
	runs := 50
	if *calibrate {
		runs = 500
	}
	cells := []cell{
		{"error_rate < 0.05%", at1100, 60, true, 0, 1},
		{"error_rate < 0.05%", independent, 60, true, 20, runs}, // 1%
		{"error_rate < 0.05%", independent, 150, true, 0.2, runs},
		{"throughput >= 1000/s", steady, 60, true, 100. / 30, 1},
	}
	got := runAll(cells)
	if g := got[0]; g.met != 1 || g.seconds > 23 || g.seconds < 20 {
		t.Errorf("nothing bad at 1000/s: %+v", g)
	}
	if g := got[1]; g.missed < 0.99 || g.seconds > 3 {
		t.Errorf("1%% errors: missed %.0f%%, after %d s by the median", 100*g.missed, g.seconds)
	}
	if g := got[2]; g.met < 0.8 {
		t.Errorf("0.01%% errors: %.0f%% met within 150 s", 100*g.met)
	}
	if g := got[3]; g.met != 1 || g.seconds > 20 {
		t.Errorf("1100/s in every second: %+v", g)
	}
	if *calibrate {
		for i, c := range cells {
			fmt.Printf("gate, %s, %s, truth %g: met %.1f%%, missed %.1f%%, median %d s\n", c.objective, c.world.name, c.truth, 100*got[i].met, 100*got[i].missed, got[i].seconds)
		}
	}
}

// printCalibration prints a row a world, with the highest rates of all objectives of a kind.
func printCalibration(cells []cell, got []rates) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "objective\tworld\tlength\tmet\tmissed\tmet in scope\tmissed in scope\tunproven")
	type key struct {
		mean  bool
		world string
	}
	kind := regexp.MustCompile(`[0-9]+`)
	worst := map[key]map[string]rates{}
	var order []key
	for i, c := range cells {
		g, length := got[i], fmt.Sprintf("%d s", c.seconds)
		if c.gate {
			length = "gate"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f%%\t%.1f%%\t%.1f%%\t%.1f%%\t%.1f%%\n", c.objective, c.world.name, length, 100*g.met, 100*g.missed, 100*g.metStated, 100*g.missStated, 100*g.unproven)
		k := key{strings.HasPrefix(c.objective, "throughput") || strings.HasPrefix(c.objective, "cache"), c.world.name}
		if strings.Contains(k.world, "clusters") { // their size goes with length and limit
			o, _ := scenarios.ParseObjective(c.objective)
			m := max(1, math.Floor(float64(c.seconds)*perSecond*LimitShare(o)/3))
			if c.gate {
				m = gateCluster
			}
			size := "m"
			if c.world.cluster > m {
				size = "3m"
			}
			k.world = strings.Replace(kind.ReplaceAllString(k.world, "M"), "M to M", "1 to m", 1)
			k.world = strings.Replace(k.world, "M", size, 1)
		}
		if worst[k] == nil {
			worst[k] = map[string]rates{}
			order = append(order, k)
		}
		x := worst[k][length]
		worst[k][length] = rates{met: max(x.met, g.met), missed: max(x.missed, g.missed), metStated: max(x.metStated, g.metStated), missStated: max(x.missStated, g.missStated)}
	}
	w.Flush()
	fmt.Println("\n| truth at the limit | 20 s | 60 s | 300 s | gate, up to 300 s |\n|---|---|---|---|---|")
	for _, k := range order {
		of := "share"
		if k.mean {
			of = "mean"
		}
		fmt.Printf("| %s: %s |", of, k.world)
		for _, length := range []string{"20 s", "60 s", "300 s", "gate"} {
			g, ok := worst[k][length]
			if !ok {
				fmt.Print(" - |")
				continue
			}
			if g.metStated+g.missStated == 0 && g.met > 0.005 {
				fmt.Print(" out") // of the scope that the verdicts state
			} else {
				fmt.Printf(" %.1f / %.1f", 100*g.metStated, 100*g.missStated)
			}
			if g.met > g.metStated+0.005 || g.missed > g.missStated+0.005 {
				fmt.Printf(" (%.0f / %.0f)", 100*g.met, 100*g.missed)
			}
			fmt.Print(" |")
		}
		fmt.Println()
	}
}
