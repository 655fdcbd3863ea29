// Package log prints events on a terminal or into a file, as they would appear in chat.
package log

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/services/notifier/channel"
)

// Driver is this kind of channel.
var Driver = channel.Driver{
	Kind:    "log",
	Summary: "plain lines on the terminal of the process that runs the notifier",
	Example: `channels:
  - name: console
    kind: log`,
	Local: true,
	New:   New,
}

// Log prints to one writer. What was handed to the writer is remembered, so that a post whose deadline passed
// while a terminal stood still is not printed twice.
type Log struct {
	out  io.Writer
	busy chan struct{} // holds one token while nobody writes
	// recent are the ids of posts written, newest last; guarded by busy.
	recent []string
	// writing is the id that a write which outlived its caller works on; guarded by busy.
	keep int
}

var _ channel.Channel = (*Log)(nil)

// New makes the channel.
func New(c channel.Config) (channel.Channel, error) {
	if c.Out == nil {
		return nil, fmt.Errorf("channel %s: this process has no terminal to print on", c.Spec.Name)
	}
	l := &Log{out: c.Out, busy: make(chan struct{}, 1), keep: 256}
	l.busy <- struct{}{}
	return l, nil
}

// Send prints p. A writer that blocks (a terminal that was stopped) is left to finish by itself after ctx's deadline.
func (l *Log) Send(ctx context.Context, p channel.Post) (channel.Ref, error) {
	if err := ctx.Err(); err != nil {
		return channel.Ref{}, channel.Fail(channel.Later, "cancelled", "%v", err)
	}
	select {
	case <-l.busy:
	case <-ctx.Done():
		return channel.Ref{}, channel.Fail(channel.Later, "writer stands still", "the terminal or file takes no text; an earlier message still waits for it")
	}
	text := Text(p)
	done := make(chan error, 1)
	go func() {
		_, err := io.WriteString(l.out, text)
		if err == nil {
			l.recent = append(l.recent, p.ID)
			if len(l.recent) > l.keep {
				l.recent = slices.Delete(l.recent, 0, len(l.recent)-l.keep)
			}
		}
		l.busy <- struct{}{}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return channel.Ref{}, channel.Fail(channel.Unsure, "write", "%v", err)
		}
		return channel.Ref{}, nil
	case <-ctx.Done():
		return channel.Ref{}, channel.Fail(channel.Unsure, "writer stands still", "the terminal or file takes no text")
	}
}

// Find knows what this process wrote. What an earlier process wrote cannot be known.
func (l *Log) Find(ctx context.Context, p channel.Post, _ time.Time) (channel.Ref, error) {
	select {
	case <-l.busy:
		defer func() { l.busy <- struct{}{} }()
	case <-ctx.Done():
		return channel.Ref{}, channel.Fail(channel.Later, "writer stands still", "the terminal or file takes no text")
	}
	if slices.Contains(l.recent, p.ID) {
		return channel.Ref{}, nil
	}
	return channel.Ref{}, channel.ErrCannotLook
}

// Text is what is printed for p.
func Text(p channel.Post) string {
	var w strings.Builder
	if p.Repeat {
		w.WriteString("(perhaps a repetition: it is unknown whether this was printed before)\n")
	}
	if len(p.Texts) > 1 {
		w.WriteString(p.Texts[0].T("%d events, told together:", len(p.Texts)) + "\n")
		for _, t := range p.Texts {
			w.WriteString("  " + t.Line() + "\n")
		}
		return w.String()
	}
	for _, t := range p.Texts {
		w.WriteString(t.Plain())
	}
	return w.String()
}
