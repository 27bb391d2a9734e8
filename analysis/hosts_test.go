package analysis

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// hosts makes a run with two machines of 2 CPUs, sampled each second from -2 s to 23 s.
// Machine a is busy half of the time, b a quarter; each uses 60% of its memory, and writes
// 1 MB a second to a disk that is busy 30% of the time.
func hosts(t *testing.T, edit func(second int, h *observation.Hosts) error) *observation.Run {
	t.Helper()
	run := runOf()
	for s := -2; s <= 23; s++ {
		done := float64(s + 100)
		var h observation.Hosts
		for _, m := range []struct {
			name string
			busy float64
		}{{"a", 1}, {"b", 0.5}} {
			h.Hosts = append(h.Hosts, observation.Host{Name: m.name, BootTime: 1000, CPUs: 2,
				CPUBusy: observation.Seconds(m.busy * done * 1e9), CPUAll: observation.Seconds(2 * done * 1e9),
				MemoryTotal: 1000, MemoryAvailable: 400,
				Disks: []observation.Disk{{Name: "vda", ReadBytes: 7, WrittenBytes: int64(1e6 * done), Busy: observation.Seconds(0.3 * done * 1e9)}}})
		}
		var err error
		if edit != nil {
			err = edit(s, &h)
		}
		put(t, run, "hosts", float64(s), h, err)
	}
	return run
}

func judged(t *testing.T, s *Summary, text string) Result {
	t.Helper()
	o, err := scenarios.ParseObjective(text)
	if err != nil {
		t.Fatal(err)
	}
	return s.JudgeObjective(o)
}

func nearly(a *float64, b float64) bool { return a != nil && math.Abs(*a-b) < 1e-9 }

func TestHostsOfAQuietRun(t *testing.T) {
	s := Summarize(hosts(t, nil))
	h := s.Hosts
	if !h.Asked || !h.Available || len(h.Gaps) > 0 || h.Samples != 10 || h.Failed != 0 || h.SampleMax != 4*time.Millisecond {
		t.Fatalf("hosts = %+v, want all of it and 10 samples of 4 ms", h)
	}
	a, b := h.Hosts[0], h.Hosts[1]
	if !nearly(a.CPUMean, 0.5) || !nearly(a.CPUMax, 0.5) || !nearly(b.CPUMean, 0.25) || !nearly(a.MemoryMax, 0.6) || a.CPUs != 2 || a.MemoryTotal != 1000 {
		t.Errorf("a = %+v, b = %+v; want 50%% and 25%% of 2 CPUs, 60%% of 1000 bytes", a, b)
	}
	if d := a.Disks[0]; d.Name != "vda" || !nearly(&d.BusyMean, 0.3) || !nearly(&d.WrittenPerS, 1e6) || d.ReadPerS != 0 {
		t.Errorf("disk = %+v, want 1 MB/s written, 30%% busy", d)
	}
	for text, want := range map[string]Outcome{
		"host.cpu_share < 70%": Met, "host.cpu_share < 40%": Missed, // b's 25% does not help a's 50%
		"host.memory_share < 80%": Met, "host.memory_share < 60%": Missed, "host.memory_share <= 60%": Met,
		"host.disk_busy_share < 80%": Met, "host.disk_busy_share < 29%": Missed,
	} {
		if r := judged(t, s, text); r.Outcome != want {
			t.Errorf("%s: %s, %s; want %s", text, r.Outcome, r.Reason, want)
		}
	}
	// Per host and disk, over the whole run: 25 intervals (26 samples of memory).
	points := map[string]int{}
	for _, x := range s.Hosts.Series {
		points[x.Label()] = len(x.Points)
		if x.Source != "host" {
			t.Errorf("%s comes from %s", x.Label(), x.Source)
		}
	}
	for _, label := range []string{"host.cpu_share of a", "host.cpu_share of b", "host.disk_busy_share of a vda", "host.disk_bytes of b vda"} {
		if points[label] != 25 {
			t.Errorf("%s has %d points, want 25", label, points[label])
		}
	}
	if points["host.memory_share of a"] != 26 || len(points) != 8 {
		t.Errorf("series %v, want 8, of memory 26 points each", points)
	}
}

// One host is steadily at 60%, the other swings between 0 and 100% with a mean of 50%: the
// steady one is the highest, but that the other is below 70% is not shown.
func TestTheHostThatSwingsIsJudgedToo(t *testing.T) {
	run := hosts(t, func(s int, h *observation.Hosts) error {
		done := float64(s + 100)
		h.Hosts[0].CPUBusy = observation.Seconds(1.2 * done * 1e9)
		h.Hosts[1].CPUBusy = observation.Seconds(2 * float64((s+100)/2) * 1e9)
		return nil
	})
	r := judged(t, Summarize(run), "host.cpu_share < 70%")
	if r.Outcome != Unproven || !nearly(r.Observed, 0.6) || !nearly(r.Low, 0.6) || *r.High < 0.7 {
		t.Errorf("%s: %s; want unproven, 60%% observed and a bound above 70%%", r.Outcome, r.Reason)
	}
}

func TestWhatIsMissingOfAHostProvesNothing(t *testing.T) {
	type outcomes struct{ cpu, memory, disk Outcome }
	for name, c := range map[string]struct {
		edit func(s int, h *observation.Hosts) error
		want outcomes
		gap  string // in Gaps, and in the reasons of what is unproven
	}{
		"restarted": {func(s int, h *observation.Hosts) error {
			if s >= 15 {
				h.Hosts[1].BootTime, h.Hosts[1].CPUBusy, h.Hosts[1].CPUAll = 1090, observation.Seconds(s*1e9), observation.Seconds(2*s*1e9)
			}
			return nil
		}, outcomes{Unproven, Met, Unproven}, "b was restarted between 14s and 15s"},
		"restarted, with higher counters": {func(s int, h *observation.Hosts) error {
			if s >= 15 {
				h.Hosts[1].BootTime = 1090
			}
			return nil
		}, outcomes{Unproven, Met, Unproven}, "b was restarted"},
		"another machine": {func(s int, h *observation.Hosts) error {
			if s >= 15 {
				h.Hosts[1].BootTime, h.Hosts[1].CPUAll = 0, observation.Seconds(2*s*1e9)
			}
			return nil
		}, outcomes{Unproven, Met, Unproven}, "b has counters that went back"},
		"the clock is set by 2 s": {func(s int, h *observation.Hosts) error {
			if s >= 15 {
				h.Hosts[1].BootTime = 1002
			}
			return nil
		}, outcomes{Met, Met, Met}, ""},
		"restarted before the judged time": {func(s int, h *observation.Hosts) error {
			if s >= 5 {
				h.Hosts[1].BootTime = 1090
			}
			return nil
		}, outcomes{Met, Met, Met}, "b was restarted between 4.01s and 5.01s"},
		// The counters go on at the next sample; memory between them is not known.
		"one sample lost": {func(s int, h *observation.Hosts) error {
			if s == 15 {
				h.Hosts[1] = observation.Host{Name: "b", Error: "connection refused"}
			}
			return nil
		}, outcomes{Met, Unproven, Met}, "b: the sample at 15s failed: connection refused"},
		"all samples of both lost for a while": {func(s int, _ *observation.Hosts) error {
			if s == 15 || s == 16 {
				return errors.New("no answer")
			}
			return nil
		}, outcomes{Met, Unproven, Met}, "a: 2 samples from 15s to 16s failed: no answer"},
		"lost across the end": {func(s int, h *observation.Hosts) error {
			if s >= 17 {
				h.Hosts[1] = observation.Host{Name: "b", Error: "connection refused"}
			}
			return nil
		}, outcomes{Unproven, Unproven, Unproven}, "b: 7 samples from 17s to 23s failed"},
		"one host never answers": {func(s int, h *observation.Hosts) error {
			h.Hosts[1] = observation.Host{Name: "b", Error: "connection refused"}
			return nil
		}, outcomes{Unproven, Unproven, Unproven}, "b: 26 samples"},
		"one host tells no disk": {func(s int, h *observation.Hosts) error {
			h.Hosts[1].Disks, h.Hosts[1].Missing = nil, []string{"disk"}
			return nil
		}, outcomes{Met, Met, Unproven}, ""},
		"no host answers": {func(int, *observation.Hosts) error { return errors.New("no answer") },
			outcomes{NoData, NoData, NoData}, "26 samples from -1.99s to 23s failed: no answer"},
	} {
		s := Summarize(hosts(t, c.edit))
		cpu, memory, disk := judged(t, s, "host.cpu_share < 70%"), judged(t, s, "host.memory_share < 80%"), judged(t, s, "host.disk_busy_share < 80%")
		if got := (outcomes{cpu.Outcome, memory.Outcome, disk.Outcome}); got != c.want {
			t.Errorf("%s: %v, want %v\n%s\n%s\n%s", name, got, c.want, cpu.Reason, memory.Reason, disk.Reason)
		}
		if all := strings.Join(s.Hosts.Gaps, "\n"); !strings.Contains(all, c.gap) || c.gap == "" && all != "" {
			t.Errorf("%s: gaps %q, want %q", name, all, c.gap)
		}
		for _, r := range []Result{cpu, memory, disk} { // what is over its limit in what is known is over it
			missed := r.Objective
			missed.Limit = 0.01
			if r.Outcome == Unproven && s.JudgeObjective(missed).Outcome != Missed {
				t.Errorf("%s: %s is not missed at a limit of 1%%", name, missed.Name)
			}
		}
	}
}

// Across a restart, or another machine at the same address, no difference is taken: the
// means are those of the 9 other intervals.
func TestNothingIsCountedAcrossARestart(t *testing.T) {
	s := Summarize(hosts(t, func(s int, h *observation.Hosts) error {
		if b := &h.Hosts[1]; s >= 15 {
			b.BootTime = 1090
			b.CPUBusy, b.CPUAll = b.CPUBusy+observation.Seconds(1000e9), b.CPUAll+observation.Seconds(1001e9)
			b.Disks[0].Busy, b.Disks[0].WrittenBytes = b.Disks[0].Busy+observation.Seconds(500e9), b.Disks[0].WrittenBytes+1e12
		}
		return nil
	}))
	b := s.Hosts.Hosts[1]
	if !nearly(b.CPUMean, 0.25) || !nearly(b.CPUMax, 0.25) || !nearly(&b.Disks[0].BusyMean, 0.3) || !nearly(&b.Disks[0].WrittenPerS, 1e6) {
		t.Errorf("b = %+v, want 25%% CPU, a disk 30%% busy with 1 MB/s", b)
	}
	if r := judged(t, s, "host.cpu_share < 70%"); r.Samples != 10 { // a is the busiest, of 10 intervals
		t.Errorf("%d intervals, want a's 10", r.Samples)
	}
}

func TestHostsThatWereNotAskedOrNotOpenedSayWhy(t *testing.T) {
	run := runOf()
	if r := judged(t, Summarize(run), "host.cpu_share < 70%"); r.Outcome != NoData || !strings.Contains(r.Reason, "set system.hosts") {
		t.Errorf("%s: %s; want no data, set system.hosts", r.Outcome, r.Reason)
	}
	run.Header.Sources = []observation.Source{{Collector: "hosts", Asked: true, Error: "hosts: local: no /proc"}}
	if r := judged(t, Summarize(run), "host.cpu_share < 70%"); r.Outcome != NoData || r.Reason != "hosts: local: no /proc" {
		t.Errorf("%s: %s; want no data for the reason of the opening", r.Outcome, r.Reason)
	}
}

// Counters are rounded, and iowait may go back: a machine whose CPUs are always busy may
// seem busy for 3 ns longer than there is time.
func TestAHostIsNotBusierThanAllOfItsTime(t *testing.T) {
	s := Summarize(hosts(t, func(sec int, h *observation.Hosts) error {
		b := &h.Hosts[1]
		b.CPUBusy = b.CPUAll + observation.Seconds(3*(sec+2))
		b.Disks[0].Busy = observation.Seconds(float64(sec+100) * 1.001e9)
		return nil
	}))
	b := s.Hosts.Hosts[1]
	if !nearly(b.CPUMean, 1) || !nearly(b.CPUMax, 1) || *b.CPUMax > 1 || b.Disks[0].BusyMean > 1 || b.Disks[0].BusyMax > 1 || len(s.Hosts.Gaps) > 0 {
		t.Errorf("b = %+v, gaps %q; want 100%% and no gap", b, s.Hosts.Gaps)
	}
	for _, x := range s.Hosts.Series {
		for _, p := range x.Points {
			if x.Unit == scenarios.UnitShare && p.Value > 1 {
				t.Fatalf("%s is %v at %v", x.Label(), p.Value, p.At)
			}
		}
	}
	for text, want := range map[string]Outcome{"host.cpu_share <= 100%": Met, "host.cpu_share < 100%": Missed, "host.disk_busy_share <= 100%": Met} {
		if r := judged(t, s, text); r.Outcome != want || *r.Observed > 1 {
			t.Errorf("%s: %s, %s; want %s", text, r.Outcome, r.Reason, want)
		}
	}
}
