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
	case l.Postgres != "":
		return "PostgreSQL at " + string(l.Postgres)
	}
	return strings.Join(l.Command, " ")
}
