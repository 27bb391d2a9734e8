package redisinfo

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"arqload/attack/sandbox"
)

func TestManagedServicesRefusalsChangeNothing(t *testing.T) {
	for name, o := range map[string]sandbox.RedisOptions{
		"renamed":      {Args: []string{"--rename-command", "CONFIG", "", "--rename-command", "CLIENT", "", "--rename-command", "LATENCY", ""}},
		"user's right": {Args: []string{"--user", "default", "on", "nopass", "~*", "&*", "+@all", "-config", "-client", "-latency"}},
	} {
		set := start(t, o)
		c := open(t, set.URL())
		detailed(t, c)
		n := detailed(t, c).Nodes[0]
		// One question for LATENCY HISTOGRAM is all that may be refused.
		if n.Error != "" || n.ErrorReplies != 1 || n.OwnErrors != 1 || len(n.Calls) == 0 || n.Buckets != nil {
			t.Errorf("%s: %d error replies, %d own, error %q, %d commands", name, n.ErrorReplies, n.OwnErrors, n.Error, len(n.Calls))
		}
	}
}

func TestAUserReadsAPasswordProtectedPrimaryAndItsReplica(t *testing.T) {
	t.Parallel()
	set := start(t, sandbox.RedisOptions{Replicas: 1, Password: "defaults", Args: []string{"--user", "watcher", "on", ">planted-secret", "-@all", "+info", "+latency|histogram"}})
	for _, url := range []string{set.URL(), strings.Replace(set.URL(), ":defaults@", "watcher:planted-secret@", 1)} {
		s := detailed(t, open(t, url))
		if len(s.Nodes) != 2 || s.Nodes[0].Error != "" || s.Nodes[1].Error != "" || s.Nodes[1].Buckets == nil {
			t.Errorf("nodes %+v, want both, with the first one's user", s.Nodes)
		}
	}
	if _, err := Open(t.Context(), strings.Replace(set.URL(), ":defaults@", "", 1), Options{}); err == nil || !strings.Contains(err.Error(), "check user and password") {
		t.Errorf("without a password: %v", err)
	}
}

func TestTLSIsVerifiedForTheNodesFoundToo(t *testing.T) {
	t.Parallel()
	loopback := func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }
	named := func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} }
	for name, edit := range map[string]func(*x509.Certificate){"address": loopback, "name": named} {
		id := identity(t, edit)
		set := start(t, sandbox.RedisOptions{Replicas: 1, TLS: id, Args: []string{"--tls-replication", "no"}})
		ca := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(ca, id.Certificate, 0o600); err != nil {
			t.Fatal(err)
		}
		url := set.TLSURL()
		if name == "name" {
			url = strings.Replace(url, "127.0.0.1", "localhost", 1)
		}
		if _, err := Open(t.Context(), url, Options{}); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: a certificate that nobody vouches for is accepted: %v", name, err)
		}
		s := sample(t, openWith(t, url, Options{CAFile: ca}))
		// The replica announces its plain port, which cannot be read with TLS.
		if len(s.Nodes) != 2 || s.Nodes[0].Error != "" || s.Nodes[1].Error == "" {
			t.Errorf("%s: nodes %+v", name, s.Nodes)
		}
	}
	if _, err := Open(t.Context(), server, Options{CAFile: "/nonexistent.pem"}); err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("a missing file of authorities: %v", err)
	}
}

func TestACertificateMayBearEitherName(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*x509.Certificate)
		ok   bool
	}{
		"its own address":      {func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }, true},
		"the name in the plan": {func(c *x509.Certificate) { c.DNSNames = []string{"cache.example"} }, true},
		"another":              {func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} }, false},
	} {
		id := identity(t, c.edit)
		set := start(t, sandbox.RedisOptions{TLS: id})
		ca := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(ca, id.Certificate, 0o600); err != nil {
			t.Fatal(err)
		}
		options, err := parse("rediss://cache.example:1", ca)
		if err != nil {
			t.Fatal(err)
		}
		n := newNode(like(options[0], strings.TrimSuffix(strings.TrimPrefix(set.TLSURL(), "rediss://"), "/0")), "cache.example:1")
		_, err = n.read(t.Context(), false)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v, want success %v", name, err, c.ok)
		}
		n.client.Close()
	}
}
