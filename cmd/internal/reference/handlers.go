package reference

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func unauthorized() answer { return refuse(http.StatusUnauthorized, "no valid token") }

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
}

type dialogueAnswer struct {
	ID        string    `json:"id"`
	Reply     string    `json:"reply"`
	CreatedAt time.Time `json:"created_at"`
}

type messageAnswer struct {
	ID         string    `json:"id"`
	DialogueID string    `json:"dialogue_id"`
	Reply      string    `json:"reply"`
	CreatedAt  time.Time `json:"created_at"`
}

// issueToken is POST /api/auth/token.
func (s *server) issueToken(ctx context.Context, c call) answer {
	var in struct {
		Username, Password string
	}
	if err := json.Unmarshal(c.body, &in); err != nil || !usable(in.Username) {
		return refuse(http.StatusBadRequest, "body is not {username, password}")
	}
	u, found, err := s.user(ctx, in.Username)
	if err != nil {
		return s.broken(err)
	}
	if !found || !u.credential.matches(in.Password) {
		return refuse(http.StatusUnauthorized, "wrong username or password")
	}
	token := newToken()
	if err := s.cache.set(ctx, tokenKey(token), strconv.FormatInt(u.id, 10), s.cfg.TokenTTL); err != nil {
		return s.broken(err)
	}
	return answer{http.StatusOK, tokenAnswer{token, "Bearer", int(s.cfg.TokenTTL.Seconds())}}
}

// createDialogue is POST /api/dialogues.
func (s *server) createDialogue(ctx context.Context, c call) answer {
	token, ok := bearer(c.http)
	if !ok {
		return unauthorized()
	}
	value, found, err := s.cache.get(ctx, tokenKey(token))
	if err != nil {
		return s.broken(err)
	}
	if !found {
		return unauthorized()
	}
	userID, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return s.broken(fmt.Errorf("a token's user: %w", err))
	}
	var in struct {
		InitialMessage string `json:"initial_message"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil || !usable(in.InitialMessage) {
		return refuse(http.StatusBadRequest, "body is not {initial_message}")
	}
	now := time.Now().UTC()
	dialogue, first := newID(now), newMessage(now, in.InitialMessage)
	if c.dropWrite {
		s.record.fault(func(st *FaultStats) { st.DroppedWrites++ })
	} else if err := s.store.insertDialogue(ctx, userID, dialogue, first); err != nil {
		return s.broken(err)
	}
	return answer{http.StatusCreated, dialogueAnswer{dialogue.String(), first.reply, now}}
}

// addMessage is POST /api/dialogues/{id}/messages. A dialogue of another user is as unknown as none.
func (s *server) addMessage(ctx context.Context, c call) answer {
	token, ok := bearer(c.http)
	if !ok {
		return unauthorized()
	}
	dialogue, known := parseID(c.http.PathValue("id"))
	userID, owner, err := s.cache.getBoth(ctx, tokenKey(token), dialogueKey(dialogue))
	if err != nil {
		return s.broken(err)
	}
	if userID == "" {
		return unauthorized()
	}
	var in struct{ Message string }
	if err := json.Unmarshal(c.body, &in); err != nil || !usable(in.Message) {
		return refuse(http.StatusBadRequest, "body is not {message}")
	}
	if known && owner == "" {
		if owner, err = s.loadOwner(ctx, dialogue); err != nil {
			return s.broken(err)
		}
	}
	if !known || owner != userID {
		return refuse(http.StatusNotFound, "no such dialogue")
	}
	m := newMessage(time.Now().UTC(), in.Message)
	if c.dropWrite {
		s.record.fault(func(st *FaultStats) { st.DroppedWrites++ })
	} else if err := s.store.insertMessage(ctx, dialogue, m); err != nil {
		return s.broken(err)
	}
	return answer{http.StatusCreated, messageAnswer{m.id.String(), dialogue.String(), m.reply, m.at}}
}

// user reads through the cache. An unknown name is not cached: it may be made any time.
func (s *server) user(ctx context.Context, username string) (user, bool, error) {
	value, found, err := s.cache.get(ctx, userKey(username))
	if err != nil {
		return user{}, false, err
	}
	if found {
		u, err := parseUser(value)
		return u, err == nil, err
	}
	u, found, err := s.store.user(ctx, username)
	if err != nil || !found {
		return user{}, false, err
	}
	return u, true, s.cache.set(ctx, userKey(username), u.String(), recordTTL)
}

// loadOwner reads a dialogue's owner from the table into the cache; "" if there is no such dialogue.
func (s *server) loadOwner(ctx context.Context, dialogue id) (string, error) {
	userID, found, err := s.store.dialogueOwner(ctx, dialogue)
	if err != nil || !found {
		return "", err
	}
	owner := strconv.FormatInt(userID, 10)
	return owner, s.cache.set(ctx, dialogueKey(dialogue), owner, recordTTL)
}

func (u user) String() string { return strconv.FormatInt(u.id, 10) + "|" + u.credential.String() }

func parseUser(text string) (user, error) {
	number, cred, _ := strings.Cut(text, "|")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return user{}, fmt.Errorf("a cached user: %w", err)
	}
	c, err := parseCredential(cred)
	return user{id: n, credential: c}, err
}

// usable excludes NUL, which PostgreSQL cannot store.
func usable(text string) bool { return text != "" && !strings.Contains(text, "\x00") }

// newMessage answers with what only a service that has read the message can know.
func newMessage(at time.Time, body string) message {
	return message{id: newID(at), body: body, reply: fmt.Sprintf("I have read %d bytes.", len(body)), at: at}
}

func (s *server) alive(context.Context) answer {
	return answer{http.StatusOK, map[string]string{"status": "ok"}}
}

// ready asks both backends.
func (s *server) ready(ctx context.Context) answer {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	state := map[string]string{"status": "ready", "postgres": "ok", "redis": "ok"}
	status := http.StatusOK
	for name, ping := range map[string]func(context.Context) error{"postgres": s.store.ping, "redis": s.cache.ping} {
		if ping(ctx) != nil {
			status, state["status"], state[name] = http.StatusServiceUnavailable, "not ready", "unavailable"
		}
	}
	return answer{status, state}
}
