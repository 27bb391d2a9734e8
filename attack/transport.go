package attack

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"arqload/analysis/observation"
	"arqload/attack/authorities"
	"arqload/scenarios"
)

// idleTimeout is how long an unused connection is kept: below the 60 s after which an
// AWS load balancer closes it, so that we never send on a connection it is closing.
const idleTimeout = 30 * time.Second

// newTransport returns the one transport that all attackers and phases share. It keeps
// every slot's connection alive, uses no proxy, asks for no compression of its own, and
// speaks HTTP/1.1 unless the plan says otherwise.
func newTransport(p *scenarios.Plan) (*http.Transport, error) {
	roots, err := authorities.Pool(p.System.CAFile)
	if err != nil {
		return nil, err
	}
	slots := 0
	for _, l := range p.Load {
		slots += l.InFlight
	}
	tr := &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		MaxIdleConnsPerHost: slots + 16, // and those that prepare and renew sessions
		IdleConnTimeout:     idleTimeout,
		DisableCompression:  true,
		ForceAttemptHTTP2:   p.System.HTTP2,
	}
	if !p.System.HTTP2 {
		tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return tr, nil
}

// UnreachableError says that the system could not be connected to before the load.
type UnreachableError struct {
	Address string
	Err     error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot connect to %s: %v; nothing was sent: check system.base_url and that the service is up", e.Address, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// checkReachable connects to base_url once, before anything else is done.
func checkReachable(ctx context.Context, base *url.URL, tlsConfig *tls.Config, timeout time.Duration) error {
	run := ctx
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	port := base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	address := net.JoinHostPort(base.Hostname(), port)
	var (
		conn net.Conn
		err  error
	)
	if base.Scheme == "https" {
		d := tls.Dialer{Config: tlsConfig}
		conn, err = d.DialContext(ctx, "tcp", address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	switch {
	case err == nil:
		return conn.Close()
	case run.Err() != nil:
		return context.Cause(run) // it was not the system that ended it
	}
	return &UnreachableError{Address: address, Err: err}
}

// trace collects one request's phases. net/http may call its hooks from the goroutine
// that dials, even after the request has ended, hence the lock.
type trace struct {
	mu     sync.Mutex
	hooks  httptrace.ClientTrace
	begun  time.Time
	tls    time.Time
	inTLS  bool
	got    int // connections handed to this request: 2 means net/http sent it again
	addr   string
	t      observation.Timings
	dialed func(connect, tls time.Duration)
}

type traceKey struct{}

// newTrace returns the trace and a context that carries it. dialed is called for each new
// connection's TCP connect, and for its TLS handshake.
func newTrace(ctx context.Context, dialed func(connect, tls time.Duration)) (*trace, context.Context) {
	t := &trace{begun: time.Now(), dialed: dialed}
	// DNS and TCP are timed in dial, which few requests need, so that the others do not
	// pay for their hooks.
	t.hooks = httptrace.ClientTrace{
		TLSHandshakeStart: func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.tls, t.inTLS = time.Now(), true
		},
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			t.mu.Lock()
			d := time.Since(t.tls)
			t.t.TLS = observation.Seconds(d)
			t.inTLS = err != nil
			t.mu.Unlock()
			if err == nil {
				t.dialed(0, d)
			}
		},
		GotConn: func(i httptrace.GotConnInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.got++
			t.t.Reused = i.Reused
			t.addr = i.Conn.RemoteAddr().String()
		},
		GotFirstResponseByte: func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.t.FirstByte = observation.Seconds(time.Since(t.begun))
		},
	}
	return t, httptrace.WithClientTrace(context.WithValue(ctx, traceKey{}, t), &t.hooks)
}

// dial opens a TCP connection and times the name's look-up and the connect for the
// request whose context it gets.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	// Go's own resolver says why a look-up failed; the C library's says only "no such host"
	// when this process has no file descriptor left.
	d := net.Dialer{KeepAlive: 30 * time.Second, Resolver: &net.Resolver{PreferGo: true}}
	t, ok := ctx.Value(traceKey{}).(*trace)
	if !ok {
		return d.DialContext(ctx, network, address)
	}
	begun := time.Now()
	var lookup time.Duration // DNSDone comes before the first connect starts
	conn, err := d.DialContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(httptrace.DNSDoneInfo) { lookup = time.Since(begun) },
	}), network, address)
	connect := time.Since(begun) - lookup
	t.mu.Lock()
	t.t.DNS, t.t.Connect = observation.Seconds(lookup), observation.Seconds(connect)
	t.mu.Unlock()
	if err == nil {
		t.dialed(connect, 0)
	}
	return conn, err
}

// traced is what a finished request's trace says.
type traced struct {
	timings   observation.Timings
	addr      string
	connected bool // a connection was handed to the request
	inTLS     bool // it ended in, or failed at, the TLS handshake
	resent    uint64
}

func (t *trace) done() traced {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := traced{timings: t.t, addr: t.addr, connected: t.got > 0, inTLS: t.inTLS}
	if t.got > 1 {
		r.resent = uint64(t.got - 1)
	}
	return r
}
