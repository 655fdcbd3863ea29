package spec

import "time"

// Console is the console of one process: where it listens, and who may come in and do what.
type Console struct {
	// Listen is host:port; 127.0.0.1:8321 where a file names none. "off" or empty: this process has no console.
	Listen string
	// URL is what people type, without a path: https://ham.example.org:8321. Needed with OIDC, which sends them back there.
	URL string
	// Cert and Key are files: the console speaks TLS with them.
	Cert, Key string
	// ClientCA is a file with the certificates that signed those of people.
	ClientCA string
	Users    []ConsoleUser // in the order of the file
	OIDC     *OIDC         // nil: none
	// Networks are addresses and prefixes from which people may come; empty: from everywhere.
	Networks []string
	// TrustedProxies are addresses and prefixes of the proxies that stand before the console: their X-Forwarded-For is believed, nobody else's.
	TrustedProxies []string
	// Siblings are the other consoles, by the name of each.
	Siblings []Sibling
	// Idle and Max say when a session ends: after this long without a request, and this long after sign-in at the latest.
	Idle, Max time.Duration
}

// Defaults of the console.
const (
	DefaultConsoleListen = "127.0.0.1:8321"
	DefaultSessionIdle   = 2 * time.Hour
	DefaultSessionMax    = 12 * time.Hour
)

// Off says that this process has no console.
func (c *Console) Off() bool { return c.Listen == "" || c.Listen == "off" }

// SignIn says whether people sign in: without users and without OIDC nobody does, and the console is for this machine alone.
func (c *Console) SignIn() bool { return len(c.Users) > 0 || c.OIDC != nil }

// ConsoleUser is one person who may come in, by one or more ways.
type ConsoleUser struct {
	Name string
	// Password is an argon2id hash, or a reference to one; empty: no password opens.
	Password Secret
	// Certificate is the common name, or an alternative name, of the person's certificate; empty: no certificate opens.
	Certificate string
	// Subject is what the identity provider calls the person (the claim sub); empty: it does not know them by it.
	Subject string
	Roles   Roles
}

// Roles are what somebody may do: viewer, operator or admin by group, "*" standing for all groups.
type Roles map[string]string

// OIDC is an identity provider that people sign in with.
type OIDC struct {
	Issuer       string
	ClientID     string
	ClientSecret Secret // empty: a public client; PKCE is used in any case
	CA           string // file; empty: the system's
	Scopes       []string
	// NameClaim holds the person's name, GroupsClaim the groups whose members get Roles.
	NameClaim, GroupsClaim string
	// Roles by group of the provider.
	Roles map[string]Roles
}

// Sibling is another console.
type Sibling struct {
	Name string
	URL  string
}
