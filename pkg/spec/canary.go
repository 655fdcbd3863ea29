package spec

import "net/url"

// Asks is what a canary asks, for people: an address without what may be secret in it (a password, parameters), or a command's program.
func (c *Check) Asks() string {
	switch {
	case c.HTTP != nil:
		u, err := url.Parse(c.HTTP.URL)
		if err != nil {
			return string(c.Kind)
		}
		return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	case c.TCP != nil:
		return "tcp://" + c.TCP.Address
	case c.Exec != nil && len(c.Exec.Command) > 0:
		return c.Exec.Command[0]
	}
	return string(c.Kind)
}

// Fresh returns the canary as it is looked with: each http request by a connection of its own, as most clients come, so that a proxy which
// serves only the connections that it has does not look well.
func (c *Check) Fresh() Check {
	fresh := *c
	if c.HTTP != nil {
		h := *c.HTTP
		h.Headers = map[string]Secret{"Connection": "close"}
		for k, v := range c.HTTP.Headers {
			h.Headers[k] = v
		}
		fresh.HTTP = &h
	}
	return fresh
}
