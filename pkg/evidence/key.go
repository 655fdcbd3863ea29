package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ReadKey reads a private key as openssl genpkey -algorithm ed25519 writes it: PKCS #8 in PEM.
func ReadKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s holds no key: want -----BEGIN PRIVATE KEY-----, as openssl genpkey -algorithm ed25519 writes it", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of another kind, want ed25519", path)
	}
	return ed, nil
}

// OwnKey reads the key at path, or makes one there, for its owner alone, if there is none. Two processes that make one at once get the same.
func OwnKey(path string) (key ed25519.PrivateKey, made bool, err error) {
	key, err = ReadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	_, key, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, false, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, false, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, false, err
	}
	f, err := os.CreateTemp(dir, ".evidence-*") // for its owner alone
	if err != nil {
		return nil, false, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, false, err
	}
	// A link, and not a rename: whoever was first stays.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, false, err
	}
	stays, err := ReadKey(path)
	return stays, err == nil && stays.Equal(key), err
}

// ParsePublicKey reads a public key: base64 as [KeyText] writes it, or the name of a file that holds that or a PEM.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	if key, err := base64.StdEncoding.DecodeString(text); err == nil && len(key) == ed25519.PublicKeySize {
		return key, nil
	}
	b, err := os.ReadFile(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no key: want 32 bytes in base64, or a file that holds them: %w", text, err)
	}
	if block, _ := pem.Decode(b); block != nil {
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if ed, ok := key.(ed25519.PublicKey); err == nil && ok {
			return ed, nil
		}
		return nil, fmt.Errorf("%s holds no public ed25519 key", text)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(bytes.TrimSpace(b))))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%s holds no key: want 32 bytes in base64, or a PEM", text)
	}
	return key, nil
}
