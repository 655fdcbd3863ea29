// Package expiry says when certificates end: those of a file, those that the other side of a connection shows, and what every process knows of its own.
//
// Safe for concurrent use: it keeps nothing.
package expiry

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"
)

// Certificate is the one of several that ends first.
type Certificate struct {
	// Name is whose it is: its common name, or the first name that it is for. At most 100 bytes.
	Name string
	// NotBefore and NotAfter are when it begins and ends to be valid.
	NotBefore, NotAfter time.Time
	// Fingerprint is the first half of the certificate's SHA-256, in hexadecimal.
	Fingerprint string
}

// Days is for how many days it is still valid, below zero once it is not.
func (c Certificate) Days(now time.Time) float64 { return c.NotAfter.Sub(now).Hours() / 24 }

// maxFile bounds what is read: a bundle of all the world's authorities has less than 300 kB.
const maxFile = 4 << 20

// File reads a file in PEM form and returns the certificate that ends first. Keys beside them are passed over. The error names the file and says what is wrong.
func File(path string) (Certificate, error) {
	f, err := os.Open(path)
	if err != nil {
		return Certificate{}, fmt.Errorf("file %s: %w", path, bare(err))
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return Certificate{}, fmt.Errorf("file %s is no regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return Certificate{}, fmt.Errorf("file %s: %w", path, bare(err))
	case len(text) > maxFile:
		return Certificate{}, fmt.Errorf("file %s has more than %d bytes, which no certificate has", path, maxFile)
	}
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return Certificate{}, fmt.Errorf("file %s: certificate %d in it cannot be read: %w", path, len(all)+1, err)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return Certificate{}, fmt.Errorf("file %s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path)
	}
	return First(all), nil
}

// Peer returns the certificate that ends first of those that the other side of a TLS connection has shown.
func Peer(conn net.Conn) (Certificate, error) {
	secured, ok := conn.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return Certificate{}, errors.New("the connection does not speak TLS")
	}
	shown := secured.ConnectionState().PeerCertificates
	if len(shown) == 0 {
		return Certificate{}, errors.New("the other side showed no certificate")
	}
	return First(shown), nil
}

// First is the one that ends first, the earlier one of two that end together. There must be one at least.
func First(all []*x509.Certificate) Certificate {
	first := all[0]
	for _, c := range all[1:] {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	sum := sha256.Sum256(first.Raw)
	return Certificate{Name: name(first), NotBefore: first.NotBefore, NotAfter: first.NotAfter, Fingerprint: hex.EncodeToString(sum[:16])}
}

func name(c *x509.Certificate) string {
	n := c.Subject.CommonName
	if n == "" && len(c.DNSNames) > 0 {
		n = c.DNSNames[0]
	}
	if n == "" && len(c.IPAddresses) > 0 {
		n = c.IPAddresses[0].String()
	}
	n = cmp.Or(n, c.Subject.String(), "a certificate without a name")
	n = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(n, ""))
	if len(n) > 100 {
		n = strings.ToValidUTF8(n[:97], "") + "…"
	}
	return n
}

// bare leaves out the path, which the caller names.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
