package file

import (
	"fmt"
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

// concerns says whether the text is used for the member: that of a check, or of a clue, may be limited to some.
func (t template) concerns(g *spec.Group, member string) bool {
	for _, c := range g.Checks {
		if strings.HasPrefix(t.at.path, "checks."+c.Name+".") {
			return c.Looks(member)
		}
	}
	for i, c := range g.Gather {
		if strings.HasPrefix(t.at.path, "gather."+c.Name+".") || strings.HasPrefix(t.at.path, fmt.Sprintf("gather[%d].", i)) {
			return len(c.Members) == 0 || contains(c.Members, member)
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
	case dotted && prefix == "member" && strings.HasPrefix(t.at.path, "canary."):
		return fmt.Sprintf("has ${%s}, which has no meaning in a canary: it asks as clients do, who know no member", ref)
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
