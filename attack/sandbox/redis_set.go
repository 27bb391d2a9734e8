package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// RedisOptions says which Redis servers [StartRedis] starts. The zero value is one plain server.
type RedisOptions struct {
	Masters  int       // above 0: a cluster of so many masters
	Replicas int       // of each master, or of the one server
	Password string    // of the default user; letters and digits
	TLS      *Identity // not nil: each server listens on a second port with TLS
	Args     []string  // more arguments of redis-server, for each of them
	Dir      string    // parent of the temporary folder; "" is os.TempDir()
	Log      io.Writer // a line a step, for people; nil is silence
}

// Identity is what a server shows to those who connect with TLS, in PEM form.
type Identity struct{ Certificate, Key []byte }

// RedisSet is one or several Redis servers on loopback: a primary with its replicas, or a cluster. The servers live and
// end as those of a [Sandbox] do.
type RedisSet struct {
	sandbox  *Sandbox
	bin      string
	options  RedisOptions
	cluster  bool
	servers  []*redisServer
	password string
}

// redisServer is one of a set, through all its lives.
type redisServer struct {
	name          string
	dir           string
	port, tlsPort int
	args          []string
	process       *process
	killed        bool
	paused        bool
}

func (r *redisServer) address() string { return loopback(r.port) }

// StartRedis returns when all servers answer, the replicas are connected, and a cluster has agreed on itself. The caller
// owes a [RedisSet.Stop].
func StartRedis(ctx context.Context, o RedisOptions) (*RedisSet, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	progs, err := defaultSearch("").find(false, true)
	if err != nil {
		return nil, err
	}
	set := &RedisSet{sandbox: &Sandbox{log: o.Log}, bin: progs.redis, options: o, cluster: o.Masters > 0, password: o.Password}
	if err := set.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: redis: %w", err), set.Stop())
	}
	return set, nil
}

func (set *RedisSet) start(ctx context.Context) error {
	s := set.sandbox
	var err error
	if s.account, err = serverAccount(); err != nil {
		return err
	}
	if s.folder, err = newFolder(set.options.Dir, s.account); err != nil {
		return err
	}
	s.thread = newThread()
	for i := range max(1, set.options.Masters) * (1 + set.options.Replicas) {
		if err := set.add(ctx, i); err != nil {
			return err
		}
		fmt.Fprintf(s.log, "sandbox: %s answers at %s\n", set.bin, set.servers[i].address())
	}
	if set.cluster {
		return set.join(ctx)
	}
	return set.awaitReplicas(ctx, set.servers[0], set.options.Replicas)
}

// add starts the i-th server.
func (set *RedisSet) add(ctx context.Context, i int) error {
	r := &redisServer{name: fmt.Sprintf("redis-%d", i)}
	var err error
	if r.dir, err = set.sandbox.folder.mkdir(r.name, set.sandbox.account); err != nil {
		return err
	}
	r.args = []string{"--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"}
	if set.password != "" {
		r.args = append(r.args, "--requirepass", set.password, "--masterauth", set.password)
	}
	switch {
	case set.cluster:
		r.args = append(r.args, "--cluster-enabled", "yes", "--cluster-node-timeout", "1500")
	case i > 0:
		r.args = append(r.args, "--replicaof", "127.0.0.1", strconv.Itoa(set.servers[0].port))
	}
	if id := set.options.TLS; id != nil {
		for name, text := range map[string][]byte{"cert.pem": id.Certificate, "key.pem": id.Key} {
			if _, err := set.sandbox.folder.writeFile(r.name+"/"+name, string(text), set.sandbox.account); err != nil {
				return err
			}
		}
		r.args = append(r.args, "--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-ca-cert-file", "cert.pem", "--tls-auth-clients", "no")
	}
	r.args = append(r.args, set.options.Args...)
	err = onFreePort(func(port int) error {
		r.port = port
		if set.cluster && !busPortFree(port) {
			return errPortTaken
		}
		if set.options.TLS != nil {
			if r.tlsPort, err = freePort(); err != nil {
				return err
			}
		}
		return set.launch(ctx, r)
	})
	if err == nil {
		set.servers = append(set.servers, r)
	}
	return err
}

// launch gives a server a process on its ports.
func (set *RedisSet) launch(ctx context.Context, r *redisServer) error {
	args := append([]string{"--port", strconv.Itoa(r.port)}, r.args...)
	if r.tlsPort > 0 {
		args = append(args, "--tls-port", strconv.Itoa(r.tlsPort))
	}
	p, err := set.sandbox.spawnAs(syscall.SIGKILL, r.name, r.dir, set.bin, args...)
	if err != nil {
		return err
	}
	if err := p.waitReady(ctx, func() bool { return redisPID(r.address(), set.password) == p.cmd.Process.Pid }); err != nil {
		return set.sandbox.discard(p, err, redisStop)
	}
	r.process, r.killed, r.paused = p, false, false
	return nil
}

// busPortFree says whether the port of the cluster's own bus, 10000 above, can be had.
func busPortFree(port int) bool {
	if port+10000 > 65535 {
		return false
	}
	l, err := net.Listen("tcp4", loopback(port+10000))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// Addresses are the servers' host:port: of a cluster first all masters, then their replicas; else the primary first.
func (set *RedisSet) Addresses() []string {
	var all []string
	for _, r := range set.servers {
		all = append(all, r.address())
	}
	return all
}

// URL is the address of the first server, with the default user's password.
func (set *RedisSet) URL() string { return set.url("redis", set.servers[0].address()) }

// TLSURL is URL with TLS; "" without.
func (set *RedisSet) TLSURL() string {
	if set.options.TLS == nil {
		return ""
	}
	return set.url("rediss", loopback(set.servers[0].tlsPort))
}

func (set *RedisSet) url(scheme, address string) string {
	if set.password != "" {
		return fmt.Sprintf("%s://:%s@%s/0", scheme, set.password, address)
	}
	return fmt.Sprintf("%s://%s/0", scheme, address)
}

func (set *RedisSet) server(address string) (*redisServer, error) {
	i := slices.IndexFunc(set.servers, func(r *redisServer) bool { return r.address() == address })
	if i < 0 {
		return nil, fmt.Errorf("sandbox: no Redis at %s", address)
	}
	return set.servers[i], nil
}

// Kill ends the server at an address as a crash would, and returns when it is gone.
func (set *RedisSet) Kill(address string) error {
	r, err := set.server(address)
	if err != nil {
		return err
	}
	r.killed = true
	if err := r.process.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("sandbox: kill %s: %w", r.name, err)
	}
	<-r.process.exited
	return nil
}

// Restart kills the server at an address if it lives, and starts it there again, empty.
func (set *RedisSet) Restart(ctx context.Context, address string) error {
	r, err := set.server(address)
	if err != nil {
		return err
	}
	if !r.killed {
		if err := set.Kill(address); err != nil {
			return err
		}
	}
	if err := set.launch(ctx, r); err != nil {
		return fmt.Errorf("sandbox: restart %s: %w", r.name, err)
	}
	return nil
}

// Pause stops the server at an address without ending it: its connections stay open, and nothing answers.
func (set *RedisSet) Pause(address string) error { return set.hold(address, true) }

// Resume lets a paused server go on.
func (set *RedisSet) Resume(address string) error { return set.hold(address, false) }

func (set *RedisSet) hold(address string, pause bool) error {
	r, err := set.server(address)
	if err != nil {
		return err
	}
	signal := syscall.SIGCONT
	if pause {
		signal = syscall.SIGSTOP
	}
	if err := r.process.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("sandbox: %v to %s: %w", signal, r.name, err)
	}
	r.paused = pause
	return nil
}

// Stop ends the servers and removes the folder. It may be called more than once and on a nil set.
func (set *RedisSet) Stop() error {
	if set == nil {
		return nil
	}
	s := set.sandbox
	s.stopOnce.Do(func() {
		var errs []error
		for _, r := range set.servers { // first: a primary waits for its replicas before it ends
			if r.paused && !r.killed {
				errs = append(errs, set.Resume(r.address()))
			}
		}
		for _, r := range set.servers {
			if r.killed {
				continue
			}
			errs = append(errs, r.process.stop(redisStop...))
		}
		s.stopErr = errors.Join(append(errs, s.stop())...)
	})
	return s.stopErr
}

// within polls until ready says true, at most for readyWithin.
func within(ctx context.Context, what string, ready func() bool) error {
	for end := time.Now().Add(readyWithin); !ready(); {
		if time.Now().After(end) {
			return fmt.Errorf("%s: not within %v", what, readyWithin)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
