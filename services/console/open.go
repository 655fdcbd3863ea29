package console

import (
	"crypto/tls"
	"log/slog"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/console/internal/door"
)

// DoorOptions say how a door is made. Console is required.
type DoorOptions struct {
	// Console is what the process's file says; without users and OIDC nobody signs in, and the door lets in this machine alone.
	Console spec.Console
	// Name and Site of the console.
	Name, Site string
	// Secrets reads references; default spec.LookupSecret.
	Secrets spec.Lookup
	// Tell is called with what happened at the door; it must not block. May be nil.
	Tell func(DoorEvent)
	// Log gets the same; nil: nothing is logged.
	Log *slog.Logger
}

// DoorEvent is something that happened at a door: somebody signed in or out, was refused, or sent a form that changes something.
type DoorEvent = door.Event

// What a [DoorEvent] tells.
const (
	SignedIn  = door.SignedIn
	SignedOut = door.SignedOut
	Refused   = door.Refused
	Pressed   = door.Pressed
)

// Where the door finds what its pages share with the console's.
const (
	stylePath  = "/assets/style.css"
	assetsPath = "/assets/"
)

// OpenDoor makes the door that a process's file describes, and how its listener speaks TLS (nil: in the clear). It asks nothing of the
// network. Errors name the key below ham.console.
func OpenDoor(o DoorOptions) (Door, *tls.Config, error) {
	d, err := door.New(door.Options{
		Console: o.Console, Name: o.Name, Site: o.Site, Secrets: o.Secrets, Style: stylePath, Public: assetsPath, Tell: o.Tell, Log: o.Log,
	})
	if err != nil {
		return nil, nil, err
	}
	return d, d.TLS(), nil
}
