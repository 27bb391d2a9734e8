// Package attacktest is a system under test with a script, as httptest is to http: it
// answers what the built-in scenarios ask, in memory or over loopback, stalls, queues
// and fails as its [Script] says, and counts the truth.
package attacktest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Script says how the system behaves. The zero value answers at once.
type Script struct {
	// The system answers nothing during the last StallFor of each StallEvery since its
	// first request.
	StallEvery, StallFor time.Duration
	Latency              time.Duration // of every answer
	Capacity             float64       // requests served per second, one after the other; 0: no bound
	// Every n-th request fails so; 0: none. Where two fall together the first named wins.
	ErrorEvery, ResetEvery, HangEvery uint64
	Status                            int                      // of a scripted error; 0: 503
	Answer                            func(path string) string // the JSON body; nil: Body
	Echo                              bool                     // a scripted error's body repeats the request's headers and body
}

// Body answers every capture of the built-in scenarios.
const Body = `{"access_token":"attacktest-token","expires_in":3600,"id":"1"}`

// System is a scripted system. It counts what it did, by the requests it received.
type System struct {
	script Script
	began  atomic.Pointer[time.Time]
	seq    atomic.Uint64

	mu   sync.Mutex
	free time.Time // when the one server of Capacity is free

	Requests, OK, Errors, Resets, Hangs atomic.Uint64
}

// New returns a system that follows the script.
func New(s Script) *System { return &System{script: s} }

type fate int

const (
	answer fate = iota
	fail
	reset
	hang
)

// decide counts a request and says what becomes of it. The first request has number 1.
func (s *System) decide() fate {
	n := s.seq.Add(1)
	s.Requests.Add(1)
	every := func(k uint64) bool { return k > 0 && n%k == 0 }
	switch {
	case every(s.script.ErrorEvery):
		s.Errors.Add(1)
		return fail
	case every(s.script.ResetEvery):
		s.Resets.Add(1)
		return reset
	case every(s.script.HangEvery):
		s.Hangs.Add(1)
		return hang
	}
	s.OK.Add(1)
	return answer
}

// wait takes the time that the script wants of an answer.
func (s *System) wait(ctx context.Context) {
	now := time.Now()
	s.began.CompareAndSwap(nil, &now)
	until := now
	if s.script.Capacity > 0 {
		s.mu.Lock()
		if s.free.Before(now) {
			s.free = now
		}
		s.free = s.free.Add(time.Duration(float64(time.Second) / s.script.Capacity))
		until = s.free
		s.mu.Unlock()
	}
	until = until.Add(s.script.Latency)
	if every := s.script.StallEvery; every > 0 {
		into := until.Sub(*s.began.Load()) % every
		if into >= every-s.script.StallFor {
			until = until.Add(every - into)
		}
	}
	sleep(ctx, until.Sub(now))
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (s *System) body(r *http.Request, f fate) (status int, body string) {
	if f == answer {
		if s.script.Answer != nil {
			return http.StatusOK, s.script.Answer(r.URL.Path)
		}
		return http.StatusOK, Body
	}
	status = s.script.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	if !s.script.Echo {
		return status, `{"error":"scripted"}`
	}
	var b strings.Builder
	b.WriteString(`{"error":"scripted","you_sent":"`)
	_ = r.Header.Write(&b)
	if r.Body != nil {
		_, _ = io.Copy(&b, r.Body)
	}
	b.WriteString(`"}`)
	return status, b.String()
}

// RoundTrip answers in memory. Hung requests end with their context.
func (s *System) RoundTrip(r *http.Request) (*http.Response, error) {
	f := s.decide()
	switch f {
	case reset:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	case hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	s.wait(r.Context())
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, body := s.body(r, f)
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)), Request: r}, nil
}

// ServeHTTP answers over the network.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Only once the body is read does net/http notice that the client has gone away.
	sent, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(sent))
	f := s.decide()
	switch f {
	case reset:
		abort(w)
		return
	case hang:
		<-r.Context().Done()
		return
	}
	s.wait(r.Context())
	status, body := s.body(r, f)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// abort resets the connection: linger 0 makes the kernel send RST.
func abort(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
