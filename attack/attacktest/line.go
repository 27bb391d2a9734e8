package attacktest

import (
	"io"
	"net"
	"sync"
)

// Line stands between a client and a server on loopback, so that a test can cut the
// connection, or lead it to another server.
type Line struct {
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	target   string // "" refuses new connections
	open     map[net.Conn]bool
}

// NewLine returns a line to the server at target, host:port; "" refuses connections.
func NewLine(target string) (*Line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Line{listener: l, target: target, open: map[net.Conn]bool{}}
	p.wg.Go(p.serve)
	return p, nil
}

// Addr is where clients connect to.
func (p *Line) Addr() string { return p.listener.Addr().String() }

// Lead cuts all connections and leads new ones to target; "" refuses them.
func (p *Line) Lead(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for c := range p.open {
		_ = c.Close()
	}
}

// Close cuts the line for good and waits for its goroutines.
func (p *Line) Close() {
	_ = p.listener.Close()
	p.Lead("")
	p.wg.Wait()
}

func (p *Line) serve() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		out, err := net.Dial("tcp", target)
		if target == "" || err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.open[in], p.open[out] = true, true
		p.mu.Unlock()
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			p.wg.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				_ = pair[0].Close()
				_ = pair[1].Close()
				p.mu.Lock()
				defer p.mu.Unlock()
				delete(p.open, pair[0])
				delete(p.open, pair[1])
			})
		}
	}
}
