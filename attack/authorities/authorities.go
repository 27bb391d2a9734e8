// Package authorities says which certificate authorities are trusted: this machine's own,
// and those of the plan's system.ca_file.
package authorities

import (
	"crypto/x509"
	"fmt"
	"os"
)

// Pool returns the system's authorities with those of a PEM file. It is nil, which stands
// for the system's alone, where no file is named. Errors name the plan's field and the file.
func Pool(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("system.ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("system.ca_file: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}
