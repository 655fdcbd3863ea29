package file

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// scope says which ${…} have a meaning in a text.
type scope int

const (
	ofMember scope = iota // ${member.…}: each member that the text is used for
	ofSwap                // ${group}, ${new.…}, ${old.…}
)

// template is a text that may hold ${…}. It is judged once the whole document is read, since members may stand below it.
type template struct {
	at    place
	got   string
	text  string
	scope scope
	// secret texts may hold references to secrets. Others are logged and shown, or stand in the list of processes.
	secret bool
	// loose texts keep ${…} that ham does not know: they are for a shell.
	loose bool
	// bad says what is wrong with the text once everything is replaced; nil: nothing.
	bad func(string, spec.Member) string
}

// template remembers a text for [reader.judge].
func (c cursor) template(t template) {
	t.at, t.got = c.place(), c.got()
	c.r.templates = append(c.r.templates, t)
}

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

// judge looks at every template of a group, once the group is complete.
func (r *reader) judge(g *spec.Group) {
	for _, t := range r.templates {
		if problem := r.problem(g, t); problem != "" {
			r.errs = append(r.errs, t.at.error(problem))
			continue
		}
		if t.secret {
			r.noteSecrets(t.at, t.text)
		}
	}
}

func (r *reader) problem(g *spec.Group, t template) string {
	if strings.Count(t.text, "${") != len(spec.Refs(t.text)) && !t.loose {
		return `has a "${" without its "}"`
	}
	for _, ref := range spec.Refs(t.text) {
		if problem := t.badRef(ref); problem != "" {
			return problem
		}
	}
	for i, m := range g.Members {
		if !t.concerns(g, m.Name) {
			continue
		}
		other := g.Members[(i+1)%len(g.Members)]
		full := m.Expand(t.text)
		if t.scope == ofSwap {
			full = g.ExpandSwap(t.text, other, m)
		}
		if problem := t.badExpanded(full, m); problem != "" {
			return problem
		}
	}
	return ""
}

// concerns says whether the text is used for the member: that of a check may be limited to some.
func (t template) concerns(g *spec.Group, member string) bool {
	for _, c := range g.Checks {
		if strings.HasPrefix(t.at.path, "checks."+c.Name+".") {
			return c.Looks(member)
		}
	}
	return true
}

// badRef says what is wrong with one ${ref} whatever the members hold.
func (t template) badRef(ref string) string {
	prefix, name, dotted := strings.Cut(ref, ".")
	switch {
	case isSecret(ref) && !t.secret:
		return "holds a reference to a secret, which would be shown here: hand it over in env or headers"
	case isSecret(ref):
		return badReference(ref)
	case t.scope == ofMember && dotted && prefix == "member" && name != "":
		return ""
	case t.scope == ofSwap && ref == "group":
		return ""
	case t.scope == ofSwap && dotted && (prefix == "new" || prefix == "old") && name != "":
		return ""
	case t.scope == ofSwap && dotted && prefix == "member":
		return fmt.Sprintf("has ${%s}, which has no meaning in a swap: want ${new.%s} or ${old.%s}", ref, name, name)
	case t.scope == ofMember && (ref == "group" || dotted && (prefix == "new" || prefix == "old")):
		return fmt.Sprintf("has ${%s}, which has a meaning only in steps: want ${member.…}", ref)
	case t.loose:
		return ""
	}
	known := "${member.name}, ${member.site}, ${member.url} and ${member.<var>}"
	if t.scope == ofSwap {
		known = "${group}, ${new.name}, ${new.site}, ${new.url}, ${new.<var>} and the same with old"
	}
	if t.secret {
		known += ", ${env:NAME}, ${file:/path}"
	}
	return fmt.Sprintf("has ${%s}, want one of %s", ref, known)
}

// badExpanded looks at the text as it is for one member.
func (t template) badExpanded(full string, m spec.Member) string {
	about := ""
	if full != t.text {
		about = "for member " + m.Name + ": "
	}
	for _, ref := range spec.Refs(full) {
		prefix, name, dotted := strings.Cut(ref, ".")
		if dotted && (prefix == "member" || prefix == "new" || prefix == "old") {
			return fmt.Sprintf("has ${%s}, but not every member has it: want vars: {%s: …} at each, or one of name, site, url", ref, name)
		}
		if isSecret(ref) && !t.secret {
			return about + "holds a reference to a secret by a var, which would be shown here: hand it over in env or headers"
		}
	}
	if t.bad == nil {
		return ""
	}
	if problem := t.bad(full, m); problem != "" {
		if about != "" {
			return about + "got " + shorten(full) + ", " + problem
		}
		return "got " + t.got + ", " + problem
	}
	return ""
}
