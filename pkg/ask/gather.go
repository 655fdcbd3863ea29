package ask

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

const (
	// gatherLimit is how long executors look round at most, and a moment more.
	gatherLimit = 8 * time.Second
	// pingLimit is how long who is there may take to say so.
	pingLimit = 500 * time.Millisecond
)

// ErrNoExecutor says that nobody is there to look round.
var ErrNoExecutor = errors.New("no executor answers on this bus")

// Gather asks every executor what is to be seen on its host and at the routes of the group now. Nothing is changed, and nothing stored. It returns what
// came, sorted by executor, without those that found nothing to look at; silent names the executors that are there and did not answer. The error is
// [ErrNoExecutor], or the bus's.
func (c Client) Gather(ctx context.Context, group string) (found []*message.Gathered, silent []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, gatherLimit)
	defer cancel()
	nc := c.Bus.Conn()
	inbox, pongs := nc.NewInbox(), nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = answers.Unsubscribe() }() // fails only where the link is gone
	if err := nc.PublishRequest(subject.Gather(group), inbox, nil); err != nil {
		return nil, nil, err
	}
	open, err := c.executors(ctx, pongs)
	if err != nil {
		return nil, nil, err
	}
	for {
		n, _, _ := answers.Pending()
		if n == 0 && len(open) == 0 {
			break // whoever is there has answered
		}
		msg, err := answers.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) {
			continue
		}
		if err != nil {
			break
		}
		m := new(message.Gathered)
		if message.DecodeAs(message.Header(msg.Header), msg.Data, m) != nil || m.Group != group {
			continue // nobody listens there, or it is no answer
		}
		open = slices.DeleteFunc(open, func(name string) bool { return name == m.Executor })
		found = append(found, m)
	}
	if len(found) == 0 && len(open) == 0 {
		return nil, nil, ErrNoExecutor
	}
	found = slices.DeleteFunc(found, func(m *message.Gathered) bool { return len(m.Clues) == 0 })
	slices.SortFunc(found, func(a, b *message.Gathered) int { return strings.Compare(a.Executor, b.Executor) })
	return found, open, nil
}

// executors names those that say within a moment that they are there, sorted.
func (c Client) executors(ctx context.Context, inbox string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	nc := c.Bus.Conn()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only where the link is gone
	if err := nc.PublishRequest(micro.APIPrefix+".PING", inbox, nil); err != nil {
		return nil, err
	}
	var names []string
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) {
			continue
		}
		if err != nil {
			slices.Sort(names)
			return slices.Compact(names), nil
		}
		var p micro.Ping
		if json.Unmarshal(msg.Data, &p) == nil && p.Name == "ham-executor" && message.IsName(p.Metadata["writer"]) {
			names = append(names, p.Metadata["writer"])
		}
	}
}
