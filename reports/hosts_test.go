package reports_test

import (
	"strings"
	"testing"

	"arqload/analysis/observation"
	"arqload/reports"
)

// machines are two hosts: this one, half busy with 2 MB/s written to a disk that is busy a
// fifth of the time, and one that tells neither memory nor disks and was not reached in
// second 9.
func machines(s int) observation.Hosts {
	n := float64(s + 10)
	there := observation.Host{Name: "db.example.com:9100", BootTime: 5, CPUs: 8, CPUBusy: sec(2 * n), CPUAll: sec(8 * n), Missing: []string{"memory", "disk"}}
	if s == 9 {
		there = observation.Host{Name: there.Name, Error: "http://db.example.com:9100/metrics: connection refused"}
	}
	return observation.Hosts{Hosts: []observation.Host{{
		Name: "local", BootTime: 7, CPUs: 2, CPUBusy: sec(n), CPUAll: sec(2 * n), MemoryTotal: 4 << 30, MemoryAvailable: 3 << 30,
		Disks: []observation.Disk{{Name: "vda", WrittenBytes: int64(2e6 * n), Busy: sec(0.2 * n)}, {Name: "vdb"}},
	}, there}}
}

// processes are two endpoints, of which one tells only what is asked.
func processes(s int) observation.Application {
	n := float64(s + 10)
	return observation.Application{Endpoints: []observation.Endpoint{
		{URL: "http://app.example.com:8080/metrics", Metrics: []observation.AppMetric{
			{Name: "process_resident_memory_bytes", Type: observation.AppGauge, Value: observation.Number(int64(100+s) << 20)},
			{Name: "process_cpu_seconds_total", Type: observation.AppCounter, Value: observation.Number(0.7 * n)},
			{Name: "process_open_fds", Type: observation.AppGauge, Value: 33},
			{Name: "go_goroutines", Type: observation.AppGauge, Value: 44}}},
		{URL: "http://app.example.com:8081/metrics", Metrics: []observation.AppMetric{
			{Name: "pool_in_use", Type: observation.AppGauge, Labels: map[string]string{"pool": "main"}, Value: 7}}},
	}}
}

func TestObjectivesOfHostsAndApplicationAreShownInTheirUnits(t *testing.T) {
	r := report(record(t), objectives(t, "host.cpu_share < 70%", "host.memory_share < 80%", `metric("process_resident_memory_bytes") < 512MiB`,
		`metric("pool_in_use"){pool="main"} <= 8`, `metric("process_cpu_seconds_total") < 250ms`, `metric("no_such") < 5`))
	out := text(t, r, reports.TextOptions{Width: 120})
	_, out, _ = strings.Cut(out, "Objectives (bounds")
	out, _, _ = strings.Cut(out, "Measurement")
	golden(t, "hosts.txt", out)
}

func TestSectionsOfWhatThePlanDoesNotNameAreLeftOut(t *testing.T) {
	out := text(t, report(nothing(), demands(t)), reports.TextOptions{})
	for _, word := range []string{"Hosts", "Application"} {
		if strings.Contains(out, word) {
			t.Errorf("the report of a plan without it has a section %s:\n%s", word, out)
		}
	}
}

func TestHostsThatCannotBeReadSayWhy(t *testing.T) {
	run := nothing()
	run.Header.Sources = append(run.Header.Sources, observation.Source{Collector: "hosts", Asked: true, Error: "hosts: no route"},
		observation.Source{Collector: "appmetrics", Asked: true, Error: "appmetrics: refused"})
	out := text(t, report(run, demands(t)), reports.TextOptions{})
	for _, words := range []string{"Hosts: no data\n  hosts: no route\n", "Application: no data\n  appmetrics: refused\n"} {
		if !strings.Contains(out, words) {
			t.Errorf("%q is missing in\n%s", words, out)
		}
	}
}
