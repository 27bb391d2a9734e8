package appmetrics_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"arqload/analysis/observation"
	"arqload/attack/collectors"
	"arqload/attack/collectors/appmetrics"
)

func serve(t *testing.T, text func() string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
		fmt.Fprint(w, text())
	}))
	t.Cleanup(s.Close)
	return s.URL + "/metrics"
}

func goClient(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/go_client.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sample opens a collector, takes a sample and reads it back from the record's form.
func sample(t *testing.T, urls []string, wanted ...appmetrics.Wanted) observation.Application {
	t.Helper()
	c, err := appmetrics.Open(t.Context(), urls, wanted, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	data, err := c.Sample(t.Context(), collectors.Tick{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	var a observation.Application
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// lines are the kept series, a line each.
func lines(e observation.Endpoint) []string {
	var out []string
	for _, m := range e.Metrics {
		labels, _ := json.Marshal(m.Labels)
		out = append(out, fmt.Sprintf("%s %s %s %v", m.Type, m.Name, labels, m.Value))
	}
	return out
}

func with(name string, labels ...string) appmetrics.Wanted {
	return appmetrics.Wanted{Name: name, Match: func(have map[string]string) bool {
		for i := 0; i < len(labels); i += 2 {
			if have[labels[i]] != labels[i+1] {
				return false
			}
		}
		return true
	}}
}

func TestOnlyWhatIsWantedIsKept(t *testing.T) {
	url := serve(t, func() string { return goClient(t) })
	got := sample(t, []string{url},
		with("http_request_duration_seconds"), with("http_request_duration_seconds_count", "path", "/api/dialogues"), with("http_request_duration_seconds_sum"),
		with("http_request_duration_seconds_bucket", "le", "0.5"), with("go_gc_duration_seconds"), with("go_gc_duration_seconds_count"),
		with("pool_connections", "state", "in_use"), with("legacy_queue_length"), with("promhttp_metric_handler_requests_total", "code", "200"),
		with("process_open_fds", "none", "such"), with("no_such_metric"))
	want := []string{
		// What every process tells, first.
		"gauge process_resident_memory_bytes null 1.5835136e+07", "counter process_cpu_seconds_total null 0.01", "gauge process_open_fds null 11",
		"gauge process_start_time_seconds null 1.7956139485e+09", "gauge go_goroutines null 7",
		"histogram http_request_duration_seconds null 2",
		`counter http_request_duration_seconds_count {"path":"/api/dialogues"} 100`,
		`counter http_request_duration_seconds_sum {"path":"/api/dialogues"} 7.25`, `counter http_request_duration_seconds_sum {"path":"/api/auth/token"} 0.125`,
		`counter http_request_duration_seconds_bucket {"le":"0.5","path":"/api/dialogues"} 98`, `counter http_request_duration_seconds_bucket {"le":"0.5","path":"/api/auth/token"} 5`,
		"summary go_gc_duration_seconds null 1", "counter go_gc_duration_seconds_count null 0",
		`gauge pool_connections {"pool":"main \"db\"","state":"in_use"} 7`, `gauge pool_connections {"pool":"side","state":"in_use"} NaN`,
		`gauge pool_connections {"pool":"unbounded","state":"in_use"} +Inf`,
		"untyped legacy_queue_length null 12", `counter promhttp_metric_handler_requests_total {"code":"200"} 0`,
	}
	if diff := cmp.Diff(want, lines(got.Endpoints[0]), cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if e := got.Endpoints[0]; e.URL != url || e.Error != "" || len(e.TooMany) > 0 {
		t.Errorf("endpoint %s, error %q, too many %v", e.URL, e.Error, e.TooMany)
	}
}

func TestASelectorOfThousandsOfSeriesDoesNotFillTheRecord(t *testing.T) {
	url := serve(t, func() string {
		var b strings.Builder
		for i := range 201 {
			fmt.Fprintf(&b, "many{n=\"%d\"} 1\n", i)
		}
		return b.String() + "few 1\n"
	})
	e := sample(t, []string{url}, with("many"), with("few")).Endpoints[0]
	if diff := cmp.Diff([]string{"many"}, e.TooMany); diff != "" || len(e.Metrics) != 1 {
		t.Errorf("%d series kept, want 1; too many (-want +got):\n%s", len(e.Metrics), diff)
	}
	if e := sample(t, []string{url}, with("many", "n", "7")).Endpoints[0]; len(e.Metrics) != 1 || len(e.TooMany) > 0 {
		t.Errorf("one of the many selected: %+v", e)
	}
}

func TestOneEndpointThatFailsDoesNotTakeTheOthers(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(gone.Close)
	got := sample(t, []string{gone.URL, serve(t, func() string { return "up 1\n" })}, with("up")).Endpoints
	if !strings.Contains(got[0].Error, gone.URL) || !strings.Contains(got[0].Error, "404") || len(got[1].Metrics) != 1 {
		t.Errorf("endpoints = %+v", got)
	}
	if _, err := appmetrics.Open(t.Context(), []string{gone.URL}, nil, ""); err == nil || !strings.Contains(err.Error(), gone.URL) {
		t.Errorf("opening endpoints of which none answers: %v", err)
	}
}
