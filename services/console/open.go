package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/console/internal/door"
)

// DoorOptions say how a door is made. Console is required.
type DoorOptions struct {
	// Console is what the process's file says; without users and OIDC nobody signs in, and the door lets in this machine alone.
	Console spec.Console
	// Name and Site of the console.
	Name, Site string
	// Secrets reads references; default spec.LookupSecret. It is asked when the door is made.
	Secrets spec.Lookup
	// Bus takes who signed in, who signed out and who was refused, as events. Nil: the log alone has them.
	Bus *bus.Bus
	// Log gets them, too; nil: nothing is logged.
	Log *slog.Logger
}

// Where the door finds what its pages share with the console's.
const (
	stylePath  = "/assets/style.css"
	iconPath   = "/assets/icon.svg"
	assetsPath = "/assets/"
)

// OpenDoor makes the door that a process's file describes, and how its listener speaks TLS (nil: in the clear). It asks nothing of the
// network. Errors name the key below ham.console.
func OpenDoor(o DoorOptions) (Door, *tls.Config, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	do := door.Options{Console: o.Console, Name: o.Name, Site: o.Site, Secrets: o.Secrets, Style: stylePath, Icon: iconPath, Public: assetsPath, Log: o.Log}
	if o.Bus != nil {
		t := &teller{bus: o.Bus, name: cmp.Or(o.Name, o.Bus.Name()), run: strings.ToLower(rand.Text()[:10]), log: o.Log, slots: make(chan struct{}, tellsAtOnce)}
		do.Tell = t.tell
	}
	d, err := door.New(do)
	if err != nil {
		return nil, nil, err
	}
	return d, d.TLS(), nil
}

// teller tells the bus what happens at the door. Nobody waits for it: with the bus away, who somebody is is still known.
type teller struct {
	bus   *bus.Bus
	name  string
	run   string // tells the events of this run from those of another
	count atomic.Uint64
	log   *slog.Logger
	slots chan struct{}
}

const (
	tellsAtOnce = 16
	tellWithin  = 5 * time.Second
)

func (t *teller) tell(d door.Event) {
	e := eventOf(d, t.name)
	if e == nil {
		return
	}
	e.ID, e.At = fmt.Sprintf("door.%s.%s.%d", t.name, t.run, t.count.Add(1)), time.Now().UnixMicro()
	select {
	case t.slots <- struct{}{}:
	default:
		t.log.Warn("console: what happened at the door is in this log alone: the bus is behind", "sentence", e.Sentence)
		return
	}
	go func() {
		defer func() { <-t.slots }()
		ctx, cancel := context.WithTimeout(context.Background(), tellWithin)
		defer cancel()
		if _, err := t.bus.Publish(ctx, subject.Event(e.Group, e.Kind, e.Writer), e); err != nil {
			t.log.Warn("console: what happened at the door is in this log alone", "sentence", e.Sentence, "error", err)
		}
	}()
}

// eventOf is the event for the record; nil: what was pressed is there already, as the request itself.
func eventOf(d door.Event, name string) *message.Event {
	e := &message.Event{Group: subject.NoGroup, Kind: message.EventService, Severity: message.Info, Actor: d.Name, Writer: name}
	by := map[string]string{"local": "a password", "certificate": "a certificate", "oidc": "the identity provider"}[d.Via]
	switch d.What {
	case door.SignedIn:
		e.Sentence = fmt.Sprintf("%s signed in to console %s by %s, from %s", d.Name, name, by, d.From)
	case door.SignedOut:
		e.Sentence = fmt.Sprintf("%s signed out of console %s, from %s", d.Name, name, d.From)
	case door.Refused:
		e.Severity = message.Notice
		whom := "somebody"
		if d.Name != "" {
			whom = "somebody as " + d.Name
		}
		e.Sentence = clip(fmt.Sprintf("console %s refused %s, from %s, at %s: %s", name, whom, d.From, d.Path, d.Why))
		e.Actor = ""
	default:
		return nil
	}
	return e
}

// clip cuts a sentence to what an event takes.
func clip(s string) string {
	const most = 2048
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most-3], "") + "…"
	}
	return s
}
