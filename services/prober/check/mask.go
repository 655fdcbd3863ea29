package check

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// MaxEvidence is the longest evidence, in bytes.
const MaxEvidence = 512

// hidden stands where a secret stood.
const hidden = "***"

// Mask resolves the secrets of one look and keeps them out of its evidence. The zero value knows none. Not safe for
// concurrent use.
type Mask struct{ values []string }

// Resolve returns s with every reference replaced, and remembers what is to be hidden.
func (m *Mask) Resolve(s spec.Secret, look spec.Lookup) (string, error) {
	if look == nil {
		look = func(string, string) (string, error) {
			return "", errors.New("this prober was started without access to secrets")
		}
	}
	return s.Resolve(func(kind, name string) (string, error) {
		v, err := look(kind, name)
		if err == nil {
			m.Hide(v)
		}
		return v, err
	})
}

// Hide remembers a secret: in one piece, line by line, and as it looks once quoted or put into a URL.
func (m *Mask) Hide(secret string) {
	m.hide(secret)
	if strings.ContainsAny(secret, "\r\n") {
		for line := range strings.FieldsFuncSeq(secret, func(r rune) bool { return r == '\n' || r == '\r' }) {
			m.hide(line)
		}
	}
	// The longest first: one secret may be a part of another.
	slices.SortFunc(m.values, func(a, b string) int { return len(b) - len(a) })
}

func (m *Mask) hide(secret string) {
	if strings.TrimSpace(secret) == "" {
		return
	}
	quoted := strconv.Quote(secret)
	inPath := url.URL{Path: secret}
	for _, form := range []string{secret, quoted[1 : len(quoted)-1], url.QueryEscape(secret), url.PathEscape(secret), inPath.EscapedPath()} {
		if !slices.Contains(m.values, form) {
			m.values = append(m.values, form)
		}
	}
}

// Longest is the length of the longest thing to hide, in bytes; 0: nothing is hidden.
func (m *Mask) Longest() int {
	if len(m.values) == 0 {
		return 0
	}
	return len(m.values[0])
}

// Text hides the secrets in s and changes nothing else.
func (m *Mask) Text(s string) string {
	for _, v := range m.values {
		s = strings.ReplaceAll(s, v, hidden)
	}
	return s
}

// Short is Text, cut to n bytes. Never cut before hiding: half a secret is not found any more.
func (m *Mask) Short(s string, n int) string { return Clip(m.Text(s), n) }

// Clean makes s into evidence: secrets hidden, one line of valid UTF-8 without control characters, at most
// [MaxEvidence] bytes. Secrets are hidden first: a cut through the middle of one would leave its beginning.
func (m *Mask) Clean(s string) string {
	s = strings.ToValidUTF8(m.Text(s), "\uFFFD")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	return Clip(s, MaxEvidence)
}

// Clip returns at most n bytes of s; an ellipsis says that something is missing. n is at least 3.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const ellipsis = "…"
	return strings.ToValidUTF8(s[:n-len(ellipsis)], "") + ellipsis
}
