//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki is the files of one authority, and of a certificate for each host that a server of the bus is on.
type pki struct {
	ca        string
	cert, key map[string]string // by host
}

// newPKI makes them for as long as a run may last.
func newPKI(b *bed) (pki, error) {
	p := pki{cert: map[string]string{}, key: map[string]string{}}
	dir := filepath.Join(b.dir, "pki")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return p, err
	}
	now := time.Now()
	from, to := now.Add(-24*time.Hour), now.Add(7*24*time.Hour)
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return p, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "testbed"}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return p, err
	}
	p.ca = filepath.Join(dir, "ca.pem")
	if err := writePEM(p.ca, "CERTIFICATE", der); err != nil {
		return p, err
	}
	for i, h := range []*host{b.sp, b.rj, b.witness} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return p, err
		}
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i) + 2), Subject: pkix.Name{CommonName: h.name}, NotBefore: from, NotAfter: to,
			IPAddresses: []net.IP{net.ParseIP(h.addr)}, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
		if err != nil {
			return p, err
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return p, err
		}
		p.cert[h.name], p.key[h.name] = filepath.Join(dir, h.name+".pem"), filepath.Join(dir, h.name+".key")
		if err := writePEM(p.cert[h.name], "CERTIFICATE", der); err != nil {
			return p, err
		}
		if err := writePEM(p.key[h.name], "PRIVATE KEY", secret); err != nil {
			return p, err
		}
	}
	return p, nil
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
