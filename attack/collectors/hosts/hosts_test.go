package hosts

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
)

// serve is a server of some text.
func serve(t *testing.T, text string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/metrics"
}

func exporterText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/node_exporter.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func open(t *testing.T, hosts ...string) *Collector {
	t.Helper()
	c, err := Open(t.Context(), hosts, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func sample(t *testing.T, c *Collector) observation.Hosts {
	t.Helper()
	data, err := c.Sample(t.Context(), collectors.Tick{})
	if err != nil {
		t.Fatal(err)
	}
	return data.(observation.Hosts)
}

func TestANodeExporterIsReadWhole(t *testing.T) {
	url := serve(t, exporterText(t))
	got := sample(t, open(t, url)).Hosts[0]
	want := observation.Host{
		Name: strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics"), BootTime: 1795612720, CPUs: 2,
		// CPU 0: 1 + 25.25 + 1.75 + 2 + 96 + 250 = 376; CPU 1: 24 + 3 + 2 + 101 + 264 = 394. Idle and iowait: 849 and 817.
		CPUBusy: seconds(770), CPUAll: seconds(2436),
		MemoryTotal: 25276510208, MemoryAvailable: 24507768832,
		// xvdb1 is a disk: there is no xvdb of which it could be a part.
		Disks: []observation.Disk{
			{Name: "nvme0n1", ReadBytes: 2001671168, WrittenBytes: 2337198080, Busy: seconds(27.916)},
			{Name: "sda", ReadBytes: 4096, WrittenBytes: 8192, Busy: seconds(1.5)},
			{Name: "xvdb1", WrittenBytes: 512, Busy: seconds(4)},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}
}

func TestWhatAnExporterDoesNotTellIsMissingAndNot0(t *testing.T) {
	var some []string
	for line := range strings.Lines(exporterText(t)) {
		if strings.Contains(line, "node_cpu_seconds_total") {
			some = append(some, line)
		}
	}
	got := sample(t, open(t, serve(t, strings.Join(some, "")))).Hosts[0]
	if diff := cmp.Diff([]string{"memory", "disk"}, got.Missing); diff != "" || got.CPUs != 2 {
		t.Errorf("%+v, missing (-want +got):\n%s", got, diff)
	}
}

func TestOneHostThatFailsDoesNotTakeTheOthers(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	other := serve(t, "# TYPE up gauge\nup 1\n")
	c := open(t, gone.URL+"/metrics", serve(t, exporterText(t)), other)
	hosts := sample(t, c).Hosts
	if e := hosts[0].Error; !strings.Contains(e, gone.URL+"/metrics: dial tcp") || !strings.Contains(e, "does it run there") {
		t.Errorf("error of the one that is gone: %s", e)
	}
	if hosts[0].Name != strings.TrimPrefix(gone.URL, "http://") {
		t.Errorf("it is called %s", hosts[0].Name)
	}
	if hosts[1].Error != "" || hosts[1].CPUs != 2 {
		t.Errorf("the one that answers: %+v", hosts[1])
	}
	if e := hosts[2].Error; !strings.Contains(e, other) || !strings.Contains(e, "is this a node exporter?") {
		t.Errorf("error of what is no node exporter: %s", e)
	}
	if _, err := Open(t.Context(), []string{gone.URL, other}, ""); err == nil || !strings.Contains(err.Error(), gone.URL) || !strings.Contains(err.Error(), other) {
		t.Errorf("opening hosts of which none answers: %v", err)
	}
}

func TestASlowHostDelaysTheSampleNotTheOtherHosts(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	opening, done := context.WithTimeout(ctx, 200*time.Millisecond)
	defer done()
	c, err := Open(opening, []string{serve(t, exporterText(t)), slow.URL}, "")
	if err != nil {
		t.Fatal(err)
	}
	data, err := c.Sample(ctx, collectors.Tick{})
	if err != nil {
		t.Fatal(err)
	}
	hosts := data.(observation.Hosts).Hosts
	if hosts[0].Error != "" || !strings.Contains(hosts[1].Error, "no whole answer within") {
		t.Errorf("fast: %q, slow: %q", hosts[0].Error, hosts[1].Error)
	}
}

func TestHostsBehindOneAddressAreToldApart(t *testing.T) {
	got := names([]string{"local", "http://a:9100/metrics", "http://gateway/one/metrics", "http://gateway/two/metrics?x=1"})
	if diff := cmp.Diff([]string{"local", "a:9100", "gateway/one/metrics", "gateway/two/metrics?x=1"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestThisMachineIsReadByItsProc(t *testing.T) {
	proc := filepath.Join(t.TempDir(), "proc")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(proc, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := machine{proc: proc, sys: proc}
	if _, err := m.read(); err == nil || !strings.Contains(err.Error(), "name a node exporter instead") {
		t.Errorf("a machine without /proc: %v", err)
	}
	write("stat", "cpu  1000 100 500 8000 300 20 30 50 900 0\ncpu0 500 50 250 4000 150 10 15 25 450 0\ncpu1 500 50 250 4000 150 10 15 25 450 0\nbtime 1795612720\n")
	write("meminfo", "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\n")
	write("diskstats", "   8       0 sda 5 0 10 7 3 0 4 9 0 1500 16\n   8       1 sda1 5 0 10 7 3 0 4 9 0 1500 16\n   7       0 loop0 5 0 10 7 3 0 4 9 0 1500 16\n")
	got, err := m.read()
	if err != nil {
		t.Fatal(err)
	}
	want := observation.Host{BootTime: 1795612720, CPUs: 2,
		// Hundredths of a second: 1000 + 100 + 500 + 20 + 30 + 50 busy, 8000 + 300 idle; a guest's 900 are in the 1000.
		CPUBusy: seconds(17), CPUAll: seconds(100), MemoryTotal: 1000 * 1024, MemoryAvailable: 250 * 1024,
		Disks: []observation.Disk{{Name: "sda", ReadBytes: 10 * 512, WrittenBytes: 4 * 512, Busy: seconds(1.5)}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}
	// A kernel before 3.14 does not tell what is available.
	write("meminfo", "MemTotal:       1000 kB\nMemFree:         100 kB\n")
	if got, err = m.read(); err != nil || !cmp.Equal(got.Missing, []string{"memory"}) {
		t.Errorf("without MemAvailable: missing %v, %v", got.Missing, err)
	}
}

// 0.29 s are 289999999.99999997 ns as floats go.
func TestHundredthsOfASecondAreReadExactly(t *testing.T) {
	for n := range 100000 {
		if got, want := seconds(float64(n)/100).Duration(), time.Duration(n)*10*time.Millisecond; got != want {
			t.Fatalf("%d hundredths are %v, want %v", n, got, want)
		}
	}
}

// The real machine: one CPU kept busy for a while shows in its counters.
func TestTheRealMachineTellsItsCPU(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("local reads /proc, which only Linux has")
	}
	c := open(t, Local)
	before, start := sample(t, c).Hosts[0], time.Now()
	for time.Since(start) < 300*time.Millisecond {
	}
	after, wall := sample(t, c).Hosts[0], time.Since(start)
	if after.Name != Local || after.CPUs < runtime.NumCPU() || after.BootTime < 1e9 {
		t.Errorf("host = %+v", after)
	}
	if after.MemoryAvailable <= 0 || after.MemoryAvailable >= after.MemoryTotal {
		t.Errorf("memory: %d available of %d", after.MemoryAvailable, after.MemoryTotal)
	}
	busy, all := (after.CPUBusy - before.CPUBusy).Duration(), (after.CPUAll - before.CPUAll).Duration()
	// The kernel counts in hundredths of a second, a CPU each.
	if busy < 200*time.Millisecond || busy > all || all > time.Duration(after.CPUs)*(wall+100*time.Millisecond) {
		t.Errorf("%v busy of %v in %v of %d CPUs, of which one was busy", busy, all, wall, after.CPUs)
	}
}
