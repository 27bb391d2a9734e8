package authorities

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileThatHoldsNoAuthorityIsNamed(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o644); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{empty: "holds no certificate in PEM form", empty + "x": "no such file"} {
		if _, err := Pool(file); err == nil || !strings.HasPrefix(err.Error(), "system.ca_file: ") || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want system.ca_file, the file and %q", err, want)
		}
	}
	if pool, err := Pool(""); pool != nil || err != nil {
		t.Errorf("no file: %v, %v; want neither", pool, err)
	}
}

func TestTheAuthoritiesOfTheFileAreTrusted(t *testing.T) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	pool, err := Pool(file)
	if err != nil {
		t.Fatal(err)
	}
	for roots, trusted := range map[*x509.CertPool]bool{pool: true, nil: false} {
		if _, err := s.Certificate().Verify(x509.VerifyOptions{Roots: roots}); (err == nil) != trusted {
			t.Errorf("trusted with the file: %v; %v", trusted, err)
		}
	}
}
