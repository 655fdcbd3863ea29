package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/console/glance"
)

// Said is one change, as it is printed where no terminal is.
type Said struct {
	At time.Time `json:"at"`
	// What is bus (its way went or came back), group (its state changed, or is not known any more) or event.
	What  string `json:"what"`
	Group string `json:"group,omitempty"`
	// State is the group's in a word; Known is false where it is not how it is now.
	State    string         `json:"state,omitempty"`
	Known    bool           `json:"known"`
	Sentence string         `json:"sentence"`
	Event    *message.Event `json:"event,omitempty"`
}

func (s Said) line() string {
	text := clean(s.Sentence)
	switch s.What {
	case "event":
		text = fmt.Sprintf("%-12s %-9s %s", s.Group, s.Event.Severity, text)
	case "group":
		text = fmt.Sprintf("%-12s [%s] %s", s.Group, clean(s.State), text)
	default:
		text = fmt.Sprintf("%-12s %s", "-", text)
	}
	return s.At.UTC().Format("2006-01-02T15:04:05.000Z ") + text
}

// Lines prints one line for each change, until ctx ends: first how every group is, then what happens.
func Lines(ctx context.Context, o Options, out io.Writer, asJSON bool) error {
	outer := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	board := glance.New(glance.Options{Bus: o.Bus, Log: slog.New(slog.DiscardHandler)})
	events := make(chan Said, 1024)
	ended := make(chan struct{}, 2)
	run := func(f func() error) {
		go func() {
			defer func() { ended <- struct{}{} }()
			if err := f(); err != nil && ctx.Err() == nil {
				stop(err)
			}
		}()
	}
	run(func() error { return board.Run(ctx) })
	run(func() error {
		return o.Bus.Follow(ctx, bus.FollowOptions{Stream: subject.StreamEvents, Subjects: []string{subject.AllEvents}, From: bus.FromNew()}, func(d bus.Delivery) {
			e, is := d.Message.(*message.Event)
			if !is || len(o.Groups) > 0 && !slices.Contains(o.Groups, e.Group) {
				return
			}
			select {
			case events <- Said{At: d.Time, What: "event", Group: e.Group, Known: true, Sentence: e.Sentence, Event: e}:
			case <-ctx.Done():
			}
		})
	})
	defer func() { stop(nil); <-ended; <-ended }()

	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	say := func(s Said) error {
		if asJSON {
			return enc.Encode(s)
		}
		_, err := fmt.Fprintln(out, s.line())
		return err
	}
	changed, cancel := board.Watch()
	defer cancel()
	var told teller
	var happens <-chan Said // nil until it was said how every group is: what happens meanwhile waits
	for {
		select {
		case <-ctx.Done():
			if outer.Err() != nil {
				return nil // that is how it ends
			}
			return context.Cause(ctx)
		case e := <-happens:
			if err := say(e); err != nil {
				return err
			}
		case <-changed:
			board.Look()
			now := snapshot(board, time.Now())
			for _, s := range told.changes(now, o.Groups, o.Me) {
				if err := say(s); err != nil {
					return err
				}
			}
			if now.asked() {
				happens = events
			}
		}
	}
}

// teller knows what was said last, so that only changes are said. The zero value has said nothing.
type teller struct {
	busDown bool
	groups  map[string]string
}

// changes are what a snapshot says that the one before did not.
func (k *teller) changes(s Snapshot, only []string, me string) []Said {
	var out []Said
	if k.groups == nil {
		k.groups = map[string]string{}
	}
	if down := !s.Bus.Up; down != k.busDown {
		k.busDown = down
		text := "The bus is back."
		if down {
			text = "The bus is away: what was said before is how it was, not how it is."
		}
		out = append(out, Said{At: s.At, What: "bus", Known: !down, Sentence: text})
	}
	there := map[string]bool{}
	for i := range s.Groups {
		g := &s.Groups[i]
		if len(only) > 0 && !slices.Contains(only, g.Name) {
			continue
		}
		there[g.Name] = true
		if g.Status == nil && g.Problem == "" {
			continue // it is just being asked
		}
		v := glance.Of(g, s.At, me)
		said := Said{At: s.At, What: "group", Group: v.Name, State: v.Mark.Word, Known: v.Fresh, Sentence: v.Sentence}
		if !v.Fresh {
			said.Sentence = "It is not known how it stands: " + v.Problem + "."
		}
		if key := said.State + "\x00" + said.Sentence; k.groups[v.Name] != key {
			k.groups[v.Name] = key
			out = append(out, said)
		}
	}
	for name := range k.groups {
		if !there[name] && s.Listed {
			delete(k.groups, name)
			out = append(out, Said{At: s.At, What: "group", Group: name, State: "gone", Known: true, Sentence: "It is not declared any more."})
		}
	}
	return out
}
