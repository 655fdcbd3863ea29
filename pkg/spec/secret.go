package spec

import (
	"errors"
	"fmt"
	"io"
	"os"
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

// maxSecret bounds what is read from a file, in bytes.
const maxSecret = 64 << 10

// LookupSecret reads references on this machine: an environment variable, or a file without the white space at its end. An
// empty one is an error. Errors name the reference alone.
func LookupSecret(kind, name string) (string, error) {
	switch kind {
	case "env":
		v, ok := os.LookupEnv(name)
		if !ok {
			return "", errors.New("the environment variable is not set")
		}
		if v == "" {
			return "", errors.New("the environment variable is empty")
		}
		return v, nil
	case "file":
		return readSecret(name)
	}
	return "", fmt.Errorf("unknown kind %q, want env or file", kind)
}

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err // it names the path and why
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecret {
		return "", fmt.Errorf("the file has more than %d bytes", maxSecret)
	}
	v := strings.TrimRight(string(b), " \t\r\n")
	if v == "" {
		return "", errors.New("the file is empty")
	}
	return v, nil
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
