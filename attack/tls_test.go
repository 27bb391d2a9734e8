package attack_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"arqload/analysis/observation"
	"arqload/attack"
	"arqload/attack/attacktest"
	"arqload/scenarios"
)

func tlsPlan(t *testing.T, base, more string) *scenarios.Plan {
	t.Helper()
	p, err := scenarios.Parse("plan.yaml", fmt.Appendf(nil, `
version: 1
name: tls
system: {base_url: %q, username: u, password: p%s}
load: [{scenario: auth, rate: 50/s}]
phases: [{name: steady, duration: 1s}]
objectives: [error_rate < 1%%]
`, base, more), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCertificatesAreVerifiedAndHandshakesTimed(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			var two atomic.Uint64
			system := attacktest.New(attacktest.Script{})
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor == 2 {
					two.Add(1)
				}
				system.ServeHTTP(w, r)
			}))
			s.EnableHTTP2 = true
			s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the client that does not trust it
			s.StartTLS()
			defer s.Close()

			err := attack.Run(t.Context(), tlsPlan(t, s.URL, ""), attack.Options{Recorder: &observation.Memory{}})
			var u *attack.UnreachableError
			if !errors.As(err, &u) || !strings.Contains(err.Error(), "certificate") {
				t.Fatalf("a certificate of an unknown authority: %v, want unreachable", err)
			}

			ca := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			run := drive(t, t.Context(), tlsPlan(t, s.URL, fmt.Sprintf(", ca_file: %q, http2: %v", ca, http2)), nil)
			var c observation.Connections
			for _, sec := range run.Seconds {
				c.New += sec.Connections.New
				c.TLS += sec.Connections.TLS
			}
			if sum := total(run); sum.OK != 50 || c.New == 0 || c.TLS == 0 {
				t.Errorf("ok %d of 50, connections %+v", sum.OK, c)
			}
			if got := two.Load() > 0; got != http2 {
				t.Errorf("%d requests came over HTTP/2", two.Load())
			}
		})
	}
}
