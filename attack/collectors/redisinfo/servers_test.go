package redisinfo

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"arqload/analysis/observation"
	"arqload/attack/sandbox"
)

func start(t *testing.T, o sandbox.RedisOptions) *sandbox.RedisSet {
	t.Helper()
	set, err := sandbox.StartRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	return set
}

func openWith(t *testing.T, urls string, o Options) *Collector {
	t.Helper()
	c, err := Open(t.Context(), urls, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// at is a client of the server at an address.
func at(t *testing.T, address string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: address, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { c.Close() })
	return c
}

// of returns the node at an address.
func of(t *testing.T, s observation.Redis, address string) observation.RedisNode {
	t.Helper()
	for _, n := range s.Nodes {
		if n.Address == address {
			return n
		}
	}
	t.Fatalf("no node %s in %+v", address, s.Nodes)
	return observation.RedisNode{}
}

// identity is a certificate for a name or an IP address that vouches for itself.
func identity(t *testing.T, edit func(*x509.Certificate)) *sandbox.Identity {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "arqload test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	edit(c)
	cert := must[[]byte](t)(x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key))
	secret := must[[]byte](t)(x509.MarshalECPrivateKey(key))
	var a, b bytes.Buffer
	if err := pem.Encode(&a, &pem.Block{Type: "CERTIFICATE", Bytes: cert}); err != nil {
		t.Fatal(err)
	}
	if err := pem.Encode(&b, &pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}); err != nil {
		t.Fatal(err)
	}
	return &sandbox.Identity{Certificate: a.Bytes(), Key: b.Bytes()}
}
