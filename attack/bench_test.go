package attack_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/attack/attacktest"
)

// envServe makes the test binary the system under test, which answers after that time: a
// process of its own, so that its CPU is not counted as the generator's.
const envServe = "ARQLOAD_TEST_SERVE"

func TestMain(m *testing.M) {
	if os.Getenv(envServe) == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("http://" + l.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		os.Exit(0)
	}()
	latency, _ := time.ParseDuration(os.Getenv(envServe))
	fmt.Fprintln(os.Stderr, http.Serve(l, attacktest.New(attacktest.Script{Latency: latency})))
}

// otherProcess starts the system in a process of its own.
func otherProcess(tb testing.TB, latency time.Duration) string {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envServe+"="+latency.String())
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(line)
}

const benchSeconds = 3

// side is what one side of a pair did.
type side struct {
	cpuPerRequest time.Duration
	okPerS        float64
	p50           time.Duration // of what it reports itself
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func ours(b *testing.B, base string, rt http.RoundTripper, rate int) side {
	p := planFor(b, base, fmt.Sprintf(`
load: [{scenario: auth, rate: %d/s}]
limits: {in_flight: 512}
phases: [{name: steady, duration: %ds}]
objectives: [p99 < 2s]
`, rate, benchSeconds))
	before := cpuTime()
	run := drive(b, b.Context(), p, rt)
	cpu := cpuTime() - before
	var ok uint64
	for _, s := range run.Seconds {
		if s.Judged {
			ok += s.CompletedOK
		}
	}
	h := run.Latency[observation.Series{Scenario: "auth", Step: observation.All, Outcome: observation.OK, Clock: observation.Response}]
	p50, _ := h.Quantile(0.5)
	return side{cpuPerRequest: cpu / time.Duration(total(run).Planned), okPerS: float64(ok) / benchSeconds, p50: p50}
}

// plain is Vegeta as its own documentation uses it: unbounded workers, results drained.
func plain(base string, rt http.RoundTripper, rate int) side {
	opts := []func(*vegeta.Attacker){vegeta.Timeout(10 * time.Second)}
	if rt != nil {
		opts = []func(*vegeta.Attacker){vegeta.Client(&http.Client{Transport: rt})}
	}
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: "POST", URL: base + "/api/auth/token",
		Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"password":"planted-password","username":"u"}`)})
	h := hist.New()
	before, began := cpuTime(), time.Now()
	n, ok := 0, 0
	for r := range vegeta.NewAttacker(opts...).Attack(target, vegeta.Rate{Freq: rate, Per: time.Second}, benchSeconds*time.Second, "") {
		n++
		if r.Error == "" {
			h.Record(r.Latency)
			if r.End().Sub(began) <= benchSeconds*time.Second {
				ok++
			}
		}
	}
	p50, _ := h.Quantile(0.5)
	return side{cpuPerRequest: (cpuTime() - before) / time.Duration(max(n, 1)), okPerS: float64(ok) / benchSeconds, p50: p50}
}

// pairs runs both sides in turn and reports medians.
func pairs(b *testing.B, first, second func() side) {
	var a, v []side
	var ratio []float64
	for b.Loop() {
		x, y := first(), second()
		a, v = append(a, x), append(v, y)
		ratio = append(ratio, float64(x.cpuPerRequest)/float64(y.cpuPerRequest))
	}
	median := func(list []side, f func(side) float64) float64 {
		var x []float64
		for _, s := range list {
			x = append(x, f(s))
		}
		slices.Sort(x)
		return x[len(x)/2]
	}
	slices.Sort(ratio)
	cpu := func(s side) float64 { return float64(s.cpuPerRequest) / 1e3 }
	b.ReportMetric(median(a, cpu), "cpu-us/req")
	b.ReportMetric(median(v, cpu), "vegeta-cpu-us/req")
	b.ReportMetric(ratio[len(ratio)/2], "cpu-ratio")
	b.ReportMetric(median(a, func(s side) float64 { return s.okPerS }), "ok/s")
	b.ReportMetric(median(v, func(s side) float64 { return s.okPerS }), "vegeta-ok/s")
	b.ReportMetric(median(a, func(s side) float64 { return float64(s.p50) / 1e6 }), "p50-ms")
	b.ReportMetric(median(v, func(s side) float64 { return float64(s.p50) / 1e6 }), "vegeta-p50-ms")
	b.ReportMetric(0, "ns/op") // an operation is seconds of load by design
}

func BenchmarkDriveInMemory(b *testing.B) {
	for _, rate := range []int{1000, 5000, 10_000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			system := attacktest.New(attacktest.Script{})
			pairs(b, func() side { return ours(b, "http://127.0.0.1:1", system, rate) },
				func() side { return plain("http://127.0.0.1:1", system, rate) })
		})
	}
}

func BenchmarkDriveLoopback(b *testing.B) {
	for _, c := range []struct{ rate, cores int }{{1000, 2}, {5000, 2}, {10_000, 2}, {10_000, 1}} {
		b.Run(fmt.Sprintf("rate=%d/cores=%d", c.rate, c.cores), func(b *testing.B) {
			base := otherProcess(b, 0)
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(c.cores))
			pairs(b, func() side { return ours(b, base, nil, c.rate) }, func() side { return plain(base, nil, c.rate) })
		})
	}
}

// BenchmarkMemory keeps slots busy with a system that takes a second to answer and prints
// the resident memory of the whole process, in MB and beyond an idle one in KB a slot.
func BenchmarkMemory(b *testing.B) {
	for _, slots := range []int{10, 1000, 4000} {
		b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) {
			base := otherProcess(b, time.Second)
			p := planFor(b, base, fmt.Sprintf(`
load: [{scenario: auth, rate: %d/s}]
limits: {in_flight: %d}
phases: [{name: steady, duration: 6s}]
objectives: [p99 < 2s]
`, slots, slots+slots/10))
			for b.Loop() {
				s := watched(b, p)
				b.ReportMetric(float64(s.Self.RSSMax)/1e6, "rss-MB")
				b.ReportMetric(float64(s.Generator.InFlightMax), "in-flight")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
