package file

import (
	"cmp"
	"slices"

	"github.com/isacloud/ha-manager/pkg/spec"
)

var memberObject = object[spec.Member]{
	title: "member",
	means: "One infrastructure of the group.",
	keys: []key[spec.Member]{
		required(nameKey("site", "Its failure domain: data centre, region, rack.", func(m *spec.Member) *string { return &m.Site })),
		addressKey("url", "an address: http://, https:// or tcp://", "Where its checks look unless they say otherwise, such as http://192.0.2.10:8080.",
			func(s string) string { return badURL(s, "http", "https", "tcp") }, func(m *spec.Member) *string { return &m.URL }),
		{
			name: "vars", form: "a mapping from names to texts",
			means: "Your own values for ${member.<name>}, and in steps ${new.<name>} and ${old.<name>}. They may hold references to secrets.",
			read:  readVars,
		},
	},
}

func required[T any](k key[T]) key[T] {
	k.required = true
	return k
}

func readVars(c cursor, m *spec.Member) {
	m.Vars = map[string]string{}
	c.entries("a mapping from names to texts", func(k, v cursor) {
		var name, text string
		if k.name(&name); name == "" {
			return
		}
		if name == "name" || name == "site" || name == "url" {
			k.fail("got %s as a var, want another name: ${member.%s} has a meaning already", name, name)
			return
		}
		if v.text("a text", &text); text == "" {
			return
		}
		if telling.MatchString(name) && !slices.ContainsFunc(spec.Refs(text), isSecret) {
			v.fail("%s", writtenOut)
			return
		}
		for _, ref := range spec.Refs(text) {
			switch problem := badReference(ref); {
			case !isSecret(ref):
				v.fail("has ${%s}, want a plain text or references to secrets (${env:NAME}, ${file:/path})", ref)
				return
			case problem != "":
				v.fail("%s", problem)
				return
			}
		}
		v.r.noteSecrets(v.place(), text)
		m.Vars[name] = text
	})
}

func readMembers(c cursor, g *spec.Group) {
	c.entries("a mapping from names to members", func(k, v cursor) {
		var m spec.Member
		k.name(&m.Name)
		c.r.memberKeys = append(c.r.memberKeys, k.node.Value)
		memberObject.read(v, &m)
		if m.Name != "" {
			g.Members = append(g.Members, m)
		}
	})
	slices.SortFunc(g.Members, func(a, b spec.Member) int { return cmp.Compare(a.Name, b.Name) })
	if n := len(c.node.Content) / 2; isMapping(c) && (n < 2 || n > maxMembers) {
		c.fail("got %s, want 2 to %d: a primary and at least one standby", plural(n, "member"), maxMembers)
	}
}
