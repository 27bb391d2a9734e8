package attack

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

const (
	prepareTries   = 5
	prepareBackoff = 200 * time.Millisecond // doubled with each try
	prepareAtOnce  = 8
	// renewShare is the part of a token's life after which it is renewed.
	renewShare = 0.8
	renewEvery = 250 * time.Millisecond
	never      = math.MaxInt64
	// skewedJWTLife is how long a fresh token whose exp is past is taken to live.
	skewedJWTLife = 30 * time.Second
)

// PrepareError says that a session could not be made before the load.
type PrepareError struct {
	Scenario, Step string
	Class          observation.Class
	Status         int
	Message        string // redacted
	Answer         string // the system's own answer, redacted
	Tries          int
}

func (e *PrepareError) Error() string {
	s := fmt.Sprintf("preparing sessions failed at %s/%s after %d of %d tries: %s", e.Scenario, e.Step, e.Tries, prepareTries, e.Message)
	if e.Answer != "" {
		s += "\n  the system answered: " + e.Answer
	}
	switch e.Status {
	case 401, 403:
		s += "\n  check system.username and system.password"
	}
	return s
}

// session is one prepared user: the variables that scenarios need and do not capture
// themselves. Readers take the map as it is; renewing swaps it whole.
type session struct {
	vars  atomic.Pointer[map[string]string]
	past  []string     // the secrets it held before its last renewal, which requests may still carry
	renew atomic.Int64 // when the token is due for renewal, in ns since sessions.born; never: it lives for ever
}

// sessions prepares and renews.
type sessions struct {
	plan  *scenarios.Plan
	call  *caller
	fixed map[string]string
	all   []*session
	born  time.Time

	renewedOK, renewedFailed atomic.Uint64
	warn                     func(string)
	warnOnce                 sync.Once
}

func newSessions(p *scenarios.Plan, call *caller, warn func(string)) *sessions {
	s := &sessions{plan: p, call: call, warn: warn, born: time.Now(),
		fixed: map[string]string{"username": p.System.Username, "password": p.System.Password.Reveal()}}
	if len(p.SessionNeeds()) > 0 {
		s.all = make([]*session, p.Sessions)
	}
	return s
}

// of returns the session of the n-th arrival's variables.
func (s *sessions) of(n uint64) map[string]string {
	if len(s.all) == 0 {
		return nil
	}
	return *s.all[n%uint64(len(s.all))].vars.Load()
}

// prepare makes all sessions, a few at a time. The first that fails for good ends it.
func (s *sessions) prepare(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	work := make(chan int)
	for range min(prepareAtOnce, len(s.all)) {
		wg.Go(func() {
			for i := range work {
				one, err := s.make(ctx)
				if err != nil {
					cancel(err)
					continue
				}
				s.all[i] = one
			}
		})
	}
	for i := range s.all {
		if ctx.Err() != nil {
			break
		}
		work <- i
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}

// make prepares one session by the scenarios that the plan prepares with: auth first.
func (s *sessions) make(ctx context.Context) (*session, error) {
	v := &vars{own: map[string]string{}, fixed: s.fixed}
	one := &session{}
	one.renew.Store(never)
	for i, name := range s.plan.Preparation() {
		life, err := s.run(ctx, name, v)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			one.renewAt(time.Since(s.born), life)
		}
	}
	one.vars.Store(&v.own)
	return one, nil
}

// run runs one scenario for a session, each step with up to prepareTries tries.
func (s *sessions) run(ctx context.Context, name string, v *vars) (life time.Duration, err error) {
	sc := s.plan.Scenarios[name]
	for i := range sc.Steps {
		r, err := s.try(ctx, name, &sc.Steps[i], v)
		if err != nil {
			return 0, err
		}
		if d := lifetime(r.expiresIn, v.own["token"]); d > 0 {
			life = d
		}
	}
	// Everything a session holds may be a token: no artefact shall hold any of it.
	s.call.scrub.add(secretVars(v.own)...)
	return life, nil
}

func (s *sessions) try(ctx context.Context, name string, st *scenarios.Step, v *vars) (stepResult, error) {
	backoff := prepareBackoff
	for tries := 1; ; tries++ {
		r := s.call.do(ctx, st, v, func(observation.Class) bool { return true })
		if r.ok() {
			return r, nil
		}
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		if final := r.status == 401 || r.status == 403; final || tries == prepareTries || !worthRetry(r.class) {
			return r, &PrepareError{Scenario: name, Step: st.Name, Class: r.class, Status: r.status, Message: r.message, Answer: r.answer, Tries: tries}
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return r, context.Cause(ctx)
		}
		backoff *= 2
	}
}

// worthRetry: transport errors, 5xx and unmet expectations may pass; a 4xx will not.
func worthRetry(c observation.Class) bool {
	return c != observation.HTTP4xx && c != observation.HTTP3xx
}

// renewAt sets when the session is due for renewal.
func (one *session) renewAt(now, life time.Duration) {
	if life <= 0 {
		one.renew.Store(never)
		return
	}
	one.renew.Store(int64(now + time.Duration(float64(life)*renewShare)))
}

// lifetime returns how long a token lives: expires_in, else the JWT's exp, else 0 (for ever).
func lifetime(expiresIn float64, token string) time.Duration {
	if expiresIn > 0 && expiresIn < 1e9 {
		return time.Duration(expiresIn * float64(time.Second))
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return 0
	}
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if json.Unmarshal(raw, &claims) != nil || claims.Exp <= 0 {
		return 0
	}
	if left := time.Until(time.Unix(int64(claims.Exp), 0)); left > 0 {
		return left
	}
	// A clock that differs from the issuer's sees the end in the past already, and how far
	// it lies ahead cannot be told.
	return skewedJWTLife
}

// keep renews tokens before they expire until ctx is done. Its requests are in no judged
// number; they are counted apart.
func (s *sessions) keep(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	slots := make(chan struct{}, prepareAtOnce)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, one := range s.all {
			if time.Duration(one.renew.Load()) > time.Since(s.born) {
				continue
			}
			one.renew.Store(never)
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			wg.Go(func() {
				defer func() { <-slots }()
				s.renewOne(ctx, one)
			})
		}
	}
}

func (s *sessions) renewOne(ctx context.Context, one *session) {
	old := *one.vars.Load()
	v := &vars{own: map[string]string{}, fixed: s.fixed}
	life, err := s.run(ctx, s.plan.Preparation()[0], v)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
			return
		}
		s.renewedFailed.Add(1)
		s.warnOnce.Do(func() { s.warn("a session's token could not be renewed: " + err.Error()) })
		one.renewAt(time.Since(s.born), time.Second) // try again soon
		return
	}
	fresh := make(map[string]string, len(old))
	for k, x := range old {
		fresh[k] = x
	}
	for k, x := range v.own {
		fresh[k] = x
	}
	one.vars.Store(&fresh)
	s.call.scrub.forget(one.past...)
	one.past = nil
	for k := range v.own {
		if isSecretVar(k) && old[k] != "" {
			one.past = append(one.past, old[k])
		}
	}
	one.renewAt(time.Since(s.born), life)
	s.renewedOK.Add(1)
}
