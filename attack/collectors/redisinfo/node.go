package redisinfo

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"arqload/analysis/observation"
)

// sections are the parts of INFO that are read; details are added now and then. Redis
// before 7.0 takes only one name: it is asked for its default sections, which hold all of
// the first, or for "all".
var (
	sections = []string{"server", "clients", "memory", "stats", "replication", "cpu", "cluster", "keyspace"}
	details  = []string{"commandstats", "errorstats", "latencystats"}
)

// node is one Redis process, by its address.
type node struct {
	address     string // host:port
	found       string // through which node; empty: it is named in the plan
	left        bool   // not read: it is another one by another name, or leads nowhere
	user        string
	secret      string // never to be seen in an error
	options     *redis.Options
	client      *redis.Client
	tally       *tally
	prober      *prober // of a master; nil: none
	defaults    bool    // the server takes no list of sections
	noHistogram bool    // LATENCY HISTOGRAM is refused or not known
}

// tally counts the commands of this collector that a node is known to have processed.
type tally struct {
	mu     sync.Mutex
	all    int64
	by     map[string]int64
	errors int64
}

// did counts one command by the name that commandstats has for it.
func (t *tally) did(command string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all++
	t.by[command]++
}

// refused counts an error reply.
func (t *tally) refused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errors++
}

func (t *tally) read() (all int64, by map[string]int64, errors int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all, maps.Clone(t.by), t.errors
}

func newNode(o *redis.Options, found string) *node {
	n := &node{address: o.Addr, found: found, user: cmp.Or(o.Username, "default"), secret: o.Password, options: o, tally: &tally{by: map[string]int64{}}}
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
		n.tally.did("hello")
		return nil
	}
	n.client = redis.NewClient(o)
	return n
}

// read asks for INFO, and for the details where asked to.
func (n *node) read(ctx context.Context, detailed bool) (observation.RedisNode, error) {
	waiting := n.prober.waiting()
	text, err := n.info(ctx, detailed)
	if err != nil {
		return observation.RedisNode{}, n.explain(err)
	}
	own, by, refused := n.tally.read()
	n.tally.did("info") // the server counts it only after it has answered
	s, err := parseInfo(text)
	if err != nil {
		return observation.RedisNode{}, n.explain(err)
	}
	s.Address, s.Own, s.OwnErrors = n.address, own, refused
	if waiting != 0 && n.prober.waiting() == waiting { // the same WAIT before and after
		s.OwnBlocked = min(1, s.BlockedClients)
	}
	if detailed {
		s.Detailed, s.OwnCalls = true, by
		s.Buckets = n.histogram(ctx)
	} else {
		s.Calls, s.Errors, s.Latency = nil, nil, nil // an old server tells some of it unasked
	}
	return s, nil
}

func (n *node) info(ctx context.Context, detailed bool) (string, error) {
	if !n.defaults {
		names := sections
		if detailed {
			names = append(names[:len(names):len(names)], details...)
		}
		text, err := n.client.Info(ctx, names...).Result()
		if err == nil || !strings.Contains(err.Error(), "syntax error") {
			n.note(err)
			return text, err
		}
		n.tally.did("info")
		n.note(err)
		n.defaults = true
	}
	var text string
	var err error
	if detailed {
		text, err = n.client.Info(ctx, "all").Result()
	} else {
		text, err = n.client.Info(ctx).Result()
	}
	n.note(err)
	return text, err
}

// note counts an error that the server has replied.
func (n *node) note(err error) {
	if isReply(err) {
		n.tally.refused()
	}
}

func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !errors.Is(err, redis.Nil)
}

// forbidden says whether an answer is that the user may not send the command, or that there
// is none.
func forbidden(err error) bool {
	text := err.Error()
	return isReply(err) && (strings.Contains(text, "NOPERM") || strings.Contains(text, "NOAUTH") || strings.Contains(text, "unknown command"))
}

// histogram asks for the distribution of each command's execution times; nil where the
// server has none or refuses, which managed services do.
func (n *node) histogram(ctx context.Context) map[string][]observation.RedisBucket {
	if n.noHistogram || n.defaults {
		return nil
	}
	reply, err := n.client.Do(ctx, "latency", "histogram").Slice()
	if err != nil {
		n.note(err)
		n.noHistogram = isReply(err)
		return nil
	}
	n.tally.did("latency|histogram")
	return parseHistogram(reply)
}

// explain says where an error happened and what to do about it, without the password.
func (n *node) explain(err error) error {
	text := err.Error()
	hint := ""
	switch {
	case strings.Contains(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"), strings.Contains(text, "AUTH"), strings.Contains(text, "unauthenticated"):
		hint = "check user and password in the address: redis://user:password@host:port"
	case strings.Contains(text, "NOPERM"):
		hint = "let the user run INFO: ACL SETUSER " + n.user + " +info"
	case n.found != "" && (strings.Contains(text, "dial ") || errors.Is(err, context.DeadlineExceeded)):
		hint = "its address was told by " + n.found + "; is Redis running there, and reachable from here by that address?"
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
