package reference

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// A call is one request under /api/ with its body read.
type call struct {
	endpoint  string
	http      *http.Request
	body      []byte
	dropWrite bool
}

// An answer is a status and what is sent as JSON.
type answer struct {
	status int
	body   any
}

// A problem is the body of every error answer.
type problem struct {
	Error    string    `json:"error"`
	Received *received `json:"received,omitempty"` // with Faults.EchoSecrets alone
}

type received struct {
	Authorization string `json:"authorization"`
	Body          string `json:"body"`
}

func refuse(status int, why string) answer { return answer{status, problem{Error: why}} }

type handler func(ctx context.Context, c call) answer

// routes has patterns without methods, so that 404 and 405 are JSON and counted like every other answer.
func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/auth/token", s.api("/api/auth/token", s.issueToken))
	mux.Handle("/api/dialogues", s.api("/api/dialogues", s.createDialogue))
	mux.Handle("/api/dialogues/{id}/messages", s.api("/api/dialogues/{id}/messages", s.addMessage))
	mux.Handle("/api/", s.api("", nil))
	mux.Handle("/health", s.probe("GET /health", s.alive))
	mux.Handle("/live", s.probe("GET /live", s.alive))
	mux.Handle("/readiness", s.probe("GET /readiness", s.ready))
	mux.HandleFunc("GET /reference/stats", func(w http.ResponseWriter, _ *http.Request) {
		write(w, answer{http.StatusOK, s.record.snapshot()})
	})
	mux.Handle("/", s.probe("other", func(context.Context) answer { return refuse(http.StatusNotFound, "no such path") }))
	return mux
}

// probe serves a path outside /api/, which no fault touches.
func (s *server) probe(endpoint string, handle func(context.Context) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.record.request(endpoint)
		a := handle(r.Context())
		if r.Method != http.MethodGet && r.Method != http.MethodHead && a.status != http.StatusNotFound {
			w.Header().Set("Allow", "GET, HEAD")
			a = refuse(http.StatusMethodNotAllowed, "use GET")
		}
		s.record.answer(endpoint, a.status)
		write(w, a)
	})
}

// api serves an endpoint that takes POST; a nil handler is an unknown path.
func (s *server) api(path string, handle handler) http.Handler {
	endpoint := "POST " + path
	if handle == nil {
		endpoint = "other"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.record.request(endpoint)
		// The whole body is read first: only then does net/http notice that a client leaves.
		c := call{endpoint: endpoint, http: r}
		var err error
		if c.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes)); err != nil {
			if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
				s.finish(w, c, refuse(http.StatusRequestEntityTooLarge, "body is larger than "+strconv.Itoa(maxBodyBytes)+" bytes"))
				return
			}
			s.abandon(endpoint)
		}
		f := s.inject.decide()
		if !s.inject.begin(r.Context(), f.latency) {
			s.abandon(endpoint)
		}
		switch f.end {
		case endReset:
			s.reset(w, endpoint)
		case endHang:
			s.hang(r.Context(), endpoint)
		case endError:
			s.record.fault(func(st *FaultStats) { st.Errors++ })
			s.finish(w, c, refuse(http.StatusServiceUnavailable, "injected error"))
		case endAnswer:
			c.dropWrite = f.dropWrite
			s.finish(w, c, s.perform(w, c, handle, f.slowQuery))
		}
	})
}

// perform does the work, to its end even if the client leaves meanwhile, as the statement is then under way.
func (s *server) perform(w http.ResponseWriter, c call, handle handler, slow bool) answer {
	switch {
	case handle == nil:
		return refuse(http.StatusNotFound, "no such path")
	case c.http.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return refuse(http.StatusMethodNotAllowed, "use POST")
	}
	ctx, cancel := context.WithTimeout(s.work, workWithin)
	defer cancel()
	if slow {
		s.record.fault(func(st *FaultStats) { st.SlowQueries++ })
		if err := s.store.sleep(ctx, s.cfg.Faults.SlowQueryFor); err != nil {
			return s.broken(err)
		}
	}
	return handle(ctx, c)
}

// broken is the answer when PostgreSQL or Redis failed.
func (s *server) broken(err error) answer {
	s.record.failed(err.Error())
	return refuse(http.StatusInternalServerError, "internal error")
}

// finish answers, after a stall if there is one. It counts before it writes: a client that has its answer finds it
// counted.
func (s *server) finish(w http.ResponseWriter, c call, a answer) {
	if !s.inject.end(c.http.Context()) {
		s.abandon(c.endpoint)
	}
	if p, ok := a.body.(problem); ok && s.cfg.Faults.EchoSecrets {
		p.Received = &received{Authorization: c.http.Header.Get("Authorization"), Body: string(c.body)}
		a.body = p
	}
	s.record.answer(c.endpoint, a.status)
	write(w, a)
}

// abandon ends a request whose client has left.
func (s *server) abandon(endpoint string) {
	s.record.abandoned(endpoint)
	panic(http.ErrAbortHandler) // net/http closes the connection and says nothing
}

// reset closes the connection with RST instead of FIN.
func (s *server) reset(w http.ResponseWriter, endpoint string) {
	s.record.fault(func(st *FaultStats) { st.Resets++ })
	s.record.reset(endpoint)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the connection is gone already
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

func (s *server) hang(client context.Context, endpoint string) {
	s.record.fault(func(st *FaultStats) { st.Hangs++ })
	s.record.hang(endpoint)
	s.inject.hang(client)
	panic(http.ErrAbortHandler)
}

func write(w http.ResponseWriter, a answer) {
	text, err := json.Marshal(a.body)
	if err != nil { // every body is of a type above or in handlers.go
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(a.status)
	w.Write(text)
}

// bearer is the token of the Authorization header.
func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}
