package reference

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"arqload/attack/sandbox"
)

// UAT 3.1 and 3.2: what the scenarios capture and what they leave in the tables.
func TestScenariosGetTheirAnswers(t *testing.T) {
	a := serve(t, nil)
	for _, path := range []string{"/health", "/readiness", "/live"} {
		a.must(200, "GET", path, "", "", nil)
	}
	var token tokenAnswer
	a.must(200, "POST", "/api/auth/token", "", loginBody(testPassword), &token)
	if token.AccessToken == "" || token.TokenType != "Bearer" || token.ExpiresIn != 3600 {
		t.Errorf("token answer %+v, want a Bearer token for 3600 s", token)
	}
	var dialogue dialogueAnswer
	a.must(201, "POST", "/api/dialogues", token.AccessToken, `{"initial_message": "Production UAT test"}`, &dialogue)
	var m messageAnswer
	a.must(201, "POST", "/api/dialogues/"+dialogue.ID+"/messages", token.AccessToken, `{"message": "Test message"}`, &m)
	if m.DialogueID != dialogue.ID || m.Reply != "I have read 12 bytes." {
		t.Errorf("message answer %+v, want dialogue %s and 12 bytes read", m, dialogue.ID)
	}
	if n := count(t, `SELECT count(*) FROM messages WHERE dialogue_id = $1`, dialogue.ID); n != 2 {
		t.Errorf("%d messages in the table, want the initial one and one more", n)
	}
	if n := count(t, `SELECT count(*) FROM messages WHERE id = $1 AND body = 'Test message' AND reply = $2`, m.ID, m.Reply); n != 1 {
		t.Errorf("the message that was answered is not in the table")
	}
	if n := count(t, `SELECT count(*) FROM dialogues JOIN users ON users.id = user_id WHERE dialogues.id = $1 AND username = $2`,
		dialogue.ID, testUser); n != 1 {
		t.Errorf("the dialogue is not the user's")
	}
}

func TestWrongRequestsAreRefused(t *testing.T) {
	a := serve(t, nil)
	token := a.login()
	dialogue := a.dialogue(token)
	messages := "/api/dialogues/" + dialogue + "/messages"
	const unknown = "/api/dialogues/01890000-0000-7000-8000-000000000000/messages"
	for _, c := range []struct {
		name                      string
		status                    int
		method, path, token, body string
	}{
		{"wrong password", 401, "POST", "/api/auth/token", "", loginBody("wrong")},
		{"unknown user", 401, "POST", "/api/auth/token", "", `{"username": "nobody", "password": "x"}`},
		{"login is not JSON", 400, "POST", "/api/auth/token", "", `username=x`},
		{"login without name", 400, "POST", "/api/auth/token", "", `{}`},
		{"name with NUL", 400, "POST", "/api/auth/token", "", `{"username": "a\u0000", "password": "x"}`},
		{"dialogue without token", 401, "POST", "/api/dialogues", "", `{"initial_message": "x"}`},
		{"dialogue with a made-up token", 401, "POST", "/api/dialogues", "made-up", `{"initial_message": "x"}`},
		{"dialogue without message", 400, "POST", "/api/dialogues", token, `{}`},
		{"message without token", 401, "POST", messages, "", `{"message": "x"}`},
		{"message with a made-up token", 401, "POST", messages, "made-up", `{"message": "x"}`},
		{"message to an unknown dialogue", 404, "POST", unknown, token, `{"message": "x"}`},
		{"message to no dialogue's id", 404, "POST", "/api/dialogues/17/messages", token, `{"message": "x"}`},
		{"empty message", 400, "POST", messages, token, `{"message": ""}`},
		{"message with NUL", 400, "POST", messages, token, `{"message": "\u0000"}`},
		{"truncated JSON", 400, "POST", messages, token, `{"message": "x`},
		{"too large", 413, "POST", messages, token, `{"message": "` + strings.Repeat("x", maxBodyBytes) + `"}`},
		{"GET of a POST path", 405, "GET", "/api/dialogues", token, ""},
		{"POST to a probe", 405, "POST", "/health", "", ""},
		{"unknown path under /api/", 404, "POST", "/api/nothing", token, `{}`},
		{"unknown path", 404, "GET", "/nothing", "", ""},
	} {
		status, text, err := a.send(t.Context(), c.method, c.path, c.token, c.body)
		var p problem
		if jsonErr := json.Unmarshal(text, &p); err != nil || status != c.status || jsonErr != nil || p.Error == "" {
			t.Errorf("%s: %d %s (%v), want %d and an error in JSON", c.name, status, text, err, c.status)
		}
		if p.Received != nil {
			t.Errorf("%s: the answer repeats the request: %s", c.name, text)
		}
	}
	a.must(201, "POST", messages, token, `{"message": "after all of this"}`, nil)
	if last := a.stats().LastError; last != "" {
		t.Errorf("an internal error: %s", last)
	}
}

func TestAnotherUsersDialogueIsUnknown(t *testing.T) {
	a := serve(t, nil)
	b := serve(t, func(c *Config) { c.Username = "other" })
	dialogue := a.dialogue(a.login())
	var token tokenAnswer
	b.must(200, "POST", "/api/auth/token", "", fmt.Sprintf(`{"username": "other", "password": %q}`, testPassword), &token)
	for range 2 { // from the table, then from the cache
		b.must(404, "POST", "/api/dialogues/"+dialogue+"/messages", token.AccessToken, `{"message": "x"}`, nil)
	}
}

func TestNewPasswordReplacesTheOld(t *testing.T) {
	first := serve(t, nil)
	first.login() // now the cache holds the user with the old password
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := serve(t, func(c *Config) { c.Password = "new" })
	second.must(401, "POST", "/api/auth/token", "", loginBody(testPassword), nil)
	second.must(200, "POST", "/api/auth/token", "", loginBody("new"), nil)
}

func TestTokenExpires(t *testing.T) {
	a := serve(t, func(c *Config) { c.TokenTTL = time.Second })
	token := a.login()
	a.dialogue(token)
	time.Sleep(1100 * time.Millisecond)
	a.must(401, "POST", "/api/dialogues", token, `{"initial_message": "x"}`, nil)
}

func TestBackendsHoldNoSecretInClear(t *testing.T) {
	a := serve(t, nil)
	token := a.login()
	if n := count(t, `SELECT count(*) FROM users WHERE credential LIKE '%' || $1 || '%'`, testPassword); n != 0 {
		t.Error("the password stands in the table")
	}
	rdb := redisClient(t)
	keys, err := rdb.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("Redis holds %v (%v)", keys, err)
	}
	for _, key := range keys {
		value, err := rdb.Get(t.Context(), key).Result()
		if all := key + value; err != nil || strings.Contains(all, token) || strings.Contains(all, testPassword) {
			t.Errorf("Redis holds a secret: %s (%v)", all, err)
		}
		if ttl, err := rdb.TTL(t.Context(), key).Result(); err != nil || ttl <= 0 {
			t.Errorf("%s never expires (%v)", key, err)
		}
	}
}

func TestReadinessSeesALostBackend(t *testing.T) {
	own, err := sandbox.Start(t.Context(), sandbox.Options{Redis: true})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Stop()
	a := serve(t, func(c *Config) { c.RedisURL = own.RedisURL() })
	a.must(200, "GET", "/readiness", "", "", nil)
	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	var state map[string]string
	a.must(503, "GET", "/readiness", "", "", &state)
	if state["redis"] != "unavailable" || state["postgres"] != "ok" {
		t.Errorf("readiness says %v, want only redis unavailable", state)
	}
	a.must(200, "GET", "/live", "", "", nil)
	a.must(500, "POST", "/api/auth/token", "", loginBody(testPassword), nil)
	if a.stats().LastError == "" {
		t.Error("the reason behind the 500 is in no statistics")
	}
}

// The server's own counts of statements and look-ups are what PostgreSQL and Redis count themselves.
func TestOwnCountsEqualTheBackends(t *testing.T) {
	if err := serve(t, nil).stop(); err != nil { // makes the tables
		t.Fatal(err)
	}
	conn, rdb := connect(t), redisClient(t)
	calls := func(sql string) (n int64) {
		err := conn.QueryRow(t.Context(), `SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE query = $1`, sql).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := map[string]int64{}
	for _, st := range statements() {
		before[st.name] = calls(st.sql)
	}
	hits, misses := keyspace(t, rdb.Info(t.Context(), "stats").Val())
	messages, dialogues := count(t, `SELECT count(*) FROM messages`), count(t, `SELECT count(*) FROM dialogues`)

	a := serve(t, func(c *Config) {
		c.Faults = Faults{SlowQueryShare: 0.1, SlowQueryFor: time.Millisecond, DropWrites: 0.1, ErrorShare: 0.1}
	})
	var sessions sync.WaitGroup
	for range 8 {
		sessions.Go(func() {
			for range 10 {
				a.conversation(4)
			}
		})
	}
	sessions.Wait()
	a.send(t.Context(), "POST", "/api/auth/token", "", `{"username": "nobody", "password": "x"}`) // SELECT without a row

	s := a.stats()
	for _, st := range statements() {
		got := s.Statements[st.name]
		if delta := calls(st.sql) - before[st.name]; got.Calls != delta || delta == 0 || got.SQL != st.sql || got.Failed != 0 {
			t.Errorf("%s: %+v, pg_stat_statements counts %d", st.name, got, delta)
		}
	}
	hitsAfter, missesAfter := keyspace(t, rdb.Info(t.Context(), "stats").Val())
	if s.Cache.Hits != hitsAfter-hits || s.Cache.Misses != missesAfter-misses || s.Cache.Misses == 0 {
		t.Errorf("cache %+v, INFO counts %d hits and %d misses", s.Cache, hitsAfter-hits, missesAfter-misses)
	}
	if got := count(t, `SELECT count(*) FROM messages`) - messages; s.Rows["messages"] != got || got == 0 {
		t.Errorf("%d messages by the server, %d in the table", s.Rows["messages"], got)
	}
	if got := count(t, `SELECT count(*) FROM dialogues`) - dialogues; s.Rows["dialogues"] != got || got == 0 {
		t.Errorf("%d dialogues by the server, %d in the table", s.Rows["dialogues"], got)
	}
}

// conversation goes as far as the faults let it.
func (a *arq) conversation(messages int) {
	step := func(path, token, body string) (out struct {
		Token string `json:"access_token"`
		ID    string `json:"id"`
	}) {
		if _, text, err := a.send(context.Background(), "POST", path, token, body); err == nil {
			json.Unmarshal(text, &out) // an error answer has neither
		}
		return out
	}
	token := step("/api/auth/token", "", loginBody(testPassword)).Token
	if token == "" {
		return
	}
	dialogue := step("/api/dialogues", token, `{"initial_message": "x"}`).ID
	for range messages {
		step("/api/dialogues/"+dialogue+"/messages", token, `{"message": "x"}`)
	}
}

func keyspace(t *testing.T, info string) (hits, misses int64) {
	t.Helper()
	for line := range strings.Lines(info) {
		fmt.Sscanf(line, "keyspace_hits:%d", &hits)
		fmt.Sscanf(line, "keyspace_misses:%d", &misses)
	}
	return hits, misses
}
