// Package channel is what the notifier asks of a way to reach people. Each kind is a package below this one, a value in
// the notifier's list, and passes the suite of package channeltest.
package channel

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// Channel posts to one service, for any number of recipients there. Safe for concurrent use.
//
// Secrets are resolved at each call, so that a rotated file is taken without a restart, and occur in no error.
type Channel interface {
	// Send posts p and returns where it is. It honours ctx's deadline. Every error is an [*Error], whose class says whether the
	// post may have been accepted. Send never repeats a post by itself.
	Send(ctx context.Context, p Post) (Ref, error)
	// Find looks for a post of unknown outcome that was begun at since or later (this program's clock). Errors:
	// [ErrNotFound] (it looked, and it is not there), [ErrCannotLook] (this channel cannot be read, now or ever), or an
	// [*Error].
	Find(ctx context.Context, p Post, since time.Time) (Ref, error)
}

// Updater is a channel that can change what it posted: it keeps one message per incident current.
type Updater interface {
	Channel
	// Update shows p in place of what is at ref. Doing it twice is harmless.
	Update(ctx context.Context, ref Ref, p Post) error
}

// Linker is a channel whose messages have an address that a browser opens.
type Linker interface {
	Channel
	// Link returns the address of a message.
	Link(ctx context.Context, ref Ref) (string, error)
}

// Listener is a channel in which people also answer.
type Listener interface {
	Channel
	// Listen takes what people press until ctx ends; at once where nobody may press anything there. It tries again by itself whatever fails.
	Listen(ctx context.Context, d Desk)
}

// Desk is what a channel in which people answer needs of the bus.
type Desk struct {
	// Bus is asked in their names, and keeps what was pressed.
	Bus *bus.Bus
	// Notifier is this notifier's name.
	Notifier string
	// Tell puts an event into the record.
	Tell func(context.Context, *message.Event) error
	Log  *slog.Logger
}

// Post is one message to be posted.
type Post struct {
	// ID is the same for every repetition of this post. A channel that can carries it along, so that it is found again.
	ID string
	// To is the recipient as the rule names it: "#ops"; "" where the channel knows only one.
	To string
	// Thread is the message that this one belongs under; nil: it stands alone.
	Thread *Ref
	// Incident is the incident that it belongs to, "" if to none; Closed says that, as far as was told, it is over.
	Incident string
	Closed   bool
	// Card, if set, is the message of an incident; Texts is then empty.
	Card *render.Summary
	// Texts are the events told, in their order: one, or several where they were held back.
	Texts []render.Text
	// Aloud asks for more than a place in the thread, for what must not be missed.
	Aloud bool
	// Repeat marks that an earlier attempt may have been accepted and that nobody can look.
	Repeat bool
	// Simple leaves out all decoration, after the far side refused the form of the message.
	Simple bool
}

// Ref is where a post is, in the channel's own terms. It is kept in the ledger.
type Ref struct {
	// Place is the id of the conversation, ID that of the message in it.
	Place string `json:"place,omitempty"`
	ID    string `json:"id,omitempty"`
}

// Find's answers that are no failure.
var (
	// ErrNotFound says that the channel was read and the post is not there.
	ErrNotFound = errors.New("the post is not there")
	// ErrCannotLook says that what this channel holds cannot be read.
	ErrCannotLook = errors.New("this channel cannot be read")
)

// Driver describes one kind of channel.
type Driver struct {
	// Kind is the word in the file; Summary one line for the operator; Example a channel as the file has it.
	Kind, Summary, Example string
	// Limit is how fast posts may follow each other at one recipient.
	Limit Limit
	// Local channels reach only who stands before this very process: each process posts there for itself.
	Local bool
	// New checks what is declared and makes the channel. It asks nothing of the network.
	New func(Config) (Channel, error)
}

// Limit allows Burst posts at once and then one each Every. The zero value is no limit.
type Limit struct {
	Burst int
	Every time.Duration
}

// Config is what a channel is made from.
type Config struct {
	Spec    spec.Channel
	Secrets spec.Lookup
	// HTTP is the client to use; it must not follow redirects.
	HTTP *http.Client
	// Out is where a log channel prints.
	Out io.Writer
	// Dial opens a connection for what is not HTTP; nil: as the machine does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}
