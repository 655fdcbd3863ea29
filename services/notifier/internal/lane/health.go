package lane

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/route"
)

// awayAfter is how long a channel may fail before people are told on the other channels. What it denies is told at once.
const awayAfter = time.Minute

// Codes of what the notifier itself tells.
const (
	codeAway   = "N101"
	codeBroken = "N102"
	codeBack   = "N103"
	codeGaveUp = "N104"
)

// failing notes that a call failed and tells people, once, when that lasts or cannot mend itself.
func (l *Lane) failing(ctx context.Context, d bus.Delivery, cause *channel.Error) {
	l.mu.Lock()
	s := &l.status
	if s.Problem == "" {
		s.Since = time.Now()
	}
	news := s.Problem != cause.Error()
	s.Problem, s.Class = cause.Error(), cause.Class
	since := s.Since
	l.mu.Unlock()
	if news {
		l.o.Log.Warn("the channel does not take posts; trying again", "class", cause.Class, "error", cause)
	}
	told := ledger.Health{Seq: d.Seq, Since: since.UnixMicro()}
	lasted := time.Since(since)
	switch {
	case cause.Class == channel.Denied:
		told.Told, told.Denied = ledger.Broken, time.Now().UnixMicro()
	case lasted >= awayAfter && time.Since(d.Time) >= awayAfter:
		// The event's age says that no other notifier could tell it either.
		told.Told = ledger.Away
	default:
		return
	}
	// What cannot be told now is told at the next failure.
	if err := l.tellTrouble(ctx, told, cause, lasted); err != nil {
		l.o.Log.Warn("the trouble with the channel could not be told", "error", err)
	}
}

func (l *Lane) tellTrouble(ctx context.Context, told ledger.Health, cause *channel.Error, lasted time.Duration) error {
	before, rev, err := l.o.Ledger.Health(ctx, l.o.Writer)
	if err != nil {
		return err
	}
	if before.Told == told.Told || before.Told == ledger.Broken {
		return nil
	}
	if before.Told != "" {
		told.Since = before.Since
	}
	e := &message.Event{Kind: message.EventNotify, Severity: message.Warning, Code: codeAway}
	what := "away"
	if told.Told == ledger.Broken {
		what, e.Severity, e.Code = "broken", message.Critical, codeBroken
		e.Sentence = fmt.Sprintf("%s does not take messages from notifier %s: %s. ham goes on trying and tells the rest in order once it does; what is denied for %s goes to the dead letters.",
			l.o.Target, l.o.Writer, cause, giveUpAfter)
	} else {
		e.Sentence = fmt.Sprintf("%s has taken no message from notifier %s for %s: %s. Nothing is lost: ham goes on trying and tells the rest in order once it answers.",
			l.o.Target, l.o.Writer, lasted.Round(time.Second), cause)
	}
	if err := l.tell(ctx, e, what, told.Seq); err != nil {
		return err
	}
	_, err = l.o.Ledger.PutHealth(ctx, l.o.Writer, told, rev)
	return err
}

// took notes that the channel took a post, and tells people so where they were told that it did not.
func (l *Lane) took(ctx context.Context) {
	l.back.reset()
	l.until = time.Time{}
	l.mu.Lock()
	if l.status.Problem != "" {
		l.o.Log.Info("the channel takes posts again", "after", time.Since(l.status.Since).Round(time.Millisecond))
	}
	l.status.Problem, l.status.Class, l.status.Since = "", "", time.Time{}
	l.status.Posts++
	l.status.LastPost = time.Now()
	l.mu.Unlock()
	if err := l.tellBack(context.WithoutCancel(ctx)); err != nil {
		l.o.Log.Warn("that the channel takes posts again could not be told", "error", err)
	}
}

func (l *Lane) tellBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recordLimit)
	defer cancel()
	told, rev, err := l.o.Ledger.Health(ctx, l.o.Writer)
	if err != nil || told.Told == "" {
		return err
	}
	away := time.Since(time.UnixMicro(told.Since)).Round(time.Second)
	e := &message.Event{
		Kind: message.EventNotify, Severity: message.Notice, Code: codeBack,
		Sentence: fmt.Sprintf("%s takes messages from notifier %s again after %s; what was held back is told there now, in order.", l.o.Target, l.o.Writer, max(0, away)),
	}
	if err := l.tell(ctx, e, "back", told.Seq); err != nil {
		return err
	}
	_, err = l.o.Ledger.PutHealth(ctx, l.o.Writer, ledger.Health{}, rev)
	return err
}

// deniedLong says that people were told that the channel denies, and that it has gone on denying for giveUpAfter since.
func (l *Lane) deniedLong(ctx context.Context) (bool, error) {
	told, _, err := l.o.Ledger.Health(ctx, l.o.Writer)
	return told.Told == ledger.Broken && time.Since(time.UnixMicro(told.Denied)) >= giveUpAfter, err
}

// tell writes an event about this target: it goes to the others.
func (l *Lane) tell(ctx context.Context, e *message.Event, what string, seq uint64) error {
	e.ID, e.Group, e.Writer, e.At = route.EventID(l.o.Target, what, seq), subject.NoGroup, l.o.Writer, time.Now().UnixMicro()
	e.Sentence = render.Cut(e.Sentence, 2048)
	return l.o.Tell(ctx, e)
}

// bury puts an event that was given up here to the dead letters and tells it.
func (l *Lane) bury(ctx context.Context, part ledger.Part, e *message.Event, why string) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("dead letter of event %d: %w", part.Seq, err)
	}
	reason := render.Cut(fmt.Sprintf("not told at %s: %s", l.o.Target, why), 2048)
	err = l.o.Dead(ctx, &message.DeadLetter{
		ID: fmt.Sprintf("dl.%s.%d", route.Key(l.o.Target), part.Seq), Stream: subject.StreamEvents, Subject: subject.Event(e.Group, e.Kind, e.Writer),
		Seq: part.Seq, Reason: reason, Body: body, Writer: l.o.Writer, At: time.Now().UnixMicro(),
	})
	if err != nil {
		return err
	}
	if e.Kind == message.EventNotify {
		return nil // of channels that fail on telling that channels fail there would be no end
	}
	return l.tell(ctx, &message.Event{
		Kind: message.EventNotify, Severity: message.Critical, Code: codeGaveUp,
		Sentence: fmt.Sprintf("Event %s of %s was not told at %s and is in the dead letters: %s. It said: %s", e.ID, e.Group, l.o.Target, why, render.Cut(render.Clean(e.Sentence), 400)),
	}, "gaveup", part.Seq)
}
