package spec

import (
	"fmt"
	"strings"
)

// Secret is text that may hold references: "Bearer ${env:API_TOKEN}", "${file:/etc/ham/token}". It is never
// printed: String and MarshalText give the references, never what they refer to.
type Secret string

// Lookup reads what a reference refers to. Kind is "env" or "file".
type Lookup func(kind, name string) (string, error)

// Resolve replaces every reference. The error names the reference and never its content.
func (s Secret) Resolve(look Lookup) (string, error) {
	var out strings.Builder
	rest := string(s)
	for {
		before, after, found := strings.Cut(rest, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		ref, tail, closed := strings.Cut(after, "}")
		kind, name, ok := strings.Cut(ref, ":")
		if !closed || !ok || name == "" || (kind != "env" && kind != "file") {
			return "", fmt.Errorf("reference ${%s: want ${env:NAME} or ${file:/path}", ref)
		}
		value, err := look(kind, name)
		if err != nil {
			return "", fmt.Errorf("reference ${%s:%s}: %w", kind, name, err)
		}
		out.WriteString(value)
		rest = tail
	}
}

// References lists the references in s, as "env:NAME" and "file:/path", in their order.
func (s Secret) References() []string {
	var refs []string
	_, _ = s.Resolve(func(kind, name string) (string, error) {
		refs = append(refs, kind+":"+name)
		return "", nil
	})
	return refs
}
