package redisinfo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
	"arqload/attack/sandbox"
)

// server is the address of one real Redis for all tests.
var server string

func TestMain(m *testing.M) {
	box, err := sandbox.Start(context.Background(), sandbox.Options{Redis: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = box.RedisURL()
	code := m.Run()
	if err := box.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	// The driver's own goroutine, which dials a node that is gone, sees that its pool was
	// closed a second later.
	err = goleak.Find()
	for deadline := time.Now().Add(5 * time.Second); err != nil && time.Now().Before(deadline); {
		err = goleak.Find()
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func open(t *testing.T, urls string) *Collector {
	t.Helper()
	c, err := Open(t.Context(), urls, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func client(t *testing.T) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(server)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func sample(t *testing.T, c *Collector) observation.Redis {
	t.Helper()
	return tick(t, c, collectors.Tick{Seq: 1})
}

// detailed is a sample at a phase edge.
func detailed(t *testing.T, c *Collector) observation.Redis {
	t.Helper()
	return tick(t, c, collectors.Tick{Seq: 1, Edge: "end of steady"})
}

func tick(t *testing.T, c *Collector, at collectors.Tick) observation.Redis {
	t.Helper()
	data, err := c.Sample(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return data.(observation.Redis)
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestHitsMissesAndCommandsEqualWhatAClientDid(t *testing.T) {
	app, c := client(t), open(t, server)
	ctx := t.Context()
	before := sample(t, c).Nodes[0]
	for i := range 7 {
		must[string](t)(app.Set(ctx, fmt.Sprint("hit", i), "x", 0).Result()) // no read: neither hit nor miss
	}
	for i := range 17 {
		err := app.Get(ctx, fmt.Sprint("hit", i)).Err() // 7 hits, 10 misses
		if want := i >= 7; (err == redis.Nil) != want {
			t.Fatalf("GET hit%d: %v", i, err)
		}
	}
	must[int64](t)(app.Exists(ctx, "hit0", "hit1", "nothing").Result()) // one command, 2 hits, 1 miss
	for range 5 {
		sample(t, c) // the collector's own reading changes none of it
	}
	after := sample(t, c).Nodes[0]
	if h, m := after.Hits-before.Hits, after.Misses-before.Misses; h != 9 || m != 11 {
		t.Errorf("%d hits and %d misses, want 9 and 11", h, m)
	}
	if n := after.Commands - before.Commands - (after.Own - before.Own); n != 25 { // 7 SET, 17 GET, 1 EXISTS
		t.Errorf("%d commands but the collector's own, want 25", n)
	}
	if after.Own-before.Own != 6 {
		t.Errorf("the collector counts %d commands of its own, want its 6 INFO", after.Own-before.Own)
	}
}

func TestAnotherClientWithoutReadsLeavesTheHitRatioAlone(t *testing.T) {
	app, other, c := client(t), client(t), open(t, server)
	ctx := t.Context()
	before := sample(t, c).Nodes[0]
	done := make(chan error)
	go func() {
		for i := range 200 {
			if err := other.Set(ctx, fmt.Sprint("other", i), i, time.Minute).Err(); err != nil {
				done <- err
				return
			}
		}
		done <- other.Incr(ctx, "other-counter").Err()
	}()
	for range 50 {
		if err := app.Get(ctx, "absent").Err(); err != redis.Nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	after := sample(t, c).Nodes[0]
	if h, m := after.Hits-before.Hits, after.Misses-before.Misses; h != 0 || m != 50 {
		t.Errorf("%d hits and %d misses, want 0 and the 50 of this client", h, m)
	}
}

func TestGaugesOfARealServer(t *testing.T) {
	app, c := client(t), open(t, server)
	must[string](t)(app.Set(t.Context(), "gauge", strings.Repeat("x", 1<<20), 0).Result())
	n := sample(t, c).Nodes[0]
	if n.UsedMemory < 1<<20 || n.RSS == 0 || n.Clients < 2 || n.MaxClients == 0 || n.Keys < 1 || n.Policy == "" ||
		n.RunID == "" || n.Version == "" || n.Role != "master" || n.MaxMemory != 0 {
		t.Errorf("implausible sample of a fresh server that holds 1 MiB: %+v", n)
	}
}

func TestAUserWhoMayOnlyRunInfoSuffices(t *testing.T) {
	admin := client(t)
	ctx := t.Context()
	if err := admin.Do(ctx, "ACL", "SETUSER", "watcher", "on", ">planted-secret", "-@all", "+info").Err(); err != nil {
		t.Fatal(err)
	}
	defer admin.Do(context.Background(), "ACL", "DELUSER", "watcher")
	before := sample(t, open(t, server)).Nodes[0]
	url := strings.Replace(server, "redis://", "redis://watcher:planted-secret@", 1)
	c := open(t, url)
	if n := sample(t, c).Nodes[0]; n.Error != "" || n.ErrorReplies-before.ErrorReplies != n.OwnErrors || n.OwnErrors != 1 {
		t.Errorf("%d error replies, %d counted as own, and error %q; want 1 of LATENCY HISTOGRAM alone", n.ErrorReplies-before.ErrorReplies, n.OwnErrors, n.Error)
	}
	if n := detailed(t, c).Nodes[0]; n.OwnErrors != 1 || n.Buckets != nil || len(n.Calls) == 0 {
		t.Errorf("%d own errors, want no second try; commandstats %v", n.OwnErrors, n.Calls)
	}
}

func TestWhatKeepsItFromOpeningIsSaidWithoutThePassword(t *testing.T) {
	admin := client(t)
	ctx := t.Context()
	if err := admin.Do(ctx, "ACL", "SETUSER", "blind", "on", ">planted-secret", "-@all").Err(); err != nil {
		t.Fatal(err)
	}
	defer admin.Do(context.Background(), "ACL", "DELUSER", "blind")
	host := strings.TrimSuffix(strings.TrimPrefix(server, "redis://"), "/0")
	closed := line(t, "")
	for _, c := range []struct{ name, url, want string }{
		{"wrong password", "redis://blind:planted-secret-2@" + host, "check user and password"},
		{"not allowed to run INFO", "redis://blind:planted-secret@" + host, "ACL SETUSER blind +info"},
		{"nobody there", "redis://u:planted-secret@127.0.0.1:1", "is Redis running there"},
		{"one of two is not there", server + ",127.0.0.1:1", "127.0.0.1:1"},
		{"closes at once", "redis://u:planted-secret@" + closed.Addr(), closed.Addr()},
		{"no URL", "redis://u:planted-secret/@" + host, "percent-encoded"},
		{"another scheme", "http://u:planted-secret@" + host, "redis://user:password@host:6379"},
	} {
		_, err := Open(ctx, c.url, Options{})
		if err == nil {
			t.Errorf("%s: opened", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q does not say %q", c.name, err, c.want)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "planted-secret") {
			t.Errorf("%s: the error holds the password: %#v", c.name, err)
		}
	}
}

func TestACutLineIsAnErrorSampleAndThenRecovers(t *testing.T) {
	host := strings.TrimSuffix(strings.TrimPrefix(server, "redis://"), "/0")
	p := line(t, host)
	c := open(t, "redis://"+p.Addr())
	before := sample(t, c).Nodes[0]
	p.Lead("")
	for range 3 {
		start := time.Now()
		if _, err := c.Sample(t.Context(), collectors.Tick{}); err == nil {
			t.Error("a sample over a cut line")
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("the failure took %v", d)
		}
	}
	p.Lead(host)
	deadline := time.Now().Add(5 * time.Second)
	for {
		data, err := c.Sample(t.Context(), collectors.Tick{})
		if err == nil {
			if got := data.(observation.Redis).Nodes[0]; got.RunID != before.RunID || got.Commands <= before.Commands {
				t.Errorf("after recovery %+v, want the same server as before", got)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no recovery in 5 s: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestALineThatIsReplacedBetweenSamplesIsNoError(t *testing.T) {
	host := strings.TrimSuffix(strings.TrimPrefix(server, "redis://"), "/0")
	p := line(t, host)
	c := open(t, "redis://"+p.Addr())
	p.Lead(host)
	if _, err := c.Sample(t.Context(), collectors.Tick{}); err != nil {
		t.Errorf("a stale connection was not replaced: %v", err)
	}
}

func TestOneOfTwoNodesLostIsVisibleBesideTheOther(t *testing.T) {
	p := line(t, start(t, sandbox.RedisOptions{}).Addresses()[0])
	c := open(t, server+","+p.Addr())
	p.Lead("")
	s := sample(t, c)
	if len(s.Nodes) != 2 || s.Nodes[0].Error != "" || s.Nodes[1].Error == "" || s.Nodes[1].Address != p.Addr() {
		t.Errorf("nodes = %+v, want the second one with an error", s.Nodes)
	}
}

func TestASilentServerCostsNoMoreThanTheContext(t *testing.T) {
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0")) // accepts in the kernel, never answers
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := Open(ctx, "redis://"+l.Addr().String(), Options{}); err == nil {
		t.Error("opened")
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("gave up after %v, want 0.3 s", d)
	}
}

// old answers like Redis 6.2: HELLO is known, INFO takes one section at most.
func old(t *testing.T) string {
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for {
			var args int
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Sscanf(line, "*%d", &args)
			var words []string
			for range args {
				r.ReadString('\n') // the length
				word, _ := r.ReadString('\n')
				words = append(words, strings.ToUpper(strings.TrimSpace(word)))
			}
			body := "# Stats\r\nkeyspace_hits:5\r\nkeyspace_misses:6\r\nsomething_new:a=1\r\n# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\ndb11:keys=3,expires=1,avg_ttl=9\r\n"
			switch {
			case words[0] != "INFO":
				fmt.Fprint(conn, "*0\r\n")
			case args > 2:
				fmt.Fprint(conn, "-ERR syntax error\r\n")
			default:
				fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(body), body)
			}
		}
	}()
	return "redis://" + l.Addr().String()
}

func TestRedisBefore7IsAskedForItsDefaultSections(t *testing.T) {
	url := old(t)
	c := open(t, url)
	got := sample(t, c).Nodes[0]
	want := observation.RedisNode{Address: strings.TrimPrefix(url, "redis://"), Hits: 5, Misses: 6, Keys: 5, Own: got.Own, OwnErrors: 1} // the list of sections
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("sample (-want +got):\n%s", d)
	}
	c.Close(context.Background())
}

func TestAnInfoWithoutItsCountersIsNotReadAsZero(t *testing.T) {
	if _, err := parseInfo("# Server\r\nredis_version:9.9\r\n"); err == nil || !strings.Contains(err.Error(), "keyspace_hits") {
		t.Errorf("err = %v, want the missing field named", err)
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add("keyspace_hits:1\r\nkeyspace_misses:2\r\ndb0:keys=1,expires=0\r\n")
	f.Add("keyspace_hits:1\nkeyspace_misses:2\nslave0:ip=::1,port=1,state=online,offset=5,lag=0\ncmdstat_get:calls=1,usec=9\nerrorstat_X:count=1\nlatency_percentiles_usec_get:p50=NaN,p99=1e300\nused_cpu_sys_main_thread:Inf\n")
	f.Add("# x\nkeyspace_hits:-9\nkeyspace_misses:99999999999999999999\ndb:\n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseInfo(text)
		if err != nil {
			return
		}
		if !strings.Contains(text, "keyspace_hits:") {
			t.Errorf("hits %d out of nothing", n.Hits)
		}
		if len(n.Errors) > manyKinds {
			t.Errorf("%d kinds of error are kept", len(n.Errors))
		}
		saved, err := json.Marshal(n)
		if err != nil {
			t.Fatalf("cannot be saved: %v", err)
		}
		var back observation.RedisNode
		if err := json.Unmarshal(saved, &back); err != nil || back.Hits != n.Hits {
			t.Errorf("read back as %+v (%v)", back, err)
		}
	})
}
