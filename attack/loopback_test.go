package attack_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"arqload/analysis/hist"
	"arqload/analysis/observation"
	"arqload/attack"
	"arqload/attack/attacktest"
)

// serve starts a scripted system on loopback.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestTimingOfAStallOverLoopback(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector slows the drain of the backlog; `make test` runs this without it")
	}
	// A machine that others keep busy may spoil a try. It may not spoil them all: a lag that
	// is always high would be the system's stall, wrongly taken for the generator's.
	var wrong []string
	for range 3 {
		if wrong = stallOverLoopback(t); len(wrong) == 0 {
			return
		}
	}
	t.Errorf("three times: %v", wrong)
}

// stallOverLoopback measures the stall as in virtual time, but the backlog drains at a
// finite speed: the quantiles lie a little higher or lower. It returns what is outside the
// requirement's bounds.
func stallOverLoopback(t *testing.T) (wrong []string) {
	system := attacktest.New(attacktest.Script{StallEvery: 2 * time.Second, StallFor: 200 * time.Millisecond})
	p := planFor(t, serve(t, system), `
load: [{scenario: auth, rate: 1000/s}]
limits: {in_flight: 50}
phases: [{name: steady, duration: 10s}]
objectives: [p95 < 200ms]
`)
	run := drive(t, t.Context(), p, nil)
	for _, c := range []struct {
		outcome observation.Outcome
		clock   observation.Clock
		q       float64
		low     time.Duration
		high    time.Duration
	}{
		{observation.OK, observation.Response, 0.95, 98 * time.Millisecond, 112 * time.Millisecond},
		{observation.OK, observation.Response, 0.99, 176 * time.Millisecond, 190 * time.Millisecond},
		{observation.Started, observation.Lag, 0.99, 0, 20 * time.Millisecond},
	} {
		got, _ := run.Latency[observation.Series{Scenario: "auth", Step: observation.All, Outcome: c.outcome, Clock: c.clock}].Quantile(c.q)
		t.Logf("%s p%.0f %v, want %v..%v", c.clock, c.q*100, got, c.low, c.high)
		if got < c.low || got > c.high {
			wrong = append(wrong, fmt.Sprintf("%s p%.0f is %v, want %v..%v", c.clock, c.q*100, got, c.low, c.high))
		}
	}
	return wrong
}

func TestLoopbackErrorsAreCountedByClassAsTheServerMadeThem(t *testing.T) {
	system := attacktest.New(attacktest.Script{ErrorEvery: 500, ResetEvery: 1001, HangEvery: 999})
	p := planFor(t, serve(t, system), `
load: [{scenario: auth, rate: 500/s}]
limits: {timeout: 1s}
phases: [{name: steady, duration: 8s}]
objectives: [error_rate < 1%]
`)
	run := drive(t, t.Context(), p, nil)
	sum := total(run)
	for class, want := range map[observation.Class]uint64{
		observation.HTTP5xx: system.Errors.Load(), observation.Reset: system.Resets.Load(), observation.Timeout: system.Hangs.Load(),
	} {
		if sum.Errors[class] != want || want == 0 {
			t.Errorf("%s: counted %d, the server made %d (all: %v)", class, sum.Errors[class], want, sum.Errors)
		}
	}
	if n := system.Requests.Load(); n != sum.Sent {
		t.Errorf("%d requests sent, the server received %d: something was sent again in silence", sum.Sent, n)
	}
	var c observation.Connections
	for _, s := range run.Seconds {
		c.New += s.Connections.New
		c.Reused += s.Connections.Reused
	}
	if c.New == 0 || c.Reused == 0 || len(run.Footer.Addresses) != 1 {
		t.Errorf("connections %+v, addresses %v", c, run.Footer.Addresses)
	}
}

func TestAResetOfAGETIsNotSentAgainInSilence(t *testing.T) {
	var seen atomic.Uint64
	system := attacktest.New(attacktest.Script{ResetEvery: 10})
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		system.ServeHTTP(w, r)
	}))
	p := planFor(t, base, `
load: [{scenario: look, rate: 200/s}]
phases: [{name: steady, duration: 2s}]
objectives: [error_rate < 1%]
scenarios:
  look:
    steps:
      - name: get
        request: {method: GET, path: /api/profile, headers: {Idempotency-Key: k}}
        capture: {id: id}
`)
	sum := total(drive(t, t.Context(), p, nil))
	if sum.Errors[observation.Reset] != system.Resets.Load() || system.Resets.Load() < 30 {
		t.Errorf("%d resets counted, the server made %d", sum.Errors[observation.Reset], system.Resets.Load())
	}
	if seen.Load() != sum.Sent {
		t.Errorf("%d requests sent, the server saw %d", sum.Sent, seen.Load())
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Uint64
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed.Add(1)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	p := planFor(t, base, `
load: [{scenario: auth, rate: 50/s}]
phases: [{name: steady, duration: 1s}]
objectives: [error_rate < 1%]
`)
	sum := total(drive(t, t.Context(), p, nil))
	if sum.Errors[observation.HTTP3xx] != 50 || followed.Load() != 0 {
		t.Errorf("errors %v, %d followed; want 50 http_3xx, 0", sum.Errors, followed.Load())
	}
}

func TestAnAnswerWithoutItsCaptureIsAFailure(t *testing.T) {
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"error":"upstream down"}`)) // with status 200
	}))
	p := planFor(t, base, `
load: [{scenario: auth, rate: 50/s}]
phases: [{name: steady, duration: 1s}]
objectives: [error_rate < 1%]
`)
	run := drive(t, t.Context(), p, nil)
	if sum := total(run); sum.Errors[observation.Expectation] != 50 {
		t.Errorf("errors %v, want 50 unmet expectations", sum.Errors)
	}
	if len(run.Errors) != 20 || run.Footer.Dropped.Examples != 30 {
		t.Errorf("%d examples, %d dropped; want 20 and 30", len(run.Errors), run.Footer.Dropped.Examples)
	}
}

func TestARefusedConnectionIsUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + l.Addr().String()
	_ = l.Close()
	p := planFor(t, base, `
load: [{scenario: auth, rate: 50/s}]
phases: [{name: steady, duration: 1s}]
objectives: [error_rate < 1%]
`)
	var m observation.Memory
	err = attack.Run(t.Context(), p, attack.Options{Recorder: &m})
	var u *attack.UnreachableError
	if !errors.As(err, &u) || !attack.IsUnprepared(err) {
		t.Errorf("error %v, want unreachable", err)
	}
	if m.Run.Header.Version != 0 {
		t.Error("a run was recorded although nothing was driven")
	}
}

func TestAnInterruptedPreparationDoesNotBlameTheSystem(t *testing.T) {
	p := planFor(t, serve(t, attacktest.New(attacktest.Script{})), `
load: [{scenario: message, rate: 50/s}]
phases: [{name: steady, duration: 1s}]
objectives: [error_rate < 1%]
`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := attack.Run(ctx, p, attack.Options{Recorder: &observation.Memory{}}); !errors.Is(err, context.Canceled) || attack.IsUnprepared(err) {
		t.Errorf("%v, want canceled", err)
	}
}

func TestPreparationEndsAtOnceOnWrongCredentials(t *testing.T) {
	var tries atomic.Uint64
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		tries.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"wrong password planted-password"}`))
	}))
	p := planFor(t, base, `
load: [{scenario: message, rate: 50/s}]
sessions: 1
phases: [{name: steady, duration: 1s}]
objectives: [error_rate < 1%]
`)
	err := attack.Run(t.Context(), p, attack.Options{Recorder: &observation.Memory{}})
	var pe *attack.PrepareError
	if !errors.As(err, &pe) || pe.Status != 401 || tries.Load() != 1 {
		t.Fatalf("error %v after %d tries, want a 401 after one", err, tries.Load())
	}
	if strings.Contains(err.Error(), "planted-password") || !strings.Contains(err.Error(), "wrong password [redacted]") {
		t.Errorf("the error should hold the system's answer, redacted: %v", err)
	}
}

func TestPreparationTriesAgainOn5xx(t *testing.T) {
	var tries atomic.Uint64
	system := attacktest.New(attacktest.Script{})
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) <= 2 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		system.ServeHTTP(w, r)
	}))
	p := planFor(t, base, `
load: [{scenario: message, rate: 50/s}]
sessions: 1
phases: [{name: steady, duration: 1s}]
objectives: [error_rate < 1%]
`)
	run := drive(t, t.Context(), p, nil)
	if run.Footer.Sessions != 1 || total(run).OK != 50 {
		t.Errorf("%d sessions, %d ok", run.Footer.Sessions, total(run).OK)
	}
}

func TestTokensAreRenewedBeforeTheyExpire(t *testing.T) {
	var mu atomic.Int64 // when the newest token was made
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			mu.Store(time.Now().UnixNano())
			_, _ = w.Write([]byte(`{"access_token":"one-token","expires_in":2}`))
			return
		}
		if time.Since(time.Unix(0, mu.Load())) > 2*time.Second {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(attacktest.Body))
	}))
	p := planFor(t, base, `
load: [{scenario: message, rate: 50/s}]
sessions: 1
phases: [{name: steady, duration: 5s}]
objectives: [error_rate < 1%]
`)
	run := drive(t, t.Context(), p, nil)
	if sum := total(run); sum.Failed != 0 || run.Footer.Renewals.OK < 2 {
		t.Errorf("%d failed (%v), %d renewals; want none, at least 2", sum.Failed, sum.Errors, run.Footer.Renewals.OK)
	}
}

func TestTimingOfTheSameStallByVegetaAlone(t *testing.T) {
	if raceDetector {
		t.Skip("`make test` runs this without the race detector")
	}
	// The figure that the README sets beside ours: the same system, rate and connections,
	// timed from the actual send.
	base := serve(t, attacktest.New(attacktest.Script{StallEvery: 2 * time.Second, StallFor: 200 * time.Millisecond}))
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: "POST", URL: base + "/api/auth/token", Body: []byte(`{}`)})
	h := hist.New()
	for r := range vegeta.NewAttacker(vegeta.MaxWorkers(50)).Attack(target, vegeta.Rate{Freq: 1000, Per: time.Second}, 10*time.Second, "") {
		h.Record(r.Latency)
	}
	p95, _ := h.Quantile(0.95)
	t.Logf("p95 %v over %d requests", p95, h.Count())
	if p95 > 50*time.Millisecond {
		t.Errorf("p95 %v: Vegeta alone shows the stall by now; the README says otherwise", p95)
	}
}
