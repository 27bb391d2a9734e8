package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"arqload/analysis/observation"
	"arqload/scenarios"
)

// bodyLimit is how much of an answer is kept for captures and checks; the rest is read
// and thrown away, so that the time of the whole answer is measured and the connection
// can be used again.
const bodyLimit = 1 << 20

// caller sends the steps of scenarios.
type caller struct {
	base    *url.URL
	rt      http.RoundTripper
	timeout time.Duration // of a step, from its send
	now     func() time.Duration
	scrub   *scrubber
	dialed  func(connect, tls time.Duration)
	agent   string
}

// vars are what templates may insert: lookup goes from the newest layer to the oldest.
type vars struct {
	own     map[string]string // captured in this arrival
	session map[string]string
	fixed   map[string]string // username, password
	seq     string
}

func (v *vars) get(name string) string {
	if s, ok := v.own[name]; ok {
		return s
	}
	if s, ok := v.session[name]; ok {
		return s
	}
	if name == "seq" {
		return v.seq
	}
	return v.fixed[name]
}

// secrets returns what this arrival and its session captured.
func (v *vars) secrets() []string { return append(secretVars(v.own), secretVars(v.session)...) }

// secretVars returns the captured values that no artefact may hold.
func secretVars(captured map[string]string) []string {
	var s []string
	for name, x := range captured {
		if isSecretVar(name) {
			s = append(s, x)
		}
	}
	return s
}

// isSecretVar: any captured variable may be a token, but for the ids that the built-in
// scenarios capture.
func isSecretVar(name string) bool { return name != "dialogue_id" && name != "message_id" }

// givesSecrets reports whether a good answer of the step holds a secret.
func givesSecrets(st *scenarios.Step) bool {
	for _, c := range st.Capture {
		if isSecretVar(c.Name) {
			return true
		}
	}
	return false
}

// stepResult is what became of one step.
type stepResult struct {
	begun, ended time.Duration // on the run's clock
	class        observation.Class
	status       int
	kept         bool   // message and answer were made
	message      string // why it failed, redacted
	answer       string // the beginning of a failed answer, redacted
	traced       traced
	expiresIn    float64 // of an answer that has it: seconds; 0: none
}

func (r *stepResult) ok() bool { return r.class == "" }

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// do runs one step. v.own receives its captures. ctx ends when the drive is stopped for
// good; the step has its own timeout within it. On a failure, keep says whether the
// message and the answer will be kept as an example: cleaning them of secrets costs too
// much to be done for each of a thousand failures a second.
func (c *caller) do(ctx context.Context, st *scenarios.Step, v *vars, keep func(observation.Class) bool) stepResult {
	r := stepResult{begun: c.now()}
	stepCtx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	tr, traceCtx := newTrace(stepCtx, c.dialed)
	fail := func(class observation.Class, body []byte, format string, args ...any) stepResult {
		r.ended = c.now()
		r.class = class
		r.traced = tr.done()
		if !keep(class) {
			return r
		}
		r.kept = true
		secrets := v.secrets()
		r.message = c.scrub.clean(fmt.Sprintf(format, args...), secrets...)
		r.answer = c.scrub.excerpt(body, secrets...)
		if class == observation.Expectation && givesSecrets(st) {
			r.answer = c.scrub.excerpt([]byte(shape(body)), secrets...)
		}
		return r
	}

	req, err := c.request(traceCtx, st, v)
	if err != nil {
		return fail(observation.Expectation, nil, "the request cannot be made: %v", err)
	}
	resp, err := c.rt.RoundTrip(req)
	if err != nil {
		t := tr.done()
		return fail(classifyError(err, t, ctx.Err() != nil), nil, "%s", explain(err, t, c.timeout))
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	_, err = io.Copy(buf, io.LimitReader(resp.Body, bodyLimit))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	_ = resp.Body.Close()
	r.status = resp.StatusCode
	if err != nil {
		return fail(classifyError(err, tr.done(), ctx.Err() != nil), buf.Bytes(), "the answer (status %d) broke off: %v", resp.StatusCode, err)
	}
	r.ended = c.now()
	ended := r.ended
	if !accepted(st.Status, resp.StatusCode) {
		r = fail(classifyStatus(resp.StatusCode), buf.Bytes(), "answered %d, expected %s", resp.StatusCode, statuses(st.Status))
		r.ended = ended
		return r
	}
	if problem := c.read(st, buf.Bytes(), v, &r); problem != "" {
		r = fail(observation.Expectation, buf.Bytes(), "%s", problem)
		r.ended = ended
		return r
	}
	r.traced = tr.done()
	return r
}

// request builds the step's request. Its body is never nil and cannot be rewound for
// methods that net/http would send again by itself on a broken connection: a retry in
// silence would hide the failure.
func (c *caller) request(ctx context.Context, st *scenarios.Step, v *vars) (*http.Request, error) {
	path := st.Path.Append(make([]byte, 0, 128), v.get)
	u, err := url.Parse(string(path))
	if err != nil {
		return nil, fmt.Errorf("path %s: %w", st.Path.Source(), err)
	}
	u.Scheme, u.Host = c.base.Scheme, c.base.Host
	if c.base.Path != "" {
		if u.RawPath != "" || c.base.RawPath != "" {
			u.RawPath = c.base.EscapedPath() + u.EscapedPath()
		}
		u.Path = c.base.Path + u.Path
	}
	req := (&http.Request{
		Method: st.Method, URL: u, Host: c.base.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(st.Headers)+2),
	}).WithContext(ctx)
	req.Header["User-Agent"] = []string{c.agent}
	if st.JSON {
		req.Header["Content-Type"] = []string{"application/json"}
	}
	for _, h := range st.Headers {
		value := string(h.Value.Append(nil, v.get))
		switch h.Name {
		case "Host":
			req.Host = value
		case "Idempotency-Key", "X-Idempotency-Key":
			// net/http reads a header of this name, present with no value, as leave to
			// send any request again. It looks for the canonical spelling only; servers
			// read header names without regard to case.
			req.Header[strings.ToLower(h.Name)] = []string{value}
		default:
			req.Header[h.Name] = []string{value}
		}
	}
	switch {
	case st.Body != nil:
		body := st.Body.Append(nil, v.get)
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.ContentLength = int64(len(body))
	case replayed(st.Method):
		req.Body = io.NopCloser(bytes.NewReader(nil))
	}
	return req, nil
}

// replayed reports whether net/http would send a request of this method again when it
// has no body.
func replayed(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// read checks an accepted answer against what the step expects and takes its captures.
// It returns what is wrong, or "".
func (c *caller) read(st *scenarios.Step, body []byte, v *vars, r *stepResult) string {
	for _, e := range st.Expect {
		got := gjson.GetBytes(body, e.Path)
		if !got.Exists() {
			return fmt.Sprintf("the answer has no %q", e.Path)
		}
		if !sameJSON(got.Raw, e.Want) {
			return fmt.Sprintf("the answer's %q is not %s", e.Path, e.Want)
		}
	}
	for _, capture := range st.Capture {
		value, ok := firstOf(body, capture.Paths)
		if !ok {
			return fmt.Sprintf("the answer has none of %v to capture %q from", capture.Paths, capture.Name)
		}
		if v.own == nil {
			v.own = make(map[string]string, len(st.Capture))
		}
		v.own[capture.Name] = value
	}
	if x := gjson.GetBytes(body, "expires_in"); x.Type == gjson.Number {
		r.expiresIn = x.Num
	}
	return ""
}

// firstOf returns the first of the paths that has a value other than null and "".
func firstOf(body []byte, paths []string) (string, bool) {
	for _, p := range paths {
		if x := gjson.GetBytes(body, p); x.Exists() && x.Type != gjson.Null && x.String() != "" {
			return x.String(), true
		}
	}
	return "", false
}

// sameJSON compares two JSON texts as values.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

func accepted(list []int, status int) bool {
	for _, s := range list {
		if s == status {
			return true
		}
	}
	return false
}

func statuses(list []int) string {
	s := make([]string, len(list))
	for i, x := range list {
		s[i] = fmt.Sprint(x)
	}
	return strings.Join(s, " or ")
}

// explain puts a transport error in words that say how far the request came.
func explain(err error, t traced, timeout time.Duration) string {
	stage := "waiting for a connection"
	switch {
	case t.timings.FirstByte > 0:
		stage = "reading the answer"
	case t.connected:
		stage = "waiting for the answer"
	case t.inTLS:
		stage = "in the TLS handshake"
	}
	if isTimeout(err) {
		return fmt.Sprintf("no answer within %s (%s)", timeout, stage)
	}
	return fmt.Sprintf("%v (%s)", err, stage)
}
