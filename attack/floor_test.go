package attack

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"arqload/analysis/observation"
	"arqload/attack/attacktest"
	"arqload/scenarios"
)

func parsePlan(t *testing.T, base, text string) *scenarios.Plan {
	t.Helper()
	p, err := scenarios.Parse("plan.yaml", []byte("version: 1\nname: test\nsystem: {base_url: \""+base+"\", username: u, password: p}\n"+text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheFloorIsMeasuredAtThePeakRateAndNotOnTheSystem(t *testing.T) {
	system := attacktest.New(attacktest.Script{})
	server := httptest.NewServer(system)
	defer server.Close()
	p := parsePlan(t, server.URL, `
load: [{scenario: auth, rate: 100/s}, {scenario: conversation, rate: 50/s}]
phases: [{name: low, duration: 1s, at: 10%}, {name: steps, duration: 1s, steps: [20%, 120%]}]
objectives: [error_rate < 1%]
`)
	var m observation.Memory
	if err := Run(t.Context(), p, Options{Recorder: &m}); err != nil {
		t.Fatal(err)
	}
	f := m.Run.Header.Floor
	if f == nil {
		t.Fatalf("no floor: %q", m.Run.Footer.Warnings)
	}
	t.Logf("%+v", *f)
	// 120% of 150/s for a second.
	if f.RatePerS != 180 || f.Count < 90 || f.Count > 180 {
		t.Errorf("%d at %v/s, want 180 at 180/s", f.Count, f.RatePerS)
	}
	if !(f.P50 > 0 && f.P50 <= f.P95 && f.P95 <= f.P99) || f.P50.Duration() > time.Second {
		t.Errorf("p50 %v, p95 %v, p99 %v", f.P50.Duration(), f.P95.Duration(), f.P99.Duration())
	}
	// Nothing of it went to the system, or into the record.
	var requests, sent uint64
	for _, s := range m.Run.Seconds {
		requests += s.Requests
		sent += s.Sent
	}
	prepared := system.Requests.Load() - requests
	if sessions := uint64(len(p.Preparation()) * p.Sessions); prepared != sessions && prepared != sessions+1 {
		t.Errorf("the system had %d requests, %d of the load and %d sessions", system.Requests.Load(), requests, sessions)
	}
	if planned := m.Run.Header.Lanes[0].PlannedRun + m.Run.Header.Lanes[1].PlannedRun; sent != planned {
		t.Errorf("%d arrivals in the record, %d planned", sent, planned)
	}
}

func TestInMemoryThereIsNoFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parsePlan(t, "http://127.0.0.1:1", "load: [{scenario: auth, rate: 10/s}]\nphases: [{name: steady, duration: 2s}]\nobjectives: [error_rate < 1%]\n")
		var m observation.Memory
		if err := Run(t.Context(), p, Options{Recorder: &m, Transport: attacktest.New(attacktest.Script{})}); err != nil {
			t.Fatal(err)
		}
		if m.Run.Header.Floor != nil || len(m.Run.Footer.Warnings) != 0 {
			t.Errorf("floor %+v, warnings %q", m.Run.Header.Floor, m.Run.Footer.Warnings)
		}
	})
}

func TestTheFloorIsWhatTheServerTook(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(20 * time.Millisecond)
		_, _ = w.Write([]byte(floorAnswer))
	}))
	defer server.Close()
	f, err := driveFloor(t.Context(), server.URL, 50, 64)
	if err != nil {
		t.Fatal(err)
	}
	// A histogram's bucket may lie 0.1% below.
	if f.P50.Duration() < 19900*time.Microsecond || f.Count != 50 {
		t.Errorf("p50 %v of %d, want 20 ms or more of 50", f.P50.Duration(), f.Count)
	}
}

func TestAFloorThatCannotBeMeasuredIsAnErrorWithCounts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer server.Close()
	if f, err := driveFloor(t.Context(), server.URL, 40, 8); err == nil || !strings.Contains(err.Error(), "0 of 40 requests") {
		t.Errorf("%+v, %v", f, err)
	}
	closed := server.URL
	server.Close()
	if f, err := driveFloor(t.Context(), closed, 40, 8); err == nil {
		t.Errorf("a floor of nothing: %+v", f)
	}
}

func TestARunThatIsStoppedHasNoFloorAndNoWarningOfIt(t *testing.T) {
	p := parsePlan(t, "http://127.0.0.1:1", "load: [{scenario: auth, rate: 10/s}]\nphases: [{name: steady, duration: 2s}]\nobjectives: [error_rate < 1%]\n")
	d, err := newDrive(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	begun := time.Now()
	d.measureFloor(ctx)
	if took := time.Since(begun); d.o.Header.Floor != nil || len(d.warnings) != 0 || took > 4*time.Second {
		t.Errorf("floor %+v, warnings %q after %v", d.o.Header.Floor, d.warnings, took)
	}
}

func TestThePeakIsOfAllLanesInTheBusiestPhase(t *testing.T) {
	for phases, want := range map[string]float64{
		"[{name: a, duration: 1s}]": 30,
		"[{name: a, duration: 1s, from: 10%, to: 150%}, {name: b, duration: 1s, at: 50%}]": 45,
		"[{name: a, duration: 1s, steps: [10%, 200%, 100%]}]":                              60,
	} {
		p := parsePlan(t, "http://127.0.0.1:1", "load: [{scenario: auth, rate: 10/s}, {scenario: dialogue, rate: 20/s}]\nphases: "+phases+"\nobjectives: [error_rate < 1%]\n")
		if got := peakRate(p); got != want {
			t.Errorf("%s: %v/s, want %v/s", phases, got, want)
		}
	}
}

func TestTheFloorStaysWithinWhatThisProcessCanDo(t *testing.T) {
	for text, want := range map[string]struct {
		rate  float64
		slots int
	}{
		"load: [{scenario: auth, rate: 2/s, in_flight: 10}]":                                                            {20, 10},
		"load: [{scenario: auth, rate: 300/s, in_flight: 100}, {scenario: message, rate: 100/s, in_flight: 50}]":        {400, 150},
		"load: [{scenario: auth, rate: 30000/s, in_flight: 2000}, {scenario: message, rate: 30000/s, in_flight: 2000}]": {20_000, 256},
	} {
		p := parsePlan(t, "http://127.0.0.1:1", text+"\nphases: [{name: steady, duration: 2s}]\nobjectives: [error_rate < 1%]\n")
		if rate, slots := floorRate(p), floorInFlight(p); rate != want.rate || slots != want.slots {
			t.Errorf("%s: %v/s with %d slots, not %v", text, rate, slots, want)
		}
	}
}
