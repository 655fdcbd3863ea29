package stack

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// ClientTLS is what a client of the bus shows and trusts; nil where nothing about TLS is declared. Errors begin with the prefix and the name of what
// is wrong: ca, cert and key.
func ClientTLS(prefix string, t spec.TLS) (*tls.Config, error) {
	if t == (spec.TLS{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CAFile != "" {
		pool, err := certPool(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%sca: %w", prefix, err)
		}
		c.RootCAs = pool
	}
	if t.CertFile != "" || t.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%scert and %skey: %w", prefix, prefix, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func certPool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return pool, nil
}

func serverTLS(b spec.Bus) (*tls.Config, error) {
	if b.ServerCert == "" && b.ServerKey == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(b.ServerCert, b.ServerKey)
	if err != nil {
		return nil, fmt.Errorf("ham.bus server certificate and key: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, nil
}

// busCluster is nil where the server stands alone. The servers show each other the certificate that clients see, and check the other's.
func busCluster(b spec.Bus) (*embedded.Cluster, error) {
	if b.Cluster == nil {
		return nil, nil
	}
	c := &embedded.Cluster{Name: b.Cluster.Name, Listen: b.Cluster.Listen}
	for _, r := range b.Cluster.Routes {
		c.Routes = append(c.Routes, "nats://"+r)
	}
	var err error
	if c.Password, err = b.Cluster.Pass.Resolve(spec.LookupSecret); err != nil {
		return nil, fmt.Errorf("ham.bus.cluster.pass: %w", err)
	}
	if c.Password != "" {
		c.User = b.Cluster.Name
	}
	if c.TLS, err = serverTLS(b); err != nil || c.TLS == nil {
		return c, err
	}
	if b.Cluster.CA != "" {
		pool, err := certPool(b.Cluster.CA)
		if err != nil {
			return nil, fmt.Errorf("ham.bus.cluster.ca: %w", err)
		}
		c.TLS.RootCAs, c.TLS.ClientCAs, c.TLS.ClientAuth = pool, pool, tls.RequireAndVerifyClientCert
	}
	return c, nil
}

func busUsers(b spec.Bus) ([]embedded.User, error) {
	var users []embedded.User
	for _, u := range b.Users {
		pass, err := u.Pass.Resolve(spec.LookupSecret)
		if err != nil {
			return nil, fmt.Errorf("ham.bus.users: %s: %w", u.Name, err)
		}
		users = append(users, embedded.User{NKey: u.NKey, Name: u.Name, Password: pass})
	}
	return users, nil
}
