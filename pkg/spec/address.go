package spec

import (
	"net/url"
	"slices"
	"strings"
)

// Looks says whether the check looks at the member.
func (c Check) Looks(member string) bool {
	return len(c.Members) == 0 || slices.Contains(c.Members, member)
}

// Address is the absolute URL that the check asks of m.
func (h HTTPCheck) Address(m Member) string {
	u := m.Expand(h.URL)
	if strings.HasPrefix(u, "/") {
		return strings.TrimSuffix(m.URL, "/") + u
	}
	return u
}

// Expand replaces ${member.name}, ${member.site}, ${member.url} and ${member.<var>} in s. References to secrets stay.
func (m Member) Expand(s string) string {
	if !strings.Contains(s, "${member.") {
		return s
	}
	pairs := []string{"${member.name}", m.Name, "${member.site}", m.Site, "${member.url}", m.URL}
	for k, v := range m.Vars {
		pairs = append(pairs, "${member."+k+"}", v)
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// HostPort is host:port of the member's URL, with the scheme's port where none is written; "" where there is no host.
func (m Member) HostPort() string {
	u, err := url.Parse(m.URL)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	if u.Port() != "" {
		return u.Host
	}
	switch u.Scheme {
	case "http":
		return u.Host + ":80"
	case "https":
		return u.Host + ":443"
	}
	return ""
}

// Target names what the look looks at.
func (l LookArgs) Target() string {
	switch {
	case l.HTTP != "":
		return l.HTTP
	case l.TCP != "":
		return l.TCP
	}
	return strings.Join(l.Command, " ")
}

func (l LookArgs) expand(m Member) LookArgs {
	l.HTTP, l.TCP = m.Expand(l.HTTP), m.Expand(l.TCP)
	l.Command = slices.Clone(l.Command)
	for i := range l.Command {
		l.Command[i] = m.Expand(l.Command[i])
	}
	return l
}
