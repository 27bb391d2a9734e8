package redisinfo

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"arqload/attack/authorities"
)

// parse reads the addresses of a plan.
func parse(urls, caFile string) ([]*redis.Options, error) {
	roots, err := authorities.Pool(caFile)
	if err != nil {
		return nil, fmt.Errorf("redisinfo: %w", err)
	}
	var all []*redis.Options
	for i, address := range strings.Split(urls, ",") {
		address = strings.TrimSpace(address)
		bare := !strings.Contains(address, "://")
		if bare && i > 0 {
			address = "redis://" + address
		}
		o, err := redis.ParseURL(address)
		if err != nil {
			// The parser's words may quote the address with its password.
			return nil, fmt.Errorf("redisinfo: address %d is not a Redis URL; write redis://user:password@host:6379 (rediss:// with TLS), with special characters of the password percent-encoded", i+1)
		}
		if o.TLSConfig != nil {
			o.TLSConfig.RootCAs = roots
		}
		if bare && i > 0 {
			o = like(all[0], o.Addr)
		}
		all = append(all, o)
	}
	return all, nil
}

// like returns options for another address with the user, the password and the TLS of the
// first one.
func like(first *redis.Options, address string) *redis.Options {
	o := &redis.Options{Addr: address, Username: first.Username, Password: first.Password}
	if first.TLSConfig != nil {
		o.TLSConfig = eitherName(first.TLSConfig, address)
	}
	return o
}

// eitherName accepts a certificate for the host of an address or for the name that the
// plan gives: services whose certificates bear names tell of their replicas by number.
func eitherName(first *tls.Config, address string) *tls.Config {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	c := first.Clone()
	if c.InsecureSkipVerify { // the plan's own wish: skip_verify=true
		return c
	}
	named := c.ServerName
	c.ServerName = host
	c.InsecureSkipVerify = true // VerifyConnection verifies instead
	c.VerifyConnection = func(s tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, cert := range s.PeerCertificates[1:] {
			between.AddCert(cert)
		}
		o := x509.VerifyOptions{DNSName: host, Roots: c.RootCAs, Intermediates: between}
		_, err := s.PeerCertificates[0].Verify(o)
		if err != nil && named != host {
			o.DNSName = named
			if _, other := s.PeerCertificates[0].Verify(o); other == nil {
				return nil
			}
		}
		return err
	}
	return c
}
