package driver

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// Masked stands where a secret was.
const Masked = "***"

// Secrets resolves references to secrets and remembers what they held, so that it can be taken out of every text again.
// Safe for concurrent use; one for each attempt.
type Secrets struct {
	lookup spec.Lookup

	mu     sync.Mutex
	values []string // what references held, longest first, in the forms in which they may turn up
}

// NewSecrets reads what references refer to with lookup.
func NewSecrets(lookup spec.Lookup) *Secrets { return &Secrets{lookup: lookup} }

// Resolve replaces the references in s. The error names the reference, never its content, and is ErrUnasked.
func (s *Secrets) Resolve(text spec.Secret) (string, error) {
	value, err := text.Resolve(func(kind, name string) (string, error) {
		v, err := s.lookup(kind, name)
		if err == nil {
			s.remember(v)
		}
		return v, err
	})
	if err != nil {
		return "", Unasked("secret: %w", err)
	}
	return value, nil
}

// Hide masks what is secret without being a reference.
func (s *Secrets) Hide(value string) { s.remember(value) }

func (s *Secrets) remember(v string) {
	if v == "" {
		return
	}
	forms := []string{v, url.QueryEscape(v), url.PathEscape(v), base64.StdEncoding.EncodeToString([]byte(v)), base64.URLEncoding.EncodeToString([]byte(v))}
	if quoted, err := json.Marshal(v); err == nil {
		forms = append(forms, string(quoted[1:len(quoted)-1]))
	}
	// Output may come line by line.
	for line := range strings.Lines(v) {
		if line = strings.TrimSpace(line); len(line) >= 8 {
			forms = append(forms, line)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = append(s.values, forms...)
	slices.SortFunc(s.values, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	s.values = slices.Compact(s.values)
}

// Mask replaces everything that was resolved so far.
func (s *Secrets) Mask(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.values {
		text = strings.ReplaceAll(text, v, Masked)
	}
	return text
}
