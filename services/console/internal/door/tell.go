package door

import (
	"context"
	"log/slog"
)

// What happened at the door.
type What string

// The kinds of events.
const (
	SignedIn  What = "signed in"
	SignedOut What = "signed out"
	Refused   What = "refused"
	Pressed   What = "pressed" // somebody sent a form that may change something; what became of it, the record says
)

// Event is something that happened at the door. It holds no secret; its texts may hold what a stranger typed, cut to a name's length.
type Event struct {
	What What
	Name string // the person's, or what they typed; may be empty
	Via  string // as in who.Person; may be empty
	From string // an address
	Path string // Refused, Pressed
	Why  string // Refused
}

func (d *Door) tell(e Event) {
	level := slog.LevelInfo
	if e.What == Refused {
		if d.tells.take(e.From) > 0 { // a stranger does not fill the log; the limits say that they try on
			return
		}
		level = slog.LevelWarn
	}
	d.o.Log.Log(context.Background(), level, "console: "+string(e.What), "name", e.Name, "via", e.Via, "from", e.From, "path", e.Path, "why", e.Why)
	if d.o.Tell != nil {
		d.o.Tell(e)
	}
}
