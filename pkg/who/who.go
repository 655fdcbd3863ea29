// Package who is a person who stands before ham, at a page or in chat: who they are, how that is known, and what they may. The door of the
// console writes it into a request's context, the pages and the button read it from there; chat makes it of who pressed.
package who

import "context"

// Role is what a person may do with a group. Each role may what the one before it may.
type Role string

// Roles, from the least.
const (
	Viewer   Role = "viewer"   // sees everything
	Operator Role = "operator" // presses the button, answers a stopped swap, pauses, writes notes
	Admin    Role = "admin"    // also overrides refusals and adopts roles
)

func (r Role) rank() int {
	switch r {
	case Viewer:
		return 1
	case Operator:
		return 2
	case Admin:
		return 3
	}
	return 0
}

// Known says whether r is one of the roles.
func (r Role) Known() bool { return r.rank() > 0 }

// Ways a person is known by: the values of [Person.Via].
const (
	Local       = "local"       // a user of the spec, with a password
	Certificate = "certificate" // the client's certificate
	OIDC        = "oidc"        // an identity provider
	Loopback    = "loopback"    // nobody signed in: whoever is on this machine
	Chat        = "chat"        // the workspace's user, as the channel's people have them
)

// Everywhere is the key of [Person.Roles] that stands for all groups.
const Everywhere = "*"

// Person is who stands before the console in one request. It is not changed once it is in a context.
type Person struct {
	Name    string          // a message name: the actor of what they ask for
	Via     string          // how that is known: Local, Certificate, OIDC, Loopback, Chat
	From    string          // the address they came from, or the chat's user id
	Roles   map[string]Role // by group; Everywhere for all
	Session string          // names the session in the record; it is not the secret that opens it
	CSRF    string          // the token that every form carries
}

// May says whether the person holds at least role r in the group: by the group's own entry or by that for all, whichever is more. Nobody
// (nil) may nothing, and a role that is not known is never held.
func (p *Person) May(group string, r Role) bool {
	if p == nil || !r.Known() {
		return false
	}
	return max(p.Roles[group].rank(), p.Roles[Everywhere].rank()) >= r.rank()
}

type key struct{}

// With puts the person into the context.
func With(ctx context.Context, p *Person) context.Context { return context.WithValue(ctx, key{}, p) }

// PersonOf is the person in the context; nil where there is none.
func PersonOf(ctx context.Context) *Person {
	p, _ := ctx.Value(key{}).(*Person)
	return p
}
