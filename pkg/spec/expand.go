package spec

import (
	"cmp"
	"slices"
	"strings"
)

// Refs lists what stands inside each ${…} of s, in its order: "member.url", "env:TOKEN".
func Refs(s string) []string {
	var refs []string
	expand(s, func(ref string) (string, bool) {
		refs = append(refs, ref)
		return "", false
	})
	return refs
}

// expand replaces each ${ref} that known knows, once: what comes in is not read again. Others stay.
func expand(s string, known func(ref string) (string, bool)) string {
	if !strings.Contains(s, "${") {
		return s
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		ref, rest, closed := strings.Cut(after, "}")
		if !closed {
			out.WriteString("${" + after)
			return out.String()
		}
		if value, ok := known(ref); ok {
			out.WriteString(value)
		} else {
			out.WriteString("${" + ref + "}")
		}
		s = rest
	}
}

// Value is what ${member.<key>} stands for: name, site, url, peer, or one of Vars.
func (m Member) Value(key string) (string, bool) {
	switch key {
	case "name":
		return m.Name, true
	case "site":
		return m.Site, true
	case "url":
		return m.URL, true
	case "peer":
		if m.Peer != "" {
			return m.Peer, true
		}
	}
	v, ok := m.Vars[key]
	return v, ok
}

// Expand replaces ${member.name}, ${member.site}, ${member.url} and ${member.<var>} in s. References to secrets stay.
func (m Member) Expand(s string) string {
	return expand(s, func(ref string) (string, bool) { return m.under("member", ref) })
}

func (m Member) under(prefix, ref string) (string, bool) {
	key, ok := strings.CutPrefix(ref, prefix+".")
	if !ok {
		return "", false
	}
	return m.Value(key)
}

// ExpandSwap replaces ${group}, ${new.…} and ${old.…} in s, for a swap from one member to another. References to secrets stay.
func (g *Group) ExpandSwap(s string, from, to Member) string {
	return expand(s, func(ref string) (string, bool) {
		if ref == "group" {
			return g.Name, true
		}
		if v, ok := to.under("new", ref); ok {
			return v, true
		}
		return from.under("old", ref)
	})
}

// For returns the check as it looks at m: every ${member.…} replaced, the address filled in. References to secrets stay.
func (c Check) For(m Member) Check {
	switch {
	case c.HTTP != nil:
		h := *c.HTTP
		h.URL, h.Headers = h.Address(m), expandSecrets(h.Headers, m.Expand)
		c.HTTP = &h
	case c.TCP != nil:
		t := *c.TCP
		if t.Address = m.Expand(t.Address); t.Address == "" {
			t.Address = m.HostPort()
		}
		t.Send = m.Expand(t.Send)
		c.TCP = &t
	case c.Exec != nil:
		e := *c.Exec
		e.Command, e.Dir, e.Env = expandAll(e.Command, m.Expand), m.Expand(e.Dir), expandSecrets(e.Env, m.Expand)
		c.Exec = &e
	case c.Postgres != nil:
		p := *c.Postgres
		if p.DSN = Secret(m.Expand(string(p.DSN))); p.DSN == "" && m.Postgres != nil {
			p.DSN = m.Postgres.DSN
		}
		c.Postgres = &p
	case c.Group != nil:
		g := *c.Group
		g.Member = cmp.Or(g.Members[m.Name], m.Name)
		c.Group = &g
	case c.Redis != nil:
		r := *c.Redis
		r.Address, r.Password = m.Expand(r.Address), Secret(m.Expand(string(r.Password)))
		if m.Redis != nil {
			r.Address, r.Password = cmp.Or(r.Address, m.Redis.Address), cmp.Or(r.Password, m.Redis.Password)
		}
		c.Redis = &r
	case c.Queue != nil:
		q := *c.Queue
		q.Address, q.Password, q.List = m.Expand(q.Address), Secret(m.Expand(string(q.Password))), m.Expand(q.List)
		if m.Redis != nil && q.Address == "" {
			q.Address, q.Password = m.Redis.Address, cmp.Or(q.Password, m.Redis.Password)
		}
		c.Queue = &q
	case c.Certificate != nil:
		x := *c.Certificate
		x.Address, x.File, x.ServerName = m.Expand(x.Address), m.Expand(x.File), m.Expand(x.ServerName)
		c.Certificate = &x
	}
	return c
}

func expandAll(in []string, f func(string) string) []string {
	out := slices.Clone(in)
	for i := range out {
		out[i] = f(out[i])
	}
	return out
}

func expandSecrets(in map[string]Secret, f func(string) string) map[string]Secret {
	if in == nil {
		return nil
	}
	out := make(map[string]Secret, len(in))
	for k, v := range in {
		out[k] = Secret(f(string(v)))
	}
	return out
}

// expand returns the step's look with f applied to all text.
func (l LookArgs) expand(f func(string) string) LookArgs {
	l.HTTP, l.TCP, l.Postgres = f(l.HTTP), f(l.TCP), Secret(f(string(l.Postgres)))
	l.Command, l.Dir = expandAll(l.Command, f), f(l.Dir)
	l.Env, l.Headers = expandSecrets(l.Env, f), expandSecrets(l.Headers, f)
	return l
}

// expand returns the step with f applied to all text that its driver is given.
func (s Step) expand(f func(string) string) Step {
	switch {
	case s.Exec != nil:
		e := *s.Exec
		e.Command, e.Done, e.Look = expandAll(e.Command, f), expandAll(e.Done, f), expandAll(e.Look, f)
		e.Dir, e.Env = f(e.Dir), expandSecrets(e.Env, f)
		s.Exec = &e
	case s.HTTP != nil:
		h := *s.HTTP
		h.URL, h.Done, h.Body, h.Headers = f(h.URL), f(h.Done), f(h.Body), expandSecrets(h.Headers, f)
		s.HTTP = &h
	case s.Wait != nil:
		w := *s.Wait
		w.Until = w.Until.expand(f)
		s.Wait = &w
	case s.Assert != nil:
		a := *s.Assert
		a.That = a.That.expand(f)
		s.Assert = &a
	case s.Approve != nil:
		s.Approve = &ApproveArgs{Text: f(s.Approve.Text)}
	}
	return s
}
