// Package redisinfo samples Redis by INFO: hits, misses, commands, memory, evictions and
// clients of each node, raw.
//
// It needs no other command, so it works where CONFIG and CLIENT are refused. INFO counts
// as a command but neither as a hit nor as a miss.
package redisinfo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
)

// within bounds each step of an exchange with a node: connect, write, read.
const within = 2 * time.Second

// sections are the parts of INFO that are read. Redis before 7.0 takes only one name and
// is asked for its default sections instead, which hold all of these.
var sections = []string{"server", "clients", "memory", "stats", "replication", "keyspace"}

// Collector reads the nodes it was opened with.
type Collector struct {
	nodes []*node
}

// node is one Redis process. Only the collector's goroutine uses it, but own.
type node struct {
	address  string // host:port
	user     string
	secret   string // never to be seen in an error
	client   *redis.Client
	own      atomic.Int64 // commands this collector is known to have had processed
	defaults bool         // the server takes no list of sections
}

// Open connects to one node, or to several whose addresses are separated by commas;
// addresses after the first may be host:port alone and then share the first one's user,
// password and TLS. It fails when any of them does not answer: a sum over a part of the
// nodes would look like the whole. The error says what to do and holds no password.
func Open(ctx context.Context, urls string) (*Collector, error) {
	options, err := parse(urls)
	if err != nil {
		return nil, err
	}
	quiet()
	c := &Collector{}
	for _, o := range options {
		c.nodes = append(c.nodes, newNode(o))
	}
	s, err := c.read(ctx)
	for _, n := range s.Nodes {
		if n.Error != "" && err == nil {
			err = errors.New(n.Error)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("redisinfo: %w", err), c.Close(ctx))
	}
	return c, nil
}

// quiet keeps the driver from writing its own lines to stderr, in the middle of a report:
// what it has to say comes back as an error too. Its logger can only be set for the whole
// process.
var quiet = sync.OnceFunc(func() { redis.SetLogger(silent{}) })

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func parse(urls string) ([]*redis.Options, error) {
	var all []*redis.Options
	for i, address := range strings.Split(urls, ",") {
		address = strings.TrimSpace(address)
		bare := !strings.Contains(address, "://")
		if bare && i > 0 {
			address = "redis://" + address
		}
		o, err := redis.ParseURL(address)
		if err != nil {
			// The parser's words may quote the address with its password.
			return nil, fmt.Errorf("redisinfo: address %d is not a Redis URL; write redis://user:password@host:6379 (rediss:// with TLS), with special characters of the password percent-encoded", i+1)
		}
		if bare && i > 0 {
			first := all[0]
			o.Username, o.Password = first.Username, first.Password
			if first.TLSConfig != nil {
				host, _, _ := strings.Cut(o.Addr, ":")
				o.TLSConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
			}
		}
		all = append(all, o)
	}
	return all, nil
}

func newNode(o *redis.Options) *node {
	n := &node{address: o.Addr, user: o.Username, secret: o.Password}
	o.Protocol = 2           // INFO is text in either
	o.DB = 0                 // INFO is about all of them, and a cluster refuses SELECT
	o.ClientName = ""        // CLIENT SETNAME
	o.DisableIdentity = true // CLIENT SETINFO
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.PoolSize = 1
	o.MaxRetries = 1 // a connection that was cut since the last sample is replaced at once
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = within, within, within
	o.ContextTimeoutEnabled = true
	o.OnConnect = func(context.Context, *redis.Conn) error {
		n.own.Add(1) // HELLO
		return nil
	}
	n.client = redis.NewClient(o)
	return n
}

// Name is "redisinfo".
func (c *Collector) Name() string { return "redisinfo" }

// Close closes the connections.
func (c *Collector) Close(context.Context) error {
	var errs []error
	for _, n := range c.nodes {
		if err := n.client.Close(); err != nil {
			errs = append(errs, n.explain(err))
		}
	}
	return errors.Join(errs...)
}

// Sample returns an [observation.Redis]. A node that does not answer has an error in place
// of its counters; when none answers, Sample returns the error.
func (c *Collector) Sample(ctx context.Context, _ collectors.Tick) (any, error) {
	return c.read(ctx)
}

// read asks all nodes side by side, so that their counters are of one instant.
func (c *Collector) read(ctx context.Context) (observation.Redis, error) {
	s := observation.Redis{Nodes: make([]observation.RedisNode, len(c.nodes))}
	errs := make([]error, len(c.nodes))
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		wg.Go(func() {
			s.Nodes[i], errs[i] = n.read(ctx)
		})
	}
	wg.Wait()
	failed := 0
	for i, err := range errs {
		if err != nil {
			failed++
			s.Nodes[i] = observation.RedisNode{Address: c.nodes[i].address, Error: err.Error()}
		}
	}
	if failed == len(c.nodes) {
		return observation.Redis{}, errors.Join(errs...)
	}
	return s, nil
}

func (n *node) read(ctx context.Context) (observation.RedisNode, error) {
	text, err := n.info(ctx)
	if err != nil {
		return observation.RedisNode{}, n.explain(err)
	}
	own := n.own.Add(1) - 1 // this INFO is counted by the server only after it has answered
	s, err := parseInfo(text)
	if err != nil {
		return observation.RedisNode{}, n.explain(err)
	}
	s.Address, s.Own = n.address, own
	return s, nil
}

func (n *node) info(ctx context.Context) (string, error) {
	if !n.defaults {
		text, err := n.client.Info(ctx, sections...).Result()
		if err == nil || !strings.Contains(err.Error(), "syntax error") {
			return text, err
		}
		n.own.Add(1)
		n.defaults = true
	}
	return n.client.Info(ctx).Result()
}

// explain says where an error happened and what to do about it, without the password.
func (n *node) explain(err error) error {
	text := err.Error()
	hint := ""
	switch {
	case strings.Contains(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"), strings.Contains(text, "AUTH"):
		hint = "check user and password in the address: redis://user:password@host:port"
	case strings.Contains(text, "NOPERM"):
		hint = "let the user run INFO: ACL SETUSER " + n.user + " +info"
	case strings.Contains(text, "dial "), errors.Is(err, context.DeadlineExceeded):
		hint = "is Redis running there, and reachable from here?"
	case strings.Contains(text, "EOF"):
		hint = "the server closed the connection; a port with TLS needs rediss://"
	}
	text = n.address + ": " + text
	if hint != "" {
		text += " (" + hint + ")"
	}
	if n.secret != "" {
		text = strings.ReplaceAll(text, n.secret, "[password]")
	}
	return &explained{text: text, err: err}
}

// explained is an error with the words of explain.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }
