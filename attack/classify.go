package attack

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"syscall"

	"arqload/analysis/observation"
)

// localErrors are what this machine lacks: a file descriptor, a port, a buffer.
var localErrors = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM}

// classifyError names the class of a request that got no whole answer. stopped says that
// the drive itself canceled it.
func classifyError(err error, t traced, stopped bool) observation.Class {
	if stopped && errors.Is(err, context.Canceled) {
		return observation.Canceled
	}
	for _, own := range localErrors {
		if errors.Is(err, own) {
			return observation.Local
		}
	}
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		// A look-up's error keeps only the text of the one below.
		for _, own := range localErrors {
			if strings.Contains(dns.Err, own.Error()) {
				return observation.Local
			}
		}
		return observation.DNS
	}
	if isTimeout(err) {
		return observation.Timeout
	}
	if isTLS(err) {
		return observation.TLS
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		return observation.Connect
	}
	if t.inTLS {
		return observation.TLS
	}
	if isReset(err) {
		return observation.Reset
	}
	if isProtocol(err) {
		return observation.Protocol
	}
	return observation.Other
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		return true
	}
	ne := net.Error(nil)
	return errors.As(err, &ne) && ne.Timeout()
}

func isTLS(err error) bool {
	var (
		record *tls.RecordHeaderError
		value  tls.RecordHeaderError
		alert  tls.AlertError
		verify *tls.CertificateVerificationError
		auth   x509.UnknownAuthorityError
		host   x509.HostnameError
		cert   x509.CertificateInvalidError
	)
	return errors.As(err, &record) || errors.As(err, &value) || errors.As(err, &alert) || errors.As(err, &verify) ||
		errors.As(err, &auth) || errors.As(err, &host) || errors.As(err, &cert)
}

func isReset(err error) bool {
	for _, e := range []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, e) {
			return true
		}
	}
	// net/http keeps this one to itself: the server closed a kept connection while the
	// request was on its way.
	return strings.Contains(err.Error(), "server closed idle connection")
}

func isProtocol(err error) bool {
	var text textproto.ProtocolError
	// net/http does not export its type for a malformed answer; its text says so.
	return errors.As(err, &text) || strings.Contains(err.Error(), "malformed") ||
		strings.Contains(err.Error(), "http2:")
}

// classifyStatus names the class of an answer whose status the step does not accept.
func classifyStatus(status int) observation.Class {
	switch {
	case status == http.StatusTooManyRequests:
		return observation.HTTP429
	case status >= 500:
		return observation.HTTP5xx
	case status >= 400:
		return observation.HTTP4xx
	case status >= 300:
		return observation.HTTP3xx
	}
	return observation.Expectation
}
