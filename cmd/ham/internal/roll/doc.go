// Package roll does something with each member of a pool in turn, such as installing a new version, while the others serve.
//
// For each member, backups first: it asks the deciders to take the member out, waits until no proxy has clients on it any more, runs the command,
// waits until the member is up again by looks that began after the command's end and by the word of every proxy, asks the deciders to put it back, and
// waits until it serves. It stops at the first that fails and leaves that one out, so that what is wrong with a new version reaches no client. The next
// roll begins with that one: it is out already, and costs nobody else his place.
//
// That never fewer than the pool's minimum serve is the deciders' promise: they refuse to take out one too many, whoever asks, and this
// package goes no further where they do. Who is killed in the middle leaves one member out, for as long as the request said.
//
// A [Roll] is used by one goroutine.
package roll

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/words"
)

// World is what a roll sees and does.
type World interface {
	// Status is how the group is, as one of the deciders knows it.
	Status(ctx context.Context) (*message.GroupStatus, error)
	// Send asks the deciders; asking the same request again is harmless.
	Send(ctx context.Context, r *message.Request) (*message.Outcome, error)
	// Looks hands over what probers find of a member from now on, until ctx ends.
	Looks(ctx context.Context, member string, saw func(*message.Heartbeat)) error
	// Command runs until the command has ended, or ctx has: then the command is ended, with all its children.
	Command(ctx context.Context, argv, env []string) Ended
}

// Ended is how a command ended.
type Ended struct {
	// Code is its exit code; -1 where a signal ended it.
	Code int
	// Cut: it took too long, and was ended.
	Cut bool
	// NotStarted is why it was not run at all.
	NotStarted error
}

// Options say what is done with whom.
type Options struct {
	Group *spec.Group
	// Only are the members that take part; none: all.
	Only []string
	// Argv is the command. It may hold ${member.…} and ${group}.
	Argv []string
	// Drain is how long the clients of a member are waited for, Timeout how long the command may take, Healthy how long the
	// member may take to be up afterwards, and again to serve.
	Drain, Timeout, Healthy time.Duration
	Actor, From, Reason     string
	// Override are the codes of refusals that are set aside when a member is taken out, for Reason.
	Override []string
	// RequestID makes an id for a request.
	RequestID func() string
	// Tell is told of each thing that happens, one call at a time.
	Tell func(Event)
}

// Expiry is how long a member that a roll left out stays out, once it is up; where the roll could not say so any more, after it can have ended.
const Expiry = time.Hour

// StoppedHere begins the reason of the maintenance of a member that a roll has left out. It says that the roll has ended: of one that runs, or was killed, the
// reason is another.
const StoppedHere = "ham roll stopped here: "

// Kinds of events, in the order in which they come for a member.
const (
	Begins   = "begins"   // of the whole
	Draining = "draining" // the deciders have taken it out
	Drained  = "drained"  // no proxy has clients on it, or the time for them is over
	Running  = "running"  // the command was started
	Ran      = "ran"      // the command has ended with exit code 0
	Healthy  = "healthy"  // it is up again
	Serves   = "serves"   // every proxy leads clients to it
	PutBack  = "put-back" // it was put back without the command having run
	Failed   = "failed"   // the roll stops here
	Done     = "done"     // of the whole
)

// Event is one thing that happened.
type Event struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event"`
	Group  string    `json:"group"`
	Member string    `json:"member,omitempty"`
	// Members are those of the whole: who takes part, in its order; of one that failed, who was not begun.
	Members []string `json:"members,omitempty"`
	Text    string   `json:"text"`
	// Sessions are those that were still on it when the time for them was over.
	Sessions int `json:"sessions,omitempty"`
	// Code is the exit code of the command that failed.
	Code int `json:"code,omitempty"`
	// Outcome is the deciders' refusal.
	Outcome *message.Outcome `json:"outcome,omitempty"`
	// TookMS is how long the command, or the whole, took.
	TookMS int64 `json:"took_ms,omitempty"`

	said text
}

// In is the event's text in the speaker's language.
func (e Event) In(s *words.Speaker) string { return e.said.in(s) }

// text is something that is said to people, with what stands in it: other texts, and sentences of the deciders.
type text struct {
	format string
	args   []any
}

// sentence is one of the deciders.
type sentence string

func say(format string, args ...any) text { return text{format, args} }

func (t text) String() string { return t.in(words.Of(words.English)) }

func (t text) in(s *words.Speaker) string {
	args := make([]any, len(t.args))
	for i, a := range t.args {
		switch a := a.(type) {
		case text:
			args[i] = a.in(s)
		case sentence:
			args[i] = s.Say(string(a))
		case time.Duration:
			args[i] = strings.TrimSuffix(a.String(), "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(a.String(), "m0s")]
		default:
			args[i] = a
		}
	}
	return s.T(t.format, args...)
}

// Refused is a "no" of the deciders.
type Refused struct{ Outcome *message.Outcome }

func (e Refused) Error() string { return "refused: " + e.Outcome.Sentence }

// Stopped says that the roll ended before its end; it was told why.
type Stopped struct{ Event Event }

func (e Stopped) Error() string { return e.Event.Text }

// Unfit says why a group, or a choice of members, cannot be rolled.
type Unfit struct{ why string }

func (e Unfit) Error() string { return e.why }

func unfit(format string, args ...any) error { return Unfit{fmt.Sprintf(format, args...)} }
