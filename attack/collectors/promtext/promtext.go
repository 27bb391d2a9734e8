// Package promtext reads Prometheus text endpoints, with Prometheus' own parser, within
// bounds of size and time.
package promtext

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"arqload/attack/authorities"
)

// The bounds on one reading: a scrape is taken every second and must leave the generator
// its CPU.
const (
	within   = 3 * time.Second
	maxBytes = 8 << 20
	idle     = 30 * time.Second // beyond that a connection was forgotten by whatever stands between
)

// Type is what the endpoint declares a series to be.
type Type string

// The types. Histogram and Summary are those of a family, never of a series that Each
// shows: its parts are counters, but a summary's quantiles, which are Quantile.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Untyped   Type = "untyped"
	Histogram Type = "histogram"
	Summary   Type = "summary"
	Quantile  Type = "quantile"
)

// Series is one line of the text.
type Series struct {
	Name   string // http_request_duration_seconds_count
	Type   Type
	Labels map[string]string
	Value  float64 // may be infinite or NaN
}

// Families is one reading.
type Families struct {
	byName map[string]*dto.MetricFamily
}

// Client reads endpoints over connections that it keeps. It may be used by several
// goroutines.
type Client struct {
	http *http.Client
}

// New makes a client that trusts the authorities of a PEM file beside the system's; the
// name may be empty. Redirects are not followed and no proxy is used.
func New(caFile string) (*Client, error) {
	roots, err := authorities.Pool(caFile)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return &Client{http: &http.Client{
		// Compressing costs the system under test CPU that it needs for the load.
		Transport:     &http.Transport{TLSClientConfig: cfg, DisableCompression: true, IdleConnTimeout: idle, MaxIdleConnsPerHost: 2},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close closes the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Read reads one endpoint. An error names the URL and says what to do.
func (c *Client) Read(ctx context.Context, url string) (Families, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	f, err := c.read(ctx, url)
	if err != nil {
		return Families{}, fmt.Errorf("%s: %w", url, err)
	}
	return f, nil
}

func (c *Client) read(ctx context.Context, url string) (Families, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Families{}, errors.New("this is no URL: write http://host:9100/metrics")
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	req.Header.Set("User-Agent", "arqload")
	resp, err := c.http.Do(req)
	if err != nil {
		return Families{}, unreachable(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBytes+1))
	switch location := resp.Header.Get("Location"); {
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && location != "":
		return Families{}, fmt.Errorf("it answered %d and points to %s: write that address", resp.StatusCode, location)
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return Families{}, fmt.Errorf("it answered %d: let this machine read it without credentials, or name a port where it may", resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return Families{}, fmt.Errorf("it answered %d: is this the path of the metrics (often /metrics)?", resp.StatusCode)
	case err != nil:
		return Families{}, unreachable(err)
	case len(text) > maxBytes:
		return Families{}, fmt.Errorf("it tells more than %d MiB: name an endpoint that tells less (a node exporter takes ?collect[]=cpu&collect[]=meminfo&collect[]=diskstats&collect[]=stat)", maxBytes>>20)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "" && kind != "text/plain" {
		return Families{}, fmt.Errorf("it answered with %s, not Prometheus' text: is this the path of the metrics (often /metrics)?", kind)
	}
	f, err := Parse(text)
	if err != nil {
		return Families{}, fmt.Errorf("the answer is not Prometheus' text form: %w; is this the path of the metrics (often /metrics)?", err)
	}
	return f, nil
}

// unreachable says why there is no answer, without the URL, which the caller names.
func unreachable(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no whole answer within %v: is it reachable from here, and what takes it so long? %w", within, context.DeadlineExceeded)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("%w: does it run there, and is it reachable from here?", op)
	}
	if u := errors.Unwrap(err); u != nil { // *url.Error repeats the URL
		err = u
	}
	return err
}

// Parse parses a whole text, which ends with a newline.
func Parse(text []byte) (Families, error) {
	p := expfmt.NewTextParser(model.UTF8Validation)
	m, err := p.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return Families{}, err
	}
	if len(m) == 0 {
		return Families{}, errors.New("it holds no metric")
	}
	return Families{byName: m}, nil
}

// Family returns the type that a name is declared as, if it is one.
func (f Families) Family(name string) (t Type, series int, ok bool) {
	m := f.byName[name]
	if m == nil {
		return "", 0, false
	}
	return typeOf(m.GetType()), len(m.GetMetric()), true
}

func typeOf(t dto.MetricType) Type {
	switch t {
	case dto.MetricType_COUNTER:
		return Counter
	case dto.MetricType_GAUGE:
		return Gauge
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		return Histogram
	case dto.MetricType_SUMMARY:
		return Summary
	}
	return Untyped
}

// suffixes are those of the series that make up a histogram or a summary.
var suffixes = []string{"_count", "_sum", "_bucket"}

// Each calls do for each series with a name, in the order of the text. A histogram or a
// summary has none under its own name but a summary's quantiles.
func (f Families) Each(name string, do func(Series)) {
	if m := f.byName[name]; m != nil {
		t := typeOf(m.GetType())
		for _, one := range m.GetMetric() {
			s := Series{Name: name, Type: t, Labels: labels(one)}
			switch {
			case one.Counter != nil:
				s.Value = one.Counter.GetValue()
			case one.Gauge != nil:
				s.Value = one.Gauge.GetValue()
			case one.Untyped != nil:
				s.Value = one.Untyped.GetValue()
			case one.Summary != nil:
				for _, q := range one.Summary.GetQuantile() {
					do(Series{Name: name, Type: Quantile, Labels: with(s.Labels, "quantile", q.GetQuantile()), Value: q.GetValue()})
				}
				continue
			default:
				continue
			}
			do(s)
		}
		return
	}
	for _, suffix := range suffixes {
		if base, ok := strings.CutSuffix(name, suffix); ok && f.byName[base] != nil {
			for _, one := range f.byName[base].GetMetric() {
				parts(name, suffix, one, do)
			}
		}
	}
}

// parts shows what a histogram or a summary holds under one of the suffixes.
func parts(name, suffix string, one *dto.Metric, do func(Series)) {
	s := Series{Name: name, Type: Counter, Labels: labels(one)}
	h, sum := one.Histogram, one.Summary
	switch {
	case suffix == "_count" && h != nil:
		s.Value = float64(h.GetSampleCount())
	case suffix == "_count" && sum != nil:
		s.Value = float64(sum.GetSampleCount())
	case suffix == "_sum" && h != nil:
		s.Value = h.GetSampleSum()
	case suffix == "_sum" && sum != nil:
		s.Value = sum.GetSampleSum()
	case suffix == "_bucket" && h != nil:
		for _, b := range h.GetBucket() {
			do(Series{Name: name, Type: Counter, Labels: with(s.Labels, "le", b.GetUpperBound()), Value: float64(b.GetCumulativeCount())})
		}
		return
	default:
		return
	}
	do(s)
}

func labels(m *dto.Metric) map[string]string {
	out := make(map[string]string, len(m.GetLabel()))
	for _, l := range m.GetLabel() {
		out[l.GetName()] = l.GetValue()
	}
	return out
}

// with adds a label that the parser has turned into a number, as Prometheus writes it.
func with(labels map[string]string, name string, v float64) map[string]string {
	out := map[string]string{name: strconv.FormatFloat(v, 'g', -1, 64)}
	for k, v := range labels {
		out[k] = v
	}
	return out
}
