package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// tlsFiles are the PEM files of a TLS configuration. cert and key go together;
// without them the client has no certificate.
type tlsFiles struct {
	ca, cert, key string
	trustAnybody  bool
}

// register makes the configuration known to the MySQL driver by a name.
func (f tlsFiles) register(name string) error {
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return err
	}
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), InsecureSkipVerify: f.trustAnybody} // as asked for by name
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s: no certificate in it", f.ca)
	}
	if (f.cert == "") != (f.key == "") {
		return fmt.Errorf("a client's certificate (%q) and its key (%q) go together", f.cert, f.key)
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return mysql.RegisterTLSConfig(name, cfg)
}

// parseMySQL is mysql.ParseDSN, but for an error that would show a password: where
// the @ after it was forgotten, it is taken for the name of the network.
func parseMySQL(dsn string) (*mysql.Config, error) {
	server := dsn[:max(0, strings.LastIndex(dsn, "/"))]
	network, _, _ := strings.Cut(server[strings.LastIndex(server, "@")+1:], "(")
	if strings.Contains(network, ":") {
		return nil, errors.New("there is no @ between the password and the address; a DSN looks like user:password@tcp(host:3306)/database")
	}
	return mysql.ParseDSN(dsn)
}

// mysqlConfig reads a URL like mysql://user:password@host:3306/database?tls=true.
func mysqlConfig(u *url.URL) (*mysql.Config, error) {
	cfg := mysql.NewConfig()
	if u.RawQuery != "" {
		var err error
		if cfg, err = mysql.ParseDSN("/?" + u.RawQuery); err != nil {
			return nil, err
		}
	}
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Net, cfg.Addr = "tcp", u.Host
	if u.Port() == "" {
		cfg.Addr += ":3306"
	}
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	return cfg, nil
}
