package door

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/who"
)

// leafOf is the certificate that a person has shown and that was found good; nil: none.
func leafOf(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// fingerprintOf is the fingerprint of the certificate that a person has shown.
func fingerprintOf(r *http.Request) fingerprint {
	leaf := leafOf(r)
	if leaf == nil {
		return fingerprint{}
	}
	return sha256.Sum256(leaf.Raw)
}

// named is the one user that a certificate belongs to. The error says what it names.
func (u *users) named(leaf *x509.Certificate) (*user, error) {
	names := []string{leaf.Subject.CommonName}
	names = append(append(names, leaf.EmailAddresses...), leaf.DNSNames...)
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	var found *user
	for i := range u.all {
		x := &u.all[i]
		if x.Certificate == "" || !slices.Contains(names, x.Certificate) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("the certificate names %s and %s at once", found.Name, x.Name)
		}
		found = x
	}
	if found == nil {
		return nil, fmt.Errorf("the certificate of %s belongs to no user of this console", clip(leaf.Subject.CommonName))
	}
	return found, nil
}

// signInCertificate takes the certificate that the browser showed when it connected. The session is good with that certificate alone.
func (d *Door) signInCertificate(w http.ResponseWriter, r *http.Request) {
	from, target := fromOf(r.Context()), next(r.PostForm.Get("next"))
	no := func(status int, sentence string) {
		d.tell(Event{What: Refused, Via: who.Certificate, From: from.String(), Path: pathCertificate, Why: sentence})
		d.showSignIn(w, r, status, target, sentence)
	}
	leaf := leafOf(r)
	if leaf == nil {
		no(http.StatusUnauthorized, "Your browser showed no certificate.")
		return
	}
	if time.Now().After(leaf.NotAfter) { // the connection is older than that
		no(http.StatusUnauthorized, "Your certificate has expired.")
		return
	}
	u, err := d.users.named(leaf)
	if err != nil {
		no(http.StatusForbidden, "Not by this certificate: "+err.Error()+".")
		return
	}
	d.addresses.back(addressKey(from))
	d.enter(w, r, who.Person{Name: u.Name, Via: who.Certificate, Roles: u.roles}, fingerprintOf(r), leaf.NotAfter)
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// serverTLS is how the listener speaks; nil where no certificate is declared.
func (d *Door) serverTLS() (*tls.Config, error) {
	c := &d.o.Console
	if c.Cert == "" && c.Key == "" {
		if c.ClientCA != "" {
			return nil, errors.New("ham.console.client_ca: means nothing without cert and key")
		}
		return nil, nil
	}
	pair := &keyPair{cert: c.Cert, key: c.Key, warn: func(err error) {
		d.o.Log.Warn("console: the certificate cannot be read anew; the old one goes on", "error", err)
	}}
	if _, err := pair.get(nil); err != nil {
		return nil, fmt.Errorf("ham.console.cert and key: %w", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: pair.get}
	if c.ClientCA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("ham.console.client_ca: %w", err)
	}
	t.ClientCAs = x509.NewCertPool()
	if !t.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ham.console.client_ca: %s holds no certificate in PEM form", c.ClientCA)
	}
	// Who shows none may sign in by another way; one that is shown has to be good.
	t.ClientAuth = tls.VerifyClientCertIfGiven
	return t, nil
}

// keyPair is the console's certificate, read again when its file has changed, so that its renewal ends no session.
type keyPair struct {
	cert, key string
	warn      func(error)

	mu      sync.Mutex
	pair    *tls.Certificate
	changed time.Time // of the file that pair was read from
	looked  time.Time
}

// lookEvery is how often the file is looked at, at most.
const lookEvery = 5 * time.Second

func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pair != nil && time.Since(k.looked) < lookEvery {
		return k.pair, nil
	}
	k.looked = time.Now()
	pair, changed, err := k.read()
	switch {
	case err == nil && pair != nil:
		k.pair, k.changed = pair, changed
	case err != nil && k.pair != nil:
		k.warn(err)
	case err != nil:
		return nil, err
	}
	return k.pair, nil
}

// read returns nil where the file has not changed.
func (k *keyPair) read() (*tls.Certificate, time.Time, error) {
	info, err := os.Stat(k.cert)
	if err != nil {
		return nil, time.Time{}, err
	}
	if info.ModTime().Equal(k.changed) {
		return nil, time.Time{}, nil
	}
	pair, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		return nil, time.Time{}, err
	}
	return &pair, info.ModTime(), nil
}
