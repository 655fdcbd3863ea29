package file

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/spec"
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// badReference says what is wrong with a reference to a secret ("env:NAME", "file:/path"), or "".
func badReference(ref string) string {
	kind, name, _ := strings.Cut(ref, ":")
	if kind == "env" && !envName.MatchString(name) {
		return "want ${env:NAME} with the name of an environment variable"
	}
	if kind == "file" && !filepath.IsAbs(name) {
		return "want ${file:/path} with an absolute path"
	}
	return ""
}

func isSecret(ref string) bool {
	return strings.HasPrefix(ref, "env:") || strings.HasPrefix(ref, "file:")
}

// secret reads a text that may hold references to secrets. A value that must be secret has to be one.
func (c cursor) secret(form string, must bool, into *spec.Secret) {
	s := c.node.Value
	switch {
	case !c.scalar() || s == "":
		c.fail("got %s, want %s", c.kindOnly(), form)
		return
	case len(s) > maxText || strings.ContainsRune(s, 0):
		c.fail("want %s, at most %d bytes and without a NUL character", form, maxText)
		return
	}
	if must && !slices.ContainsFunc(spec.Refs(s), isSecret) {
		c.fail("%s", writtenOut)
		return
	}
	*into = spec.Secret(s)
}

const writtenOut = "the secret is written out, want a reference to it: ${env:NAME} or ${file:/path}; a spec is stored and shown"

// kindOnly describes what stands here without repeating it.
func (c cursor) kindOnly() string {
	if c.scalar() {
		return "an empty text"
	}
	return c.got()
}

// noteSecrets remembers the references of a text, for CheckSecrets.
func (r *reader) noteSecrets(at place, text string) {
	for _, ref := range spec.Refs(text) {
		if isSecret(ref) && badReference(ref) == "" {
			kind, name, _ := strings.Cut(ref, ":")
			r.secrets = append(r.secrets, secretUse{at: at, kind: kind, name: name})
		}
	}
}

// secretKey is a secret of the process, resolved on this machine.
func secretKey[T any](name, means string, must bool, get func(*T) *spec.Secret) key[T] {
	form := "a reference: ${env:NAME} or ${file:/path}"
	return key[T]{
		name: name, form: form, means: means,
		read: func(c cursor, into *T) { c.processSecret(form, must, get(into)) },
	}
}

func (c cursor) processSecret(form string, must bool, into *spec.Secret) {
	var s spec.Secret
	if c.secret(form, must, &s); s == "" {
		return
	}
	for _, ref := range spec.Refs(string(s)) {
		problem := badReference(ref)
		if !isSecret(ref) {
			problem = "has ${" + ref + "}, want ${env:NAME} or ${file:/path}"
		}
		if problem != "" {
			c.fail("%s", problem)
			return
		}
	}
	c.r.noteSecrets(c.place(), string(s))
	*into = s
}

// telling are parts of names whose values must not stand in a spec.
var telling = regexp.MustCompile(`(?i)authori[sz]ation|cookie|token|secret|passw|credential|api-?_?key|private-?_?key`)

func headersKey[T any](sc scope, get func(*T) *map[string]spec.Secret) key[T] {
	name := regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	return secretsKey("headers", "a mapping from header names to values", "Sent along. Values may hold references to secrets, and must where the name tells of one (Authorization, Cookie, …-Token).", sc,
		func(k string) string {
			if !name.MatchString(k) {
				return "want the name of a header, such as Authorization"
			}
			return ""
		}, get)
}

func envKey[T any](sc scope, get func(*T) *map[string]spec.Secret) key[T] {
	return secretsKey("env", "a mapping from names to values", "Set in the command's environment. Values may hold references to secrets, and must where the name tells of one (…PASSWORD, …TOKEN).", sc,
		func(k string) string {
			switch {
			case !envName.MatchString(k):
				return "want the name of an environment variable"
			case strings.HasPrefix(k, "HAM_"):
				return "want another name: those that begin with HAM_ are set by ham"
			}
			return ""
		}, get)
}

func secretsKey[T any](name, form, means string, sc scope, badName func(string) string, get func(*T) *map[string]spec.Secret) key[T] {
	return key[T]{
		name: name, form: form, means: means,
		read: func(c cursor, into *T) {
			all := map[string]spec.Secret{}
			c.entries(form, func(k, v cursor) {
				var value spec.Secret
				if problem := badName(k.node.Value); problem != "" {
					k.fail("got %s, %s", k.got(), problem)
					return
				}
				// ${member.…} may stand for a reference by a var.
				must := telling.MatchString(k.node.Value) && len(spec.Refs(v.node.Value)) == 0
				if v.secret("a text", must, &value); value == "" {
					return
				}
				v.template(template{text: string(value), scope: sc, secret: true})
				all[k.node.Value] = value
			})
			if len(all) > 0 {
				*get(into) = maps.Clone(all)
			}
		},
	}
}
