// Package channeltest is the suite that every kind of channel passes.
package channeltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/render/rendertest"
)

// Fault is what the far side does to the next call.
type Fault int

// Faults.
const (
	// Hang takes the request and never answers; AcceptAndHang accepts the post before.
	Hang Fault = iota
	AcceptAndHang
	// Limit answers "too many, come back in 7 s".
	Limit
	// Broken answers that the far side failed.
	Broken
	// Cut closes the connection after it took the request.
	Cut
	// Deny answers that the credentials are wrong, quoting them.
	Deny
	// Unreachable takes no connection.
	Unreachable
	// RefuseOnce answers that this message has a wrong form.
	RefuseOnce
)

// Subject is a channel with a far side of its own, in good health.
type Subject struct {
	Channel channel.Channel
	// Secrets must occur in no error.
	Secrets []string
	// Arrived are the posts that the far side accepted, as it got them, in order.
	Arrived func() []string
	// Fail has the far side misbehave; false: this kind of channel cannot fail so.
	Fail func(Fault) bool
	// Active are strings that must not occur in what arrived, because they would act on the reader's screen.
	Active []string
	// Readable channels find what they posted.
	Readable bool
	// To is a recipient.
	To string
}

// Run runs the suite. Each part gets a subject of its own inside a bubble of virtual time, where nothing may be left running.
func Run(t *testing.T, subject func(*testing.T) Subject) {
	for name, part := range map[string]func(*testing.T, Subject){
		"delivers every kind":          delivers,
		"escapes what it quotes":       escapes,
		"marks a dry run":              dryRun,
		"marks a repetition":           repeats,
		"tells several events at once": several,
		"cuts what is too long":        long,
		"honours the deadline":         deadline,
		"stops when cancelled":         cancelled,
		"classifies failures":          classes,
		"keeps secrets out of errors":  secrets,
		"finds or says it cannot look": finds,
		"is safe for concurrent use":   concurrent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { part(t, subject(t)) })
		})
	}
}

// within is a generous deadline for calls that should succeed.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func post(id, to string, e ...*message.Event) channel.Post {
	p := channel.Post{ID: id, To: to}
	for _, e := range e {
		p.Texts = append(p.Texts, render.Event(e))
	}
	return p
}

func plain(id string) *message.Event {
	return &message.Event{
		ID: id, Group: "web", Kind: message.EventVerdict, Severity: message.Critical, Sentence: "Member a of web is down: " + id + ".",
		Writer: "w", At: rendertest.Start.UnixMicro(),
	}
}

func one(t *testing.T, s Subject) string {
	t.Helper()
	got := s.Arrived()
	if len(got) != 1 {
		t.Fatalf("%d posts arrived, want 1: %q", len(got), got)
	}
	return got[0]
}

func delivers(t *testing.T, s Subject) {
	for i, sample := range rendertest.Samples() {
		if sample.Name == "hostile" {
			continue
		}
		if _, err := s.Channel.Send(within(t), post("p."+sample.Name, s.To, sample.Event)); err != nil {
			t.Fatalf("%s: %v", sample.Name, err)
		}
		got := s.Arrived()
		if len(got) != i+1 && len(got) != i {
			t.Fatalf("%s: %d posts arrived", sample.Name, len(got))
		}
		last := got[len(got)-1]
		first, _, _ := strings.Cut(sample.Event.Sentence, ":")
		if !strings.Contains(last, first) {
			t.Errorf("%s: the sentence %q is missing in %s", sample.Name, first, last)
		}
		for _, c := range render.Event(sample.Event).Do {
			word, _, _ := strings.Cut(c.Run, " --")
			if !strings.Contains(last, word) {
				t.Errorf("%s: the command %q is missing in %s", sample.Name, word, last)
			}
		}
	}
}

func escapes(t *testing.T, s Subject) {
	for _, sample := range rendertest.Samples() {
		if sample.Name != "hostile" {
			continue
		}
		summary := render.Summary{}.Apply(sample.Event)
		for _, p := range []channel.Post{
			post("p.one", s.To, sample.Event), post("p.two", s.To, sample.Event, sample.Event), {ID: "p.card", To: s.To, Card: &summary},
		} {
			for _, p.Simple = range []bool{false, true} {
				if _, ok := s.Channel.(channel.Updater); p.Card != nil && !ok {
					continue
				}
				if _, err := s.Channel.Send(within(t), p); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, got := range s.Arrived() {
		for _, active := range s.Active {
			if strings.Contains(got, active) {
				t.Errorf("%q arrived in %q", active, got)
			}
		}
	}
}

func dryRun(t *testing.T, s Subject) {
	e := plain("dry")
	e.DryRun = true
	for i, p := range []channel.Post{post("p.1", s.To, e), post("p.2", s.To, e, e)} {
		if _, err := s.Channel.Send(within(t), p); err != nil {
			t.Fatal(err)
		}
		if got := s.Arrived()[i]; !strings.Contains(got, render.DryRunMark) {
			t.Errorf("a dry run is not marked: %s", got)
		}
	}
}

func repeats(t *testing.T, s Subject) {
	p := post("p.1", s.To, plain("again"))
	p.Repeat = true
	if _, err := s.Channel.Send(within(t), p); err != nil {
		t.Fatal(err)
	}
	if got := one(t, s); !strings.Contains(got, "repeat") && !strings.Contains(got, "repetition") {
		t.Errorf("a repetition is not marked: %s", got)
	}
}

func several(t *testing.T, s Subject) {
	var events []*message.Event
	for i := range 30 {
		events = append(events, plain(fmt.Sprintf("number-%02d", i)))
	}
	if _, err := s.Channel.Send(within(t), post("p.many", s.To, events...)); err != nil {
		t.Fatal(err)
	}
	got := one(t, s)
	last := -1
	for _, e := range events {
		at := strings.Index(got, "is down: "+e.ID)
		if at < 0 {
			t.Errorf("%s was left out", e.ID)
		}
		if at < last {
			t.Errorf("%s is out of order", e.ID)
		}
		last = at
	}
}

func long(t *testing.T, s Subject) {
	e := plain("long")
	e.Sentence = "begin " + strings.Repeat("&<>`é", 400)
	for i := range 64 {
		e.Reasons = append(e.Reasons, message.Reason{Code: fmt.Sprintf("R%d", i), Sentence: strings.Repeat("&<>", 300), Overridable: true})
		e.Views = append(e.Views, message.View{Member: "a", Vantage: fmt.Sprintf("v%d", i), Check: "c", Says: "down", Evidence: strings.Repeat("<&>", 150)})
	}
	events := []*message.Event{e}
	for range 29 {
		events = append(events, e)
	}
	for _, p := range []channel.Post{post("p.1", s.To, e), post("p.2", s.To, events...)} {
		if _, err := s.Channel.Send(within(t), p); err != nil {
			t.Fatalf("a long message was refused: %v", err)
		}
	}
	if got := s.Arrived()[0]; !strings.Contains(got, "begin") || !strings.Contains(got, "…") {
		t.Errorf("a long message was not cut with a mark: %.300s", got)
	}
}

func deadline(t *testing.T, s Subject) {
	if !s.Fail(Hang) {
		return // this kind of channel cannot hang
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	begun := time.Now()
	_, err := s.Channel.Send(ctx, post("p.1", s.To, plain("hang")))
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("it took %s, the deadline was 3s", took)
	}
	if e := channel.As(err); err == nil || e.Class != channel.Unsure {
		t.Errorf("got %v, want unsure: it may have been accepted", err)
	}
	release(s)
}

func cancelled(t *testing.T, s Subject) {
	if !s.Fail(Hang) {
		return // this kind of channel cannot hang
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := s.Channel.Send(ctx, post("p.1", s.To, plain("hang")))
		done <- err
	}()
	synctest.Wait()
	cancel()
	synctest.Wait()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a cancelled call succeeded")
		}
	default:
		t.Error("it goes on after it was cancelled")
		<-done
	}
	release(s)
}

// release has a far side that hangs let go, where a fault outlives the call.
func release(s Subject) { s.Fail(-1) }

func classes(t *testing.T, s Subject) {
	for i, c := range []struct {
		name  string
		fault Fault
		class channel.Class
		after time.Duration
	}{
		{"limited", Limit, channel.Later, 7 * time.Second},
		{"broken", Broken, channel.Unsure, 0},
		{"cut off", Cut, channel.Unsure, 0},
		{"denied", Deny, channel.Denied, 0},
		{"refused", RefuseOnce, channel.Refused, 0},
		{"unreachable", Unreachable, channel.Later, 0},
	} {
		if !s.Fail(c.fault) {
			continue
		}
		_, err := s.Channel.Send(within(t), post(fmt.Sprintf("p.%d", i), s.To, plain(c.name)))
		var e *channel.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, want a *channel.Error", c.name, err)
			continue
		}
		if e.Class != c.class || e.After != c.after {
			t.Errorf("%s: got %s after %s (%v), want %s after %s", c.name, e.Class, e.After, e, c.class, c.after)
		}
		if e.Code == "" || e.Says == "" {
			t.Errorf("%s: the error does not say what happened: %+v", c.name, e)
		}
	}
	release(s)
}

func secrets(t *testing.T, s Subject) {
	for fault := Hang; fault <= RefuseOnce; fault++ {
		if !s.Fail(fault) {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, sent := s.Channel.Send(ctx, post("p.1", s.To, plain("secret")))
		_, found := s.Channel.Find(ctx, post("p.2", s.To, plain("secret")), time.Now())
		cancel()
		for _, err := range []error{sent, found} {
			for _, secret := range s.Secrets {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("fault %d: the error holds a secret: %v", fault, err)
				}
			}
		}
		release(s)
	}
}

func finds(t *testing.T, s Subject) {
	begun := time.Now()
	if _, err := s.Channel.Find(within(t), post("p.never", s.To, plain("never")), begun); !errors.Is(err, channel.ErrNotFound) && !errors.Is(err, channel.ErrCannotLook) {
		t.Errorf("of what was never sent: %v", err)
	}
	p := post("p.lost", s.To, plain("lost"))
	if s.Fail(AcceptAndHang) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := s.Channel.Send(ctx, p)
		cancel()
		if e := channel.As(err); e.Class != channel.Unsure {
			t.Fatalf("an answer that was lost: %v, want unsure", err)
		}
		release(s)
	} else if _, err := s.Channel.Send(within(t), p); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		// Others talk in the meantime: the reader has to turn pages.
		if _, err := s.Channel.Send(within(t), post(fmt.Sprintf("p.other-%d", i), s.To, plain("other"))); err != nil {
			t.Fatal(err)
		}
	}
	ref, err := s.Channel.Find(within(t), p, begun)
	switch {
	case s.Readable && err != nil:
		t.Errorf("of what was accepted: %v", err)
	case !s.Readable && !errors.Is(err, channel.ErrCannotLook):
		t.Errorf("got %v %v, want that it cannot look", ref, err)
	}
	_, err = s.Channel.Find(within(t), post("p.never", s.To, plain("never")), begun)
	if want := map[bool]error{true: channel.ErrNotFound, false: channel.ErrCannotLook}[s.Readable]; !errors.Is(err, want) && !errors.Is(err, channel.ErrCannotLook) {
		t.Errorf("of what was never sent: %v, want %v", err, want)
	}
}

func concurrent(t *testing.T, s Subject) {
	const n = 8
	errs := make(chan error, n)
	for i := range n {
		go func() {
			_, err := s.Channel.Send(within(t), post(fmt.Sprintf("p.%d", i), s.To, plain(fmt.Sprintf("parallel-%d", i))))
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	got := s.Arrived()
	for i := range n {
		want := fmt.Sprintf("parallel-%d", i)
		if !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("%s did not arrive", want)
		}
	}
}
