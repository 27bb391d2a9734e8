package reference

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"arqload/attack/sandbox"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

const (
	testUser     = "load-test"
	testPassword = "correct horse battery staple"
)

// backends are the servers that all tests of this package share; they judge by differences.
var backends *sandbox.Sandbox

func TestMain(m *testing.M) {
	if os.Getenv(serveEnv) != "" {
		serveForBenchmark()
		return
	}
	sb, err := sandbox.Start(context.Background(), sandbox.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	backends = sb
	code := m.Run()
	if err := sb.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// An arq is a running reference ARQ with a client of its own.
type arq struct {
	t      testing.TB
	url    string
	client *http.Client
	stop   func() error
}

// serve runs a reference ARQ for the test's length; change may be nil.
func serve(t testing.TB, change func(*Config)) *arq {
	t.Helper()
	cfg := Config{Listen: "127.0.0.1:0", PostgresURL: backends.PostgresURL(), RedisURL: backends.RedisURL(),
		Username: testUser, Password: testPassword}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- Run(ctx, cfg, func(url string) { ready <- url }) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	a := &arq{t: t, client: &http.Client{Transport: transport}}
	stopped := false
	a.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		transport.CloseIdleConnections()
		return <-ended
	}
	select {
	case a.url = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return a
}

// send returns the status and the answer's body, or the transport's error. The body cannot be rewound, so that net/http
// does not send it again behind our back.
func (a *arq) send(ctx context.Context, method, path, token, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, struct{ io.Reader }{strings.NewReader(body)})
	if err != nil {
		a.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// must sends and decodes an answer that has to have the status.
func (a *arq) must(status int, method, path, token, body string, into any) {
	a.t.Helper()
	got, text, err := a.send(a.t.Context(), method, path, token, body)
	if err != nil || got != status {
		a.t.Fatalf("%s %s: %d %s (%v), want %d", method, path, got, text, err, status)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			a.t.Fatalf("%s %s: %s: %v", method, path, text, err)
		}
	}
}

func loginBody(password string) string {
	return fmt.Sprintf(`{"username": %q, "password": %q}`, testUser, password)
}

func (a *arq) login() string {
	a.t.Helper()
	var got tokenAnswer
	a.must(200, "POST", "/api/auth/token", "", loginBody(testPassword), &got)
	return got.AccessToken
}

func (a *arq) dialogue(token string) string {
	a.t.Helper()
	var got dialogueAnswer
	a.must(201, "POST", "/api/dialogues", token, `{"initial_message": "hello"}`, &got)
	return got.ID
}

func (a *arq) stats() Stats {
	a.t.Helper()
	var got Stats
	a.must(200, "GET", "/reference/stats", "", "", &got)
	return got
}

func connect(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), backends.PostgresURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func count(t *testing.T, sql string, args ...any) (n int64) {
	t.Helper()
	if err := connect(t).QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func redisClient(t *testing.T) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(backends.RedisURL())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opts)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConfigReportsEveryMistake(t *testing.T) {
	err := Run(t.Context(), Config{TokenTTL: time.Millisecond, Faults: Faults{
		ErrorShare: 0.6, HangShare: 0.6, DropWrites: -1, SlowQueryShare: 0.1, StallFor: 2, StallEvery: 1, Capacity: -1}}, nil)
	if err == nil {
		t.Fatal("an empty Config is accepted")
	}
	for _, want := range []string{"Listen", "PostgresURL", "RedisURL", "Username", "Password", "TokenTTL",
		"errors, resets and hangs together: 1.2", "dropped writes: -1", "slow queries have no duration", "stall of 2ns every 1ns", "capacity -1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %q:\n%v", want, err)
		}
	}
}

func TestUnreachableBackendsAreNamed(t *testing.T) {
	for name, cfg := range map[string]Config{
		"postgres": {PostgresURL: "postgres://u:sesame@127.0.0.1:1/x", RedisURL: backends.RedisURL()},
		"redis":    {PostgresURL: backends.PostgresURL(), RedisURL: "redis://u:sesame@127.0.0.1:1/0"},
	} {
		cfg.Listen, cfg.Username, cfg.Password = "127.0.0.1:0", "u", "sesame"
		err := Run(t.Context(), cfg, func(string) { t.Error("ready without " + name) })
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("without %s: %v; want an error with its name and without the password", name, err)
		}
	}
}
