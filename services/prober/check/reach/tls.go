package reach

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// TLS makes configurations from what the operator declared. Files are read again when they have changed, so that a
// rotated certificate is taken with the next connection. Safe for concurrent use.
type TLS struct {
	declared spec.TLS

	mu     sync.Mutex
	read   map[string]stamp
	loaded *tls.Config
}

type stamp struct {
	modified time.Time
	size     int64
}

// NewTLS reads nothing yet.
func NewTLS(declared spec.TLS) *TLS { return &TLS{declared: declared} }

// config is for a connection to host, which is the name that the certificate must have unless another is declared.
func (t *TLS) config(host string) (*tls.Config, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, err := t.stamps()
	if err != nil {
		return nil, err
	}
	if t.loaded == nil || !sameStamps(now, t.read) {
		config, err := t.load()
		if err != nil {
			return nil, err
		}
		t.loaded, t.read = config, now
	}
	config := t.loaded.Clone()
	if config.ServerName == "" {
		config.ServerName = host
	}
	return config, nil
}

func (t *TLS) stamps() (map[string]stamp, error) {
	var out map[string]stamp
	for _, f := range []struct{ what, path string }{
		{"CA file", t.declared.CAFile}, {"client certificate", t.declared.CertFile}, {"client key", t.declared.KeyFile},
	} {
		if f.path == "" {
			continue
		}
		info, err := os.Stat(f.path)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", f.what, f.path, bare(err))
		}
		if out == nil {
			out = map[string]stamp{}
		}
		out[f.path] = stamp{info.ModTime(), info.Size()}
	}
	return out, nil
}

func sameStamps(a, b map[string]stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for path, s := range a {
		if o, ok := b[path]; !ok || o.size != s.size || !o.modified.Equal(s.modified) {
			return false
		}
	}
	return true
}

func (t *TLS) load() (*tls.Config, error) {
	d := t.declared
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         nil,
		ServerName:         d.ServerName,
		InsecureSkipVerify: d.InsecureSkipVerify, //nolint:gosec // declared by the operator; every plan and doctor say so
	}
	if d.CAFile != "" {
		pem, err := os.ReadFile(d.CAFile)
		if err != nil {
			return nil, fmt.Errorf("CA file %s: %w", d.CAFile, bare(err))
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA file %s holds no certificate in PEM form", d.CAFile)
		}
	}
	if d.CertFile != "" || d.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(d.CertFile, d.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate %s with key %s: %w", d.CertFile, d.KeyFile, bare(err))
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// bare leaves out the path, which the caller names.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
