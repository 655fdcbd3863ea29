package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/slacktest"
)

// workspaces is how many chat servers there are, each with its own limit of one post a second: the figure is about the notifier, not about
// what chat lets through.
const workspaces = 8

// teller is who publishes the events.
const teller = "bench"

// measureChat: from the call that publishes an event to its acceptance by the chat's API, with a notifier in this process and
// local servers that speak Slack's API.
func measureChat(ctx context.Context, b *bench) (_ []figure, err error) {
	k, err := startBroker(ctx, b.dir, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, k.end()) }()
	telling, err := k.connect(ctx, teller)
	if err != nil {
		return nil, err
	}
	if err := telling.Provision(ctx, bus.Layout{}); err != nil {
		return nil, err
	}
	notifying, err := k.connect(ctx, "notifier")
	if err != nil {
		return nil, err
	}
	var channels []spec.Channel
	var chats []*slacktest.Server
	for i := range workspaces {
		chat, addr, stop, err := startChat()
		if err != nil {
			return nil, err
		}
		defer stop()
		chats = append(chats, chat)
		name := fmt.Sprintf("slack%d", i)
		channels = append(channels, spec.Channel{Name: name, Kind: "slack", Token: "${env:TOKEN}", API: "http://" + addr + "/api/", Default: "#ops"})
		text := groupText(chatGroup(i)) + fmt.Sprintf("notify:\n  - {to: \"%s:#ops\", from: warning}\n", name)
		if _, err := store.Put(ctx, telling, text, "bench", "figures", store.AnyRevision); err != nil {
			return nil, err
		}
	}
	ready := make(chan struct{})
	n, err := notifier.New(notifier.Options{
		Bus: notifying, Channels: channels, Secrets: func(string, string) (string, error) { return slacktest.Token, nil },
		Ready: func(why string) {
			if why == "" {
				close(ready)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	runCtx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- n.Run(runCtx) }()
	defer func() { stop(); err = firstOf(err, <-ran) }()
	select {
	case <-ready:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}

	one := figure{What: "event → accepted by chat's API", Unit: "ms", Goal: atMost("p99", 1000, "ms"),
		Note: fmt.Sprintf("published one after the other to %d local servers that speak Slack's API, each event posted with its card's or its own message", workspaces)}
	rounds := b.runs(40, 3)
	pace := time.NewTicker(1100 * time.Millisecond / workspaces) // below what one channel takes: a post a second
	defer pace.Stop()
	for i := range rounds * workspaces {
		took, err := posted(ctx, telling, chats[i%workspaces], chatEvent(i%workspaces, i, ""))
		if err != nil {
			return nil, fmt.Errorf("%w; the notifier's state: %+v", err, n.Status())
		}
		one.Values = append(one.Values, millis(took))
		select {
		case <-pace.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	burst := figure{What: fmt.Sprintf("each of %d events of one incident, published at once to one channel", burstEvents), Unit: "ms",
		Note: "Slack takes a post a second in a channel; what has to wait is told together"}
	for i := range b.runs(2*workspaces, 2) {
		took, err := postedAtOnce(ctx, telling, chats[i%workspaces], i)
		if err != nil {
			return nil, fmt.Errorf("%w; the notifier's state: %+v", err, n.Status())
		}
		burst.Values = append(burst.Values, took...)
	}
	return []figure{one, burst}, nil
}

// burstEvents is about what a failover tells from warning on, from the first suspicion to its end.
const burstEvents = 6

// postedAtOnce publishes the events of one incident and waits until the chat has them all.
func postedAtOnce(ctx context.Context, b *bus.Bus, chat *slacktest.Server, round int) (sample, error) {
	all := make([]time.Duration, burstEvents)
	errs := make([]error, burstEvents)
	var told sync.WaitGroup
	for i := range burstEvents {
		e := chatEvent(round%workspaces, 100_000+round*burstEvents+i, fmt.Sprintf("%s-%d", chatGroup(round%workspaces), round+1))
		told.Go(func() { all[i], errs[i] = posted(ctx, b, chat, e) })
	}
	told.Wait()
	var took sample
	for _, d := range all {
		took = append(took, millis(d))
	}
	return took, errors.Join(errs...)
}

func chatGroup(i int) string { return fmt.Sprintf("web%d", i) }

// chatEvent is one that a person is to see. Its sentence holds its id, which is how the post is known.
func chatEvent(group, n int, incident string) *message.Event {
	id := fmt.Sprintf("figure%06d", n)
	return &message.Event{
		ID: id, Group: chatGroup(group), Kind: message.EventNote, Severity: message.Warning, Incident: incident,
		Sentence: fmt.Sprintf("a note of the figures (%s)", id), Writer: teller, At: time.Now().UnixMicro(),
	}
}

// startChat serves a workspace on loopback.
func startChat() (_ *slacktest.Server, addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	chat := slacktest.New()
	server := &http.Server{Handler: chat, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // until it is closed
	}()
	return chat, l.Addr().String(), func() {
		chat.Close()
		_ = server.Close()
		<-done
	}, nil
}

func textsOf(chat *slacktest.Server) (texts []string) {
	for _, m := range chat.Messages() {
		texts = append(texts, m.Text)
	}
	return texts
}

// posted publishes the event and waits until the chat has accepted a message with its words.
func posted(ctx context.Context, b *bus.Bus, chat *slacktest.Server, e *message.Event) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("the chat did not get it within 10s"))
	defer cancel()
	words := regexp.MustCompile(`\b` + e.ID + `\b`)
	began := time.Now()
	if _, err := b.Publish(ctx, subject.Event(e.Group, e.Kind, b.Name()), e); err != nil {
		return 0, err
	}
	for {
		changed := chat.Changed()
		for _, m := range chat.Messages() {
			if words.MatchString(m.All()) {
				return m.At.Sub(began), nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, fmt.Errorf("event %s: %w; it has %q", e.ID, context.Cause(ctx), textsOf(chat))
		}
	}
}
