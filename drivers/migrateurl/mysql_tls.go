package migrateurl

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"

	driver "github.com/go-sql-driver/mysql"
	"github.com/golang-migrate/migrate/v4/database/mysql"
)

// registerTLS registers the TLS configuration that a URL describes by files
// (tls=name with x-tls-ca, x-tls-cert, x-tls-key, x-tls-insecure-skip-verify)
// under that name, which the driver then looks up when it reads the DSN.
func registerTLS(dsn string) error {
	_, query, _ := strings.Cut(dsn, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("migrateurl: MySQL URL, after the question mark: %w", err)
	}
	p := parameters{Values: values}
	name, ca, cert, key := p.Get("tls"), p.Get("x-tls-ca"), p.Get("x-tls-cert"), p.Get("x-tls-key")
	if !describedByFiles(name) {
		return nil
	}
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), InsecureSkipVerify: p.flag("x-tls-insecure-skip-verify")} //nolint:gosec // asked for by name
	switch {
	case p.err != nil:
		return p.err
	case ca == "":
		return fmt.Errorf("migrateurl: tls=%s is described by files: x-tls-ca must name the one with the certificate authority's certificate", name)
	case (cert == "") != (key == ""):
		return fmt.Errorf("migrateurl: tls=%s: %w", name, mysql.ErrTLSCertKeyConfig)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return fmt.Errorf("migrateurl: x-tls-ca: %w", err)
	}
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("migrateurl: x-tls-ca: %s: %w", ca, mysql.ErrAppendPEM)
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("migrateurl: x-tls-cert, x-tls-key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return driver.RegisterTLSConfig(name, cfg)
}

// describedByFiles tells a name from the values of tls that the driver knows
// without files. "preferred" is not among those to golang-migrate.
func describedByFiles(name string) bool {
	switch name {
	case "", "1", "true", "TRUE", "True", "0", "false", "FALSE", "False":
		return false
	}
	return !strings.EqualFold(name, "skip-verify")
}
