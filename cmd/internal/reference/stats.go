package reference

import (
	"maps"
	"strings"
	"sync"
	"time"
)

// Stats is the server's own count since its start. Of each endpoint's requests, every one is answered, reset, hung,
// abandoned by its client before the answer, or still in progress.
type Stats struct {
	StartedAt  time.Time                 `json:"started_at"`
	Endpoints  map[string]EndpointStats  `json:"endpoints"` // by method and path; "other" are unknown paths
	Faults     FaultStats                `json:"faults"`
	Statements map[string]StatementStats `json:"statements"`
	Cache      CacheStats                `json:"cache"`
	Rows       map[string]int64          `json:"rows_inserted"`        // by table; the account is not counted
	LastError  string                    `json:"last_error,omitempty"` // behind the last answer 500
}

// EndpointStats counts the requests of one endpoint by their end.
type EndpointStats struct {
	Requests  int64         `json:"requests"`
	Answers   map[int]int64 `json:"answers"` // by status
	Resets    int64         `json:"resets"`
	Hangs     int64         `json:"hangs"`
	Abandoned int64         `json:"abandoned"`
}

// FaultStats counts what was injected, over all endpoints.
type FaultStats struct {
	Seed          uint64 `json:"seed"`
	Errors        int64  `json:"errors"`
	Resets        int64  `json:"resets"`
	Hangs         int64  `json:"hangs"`
	DroppedWrites int64  `json:"dropped_writes"`
	SlowQueries   int64  `json:"slow_queries"`
	Stalled       int64  `json:"stalled"` // times that a stall held a request, before its work or its answer
	Queued        int64  `json:"queued"`  // requests that waited for capacity
}

// StatementStats counts the executions of one statement; SQL is its text as pg_stat_statements shows it.
type StatementStats struct {
	SQL    string `json:"sql"`
	Calls  int64  `json:"calls"`  // completed
	Failed int64  `json:"failed"` // failed or canceled; not in pg_stat_statements
}

// CacheStats counts keys read from Redis.
type CacheStats struct {
	Hits   int64 `json:"hits"`
	Misses int64 `json:"misses"`
}

// A recorder counts under one lock: at a thousand requests a second a few uncontended locks each are not noticed.
type recorder struct {
	mu    sync.Mutex
	stats Stats
}

func newRecorder(seed uint64) *recorder {
	r := &recorder{stats: Stats{StartedAt: time.Now(), Endpoints: map[string]EndpointStats{}, Faults: FaultStats{Seed: seed},
		Statements: map[string]StatementStats{}, Rows: map[string]int64{"dialogues": 0, "messages": 0}}}
	for _, st := range statements() {
		r.stats.Statements[st.name] = StatementStats{SQL: st.sql}
	}
	return r
}

// snapshot is a copy that nobody writes to.
func (r *recorder) snapshot() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Endpoints = maps.Clone(s.Endpoints)
	for name, e := range s.Endpoints {
		e.Answers = maps.Clone(e.Answers)
		s.Endpoints[name] = e
	}
	s.Statements = maps.Clone(s.Statements)
	s.Rows = maps.Clone(s.Rows)
	return s
}

func (r *recorder) endpoint(name string, change func(*EndpointStats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.stats.Endpoints[name]
	if e.Answers == nil {
		e.Answers = map[int]int64{}
	}
	change(&e)
	r.stats.Endpoints[name] = e
}

func (r *recorder) request(endpoint string) {
	r.endpoint(endpoint, func(e *EndpointStats) { e.Requests++ })
}
func (r *recorder) reset(endpoint string) {
	r.endpoint(endpoint, func(e *EndpointStats) { e.Resets++ })
}
func (r *recorder) hang(endpoint string) { r.endpoint(endpoint, func(e *EndpointStats) { e.Hangs++ }) }
func (r *recorder) abandoned(endpoint string) {
	r.endpoint(endpoint, func(e *EndpointStats) { e.Abandoned++ })
}
func (r *recorder) answer(endpoint string, status int) {
	r.endpoint(endpoint, func(e *EndpointStats) { e.Answers[status]++ })
}

func (r *recorder) fault(change func(*FaultStats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.stats.Faults)
}

func (r *recorder) statement(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.stats.Statements[name]
	if err == nil {
		st.Calls++
	} else {
		st.Failed++
	}
	r.stats.Statements[name] = st
}

func (r *recorder) rows(tables ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range tables {
		r.stats.Rows[t]++
	}
}

func (r *recorder) read(hit bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hit {
		r.stats.Cache.Hits++
	} else {
		r.stats.Cache.Misses++
	}
}

func (r *recorder) failed(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.LastError = what
}

// Write takes what net/http would log, such as a handler's panic.
func (r *recorder) Write(line []byte) (int, error) {
	r.failed(strings.TrimSpace(string(line)))
	return len(line), nil
}
