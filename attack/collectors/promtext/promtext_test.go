package promtext_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"arqload/attack/collectors/promtext"
)

func client(t *testing.T, caFile string) *promtext.Client {
	t.Helper()
	c, err := promtext.New(caFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAnErrorSaysWhereAndWhatToDo(t *testing.T) {
	answer := func(status int, kind, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"not found":            {answer(404, "text/plain", "no"), "it answered 404: is this the path of the metrics"},
		"not allowed":          {answer(401, "text/plain", "no"), "it answered 401: let this machine read it"},
		"elsewhere":            {answer(301, "text/plain", "", "Location", "/metrics/"), "it answered 301 and points to /metrics/: write that address"},
		"a page":               {answer(200, "text/html; charset=utf-8", "<html>"), "text/html, not Prometheus' text: is this the path"},
		"OpenMetrics":          {answer(200, "application/openmetrics-text; version=1.0.0", "# EOF\n"), "application/openmetrics-text, not Prometheus' text"},
		"other text":           {answer(200, "text/plain", "hello, world\n"), "not Prometheus' text form: text format parsing error in line 1"},
		"nothing":              {answer(200, "text/plain", ""), "it holds no metric"},
		"only comments":        {answer(200, "text/plain", "# HELP up is it up\n"), "it holds no metric"},
		"cut short":            {answer(200, "text/plain", "up 1"), "unexpected end of input stream"},
		"a value that is none": {answer(200, "text/plain", "up one\n"), "expected float"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			line := []byte(strings.Repeat("x", 1<<16) + " 1\n")
			for range 200 { // 13 MB
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}, "it tells more than 8 MiB: name an endpoint that tells less"},
		"cut in the middle": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "up 1\n")
		}, "unexpected EOF"},
	} {
		s := httptest.NewServer(c.handler)
		_, err := client(t, "").Read(t.Context(), s.URL+"/metrics")
		if err == nil || !strings.HasPrefix(err.Error(), s.URL+"/metrics: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s: ... %s", name, err, s.URL, c.want)
		}
		s.Close()
	}
	_, err := client(t, "").Read(t.Context(), "http://127.0.0.1:1/metrics")
	if err == nil || strings.Count(err.Error(), "http://127.0.0.1:1/metrics") != 1 || !strings.Contains(err.Error(), "does it run there") {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestAnEndlessAnswerIsNotReadToItsEnd(t *testing.T) {
	var sent atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		line := []byte(strings.Repeat("x", 1<<16) + " 1\n")
		for range 2000 { // 131 MB
			n, err := w.Write(line)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	_, err := client(t, "").Read(t.Context(), s.URL)
	s.Close() // waits for the handler
	// The sockets hold some more than the 8 MiB that are read.
	if err == nil || sent.Load() > 40<<20 {
		t.Errorf("%d bytes were sent: %v", sent.Load(), err)
	}
}

func TestAnEndpointThatHangsIsLeftInTime(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "up 1\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the rest never comes
	}))
	t.Cleanup(s.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := client(t, "").Read(ctx, s.URL)
	if d := time.Since(start); err == nil || !strings.Contains(err.Error(), "no whole answer within") || d > 2*time.Second {
		t.Errorf("after %v: %v", d, err)
	}
}

func TestAnAuthorityOfThePlanIsTrusted(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "up 1\n") }))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, file).Read(t.Context(), s.URL); err != nil {
		t.Errorf("with the authority: %v", err)
	}
	if _, err := client(t, "").Read(t.Context(), s.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without it: %v", err)
	}
	if _, err := promtext.New(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "system.ca_file") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestEverySeriesIsFoundUnderItsOwnName(t *testing.T) {
	f, err := promtext.Parse([]byte(`# TYPE a counter
a{x="1"} 1
a{x="2"} 2
# TYPE h histogram
h_bucket{le="1"} 3
h_bucket{le="+Inf"} 4
h_sum 5.5
h_count 4
# TYPE s summary
s{quantile="0.5"} 7
s_sum 8
s_count 9
# TYPE g gauge
g_count 10
plain_sum -11
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"a":         "counter map[x:1] 1; counter map[x:2] 2; ",
		"h":         "",
		"h_bucket":  "counter map[le:1] 3; counter map[le:+Inf] 4; ",
		"h_sum":     "counter map[] 5.5; ",
		"h_count":   "counter map[] 4; ",
		"s":         "quantile map[quantile:0.5] 7; ",
		"s_sum":     "counter map[] 8; ",
		"s_count":   "counter map[] 9; ",
		"s_bucket":  "",
		"g_count":   "untyped map[] 10; ",
		"plain_sum": "untyped map[] -11; ",
		"nothing":   "",
	} {
		got := ""
		f.Each(name, func(s promtext.Series) {
			if s.Name != name {
				t.Errorf("%s shows %s", name, s.Name)
			}
			got += fmt.Sprintf("%s %v %v; ", s.Type, s.Labels, s.Value)
		})
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if k, n, ok := f.Family("h"); k != promtext.Histogram || n != 1 || !ok {
		t.Errorf("h is %s with %d series, %v", k, n, ok)
	}
	if _, _, ok := f.Family("h_sum"); ok {
		t.Error("h_sum is a family of its own")
	}
}

// FuzzParse: no text makes the parser panic or leaves a series without its name.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"up 1\n", "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_count 1\n", "a{b=\"c\\\"\"} NaN 123\n", "{\"a.b\",c=\"d\"} 1\n", "# TYPE a summary\na{quantile=\"x\"} 1\n", "\xff 1\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		families, err := promtext.Parse([]byte(text))
		if err != nil {
			return
		}
		for _, name := range []string{"up", "h", "h_bucket", "h_count", "h_sum", "a", "a_sum"} {
			families.Each(name, func(s promtext.Series) {
				if s.Name != name || s.Type == "" || s.Labels == nil {
					t.Fatalf("%q shows %+v of %s", text, s, name)
				}
			})
		}
	})
}
