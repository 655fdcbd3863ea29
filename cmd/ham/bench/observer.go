package main

import (
	"context"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// observer is a client of the bus that asks and listens.
type observer struct {
	*bus.Bus
	whose *child // nil: this process
}

// observe connects to the bus of a process that may just be coming up.
func observe(ctx context.Context, url string, whose *child) (*observer, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	go func() { // no use in waiting for a process that is gone
		select {
		case <-whose.gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	b, err := bus.Connect(ctx, bus.Options{Name: "bench", Service: "cli", URLs: []string{url}})
	if err != nil {
		select {
		case <-whose.gone:
			return nil, whose.ended()
		default:
			return nil, err
		}
	}
	return &observer{b, whose}, nil
}

func (o *observer) close() { o.Close() }

// status asks the deciders.
func (o *observer) status(ctx context.Context, group string) (*message.GroupStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	msg, err := o.Conn().RequestWithContext(ctx, subject.Query(group, subject.QueryStatus), nil)
	if err != nil {
		return nil, err
	}
	if text := msg.Header.Get("Nats-Service-Error"); text != "" {
		return nil, fmt.Errorf("the decider says: %s", text)
	}
	s := new(message.GroupStatus)
	return s, message.DecodeAs(message.Header(msg.Header), msg.Data, s)
}

// ready waits until an epoch is held, no swap is under way and nothing would be said against one.
func (o *observer) ready(ctx context.Context, group string) (*message.GroupStatus, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := "no decider answered"
	for {
		s, err := o.status(ctx, group)
		switch {
		case err != nil:
			last = err.Error()
		case s.Held && s.Swap == nil && len(s.Refusals) == 0 && !s.Blind:
			return s, nil
		default:
			last = s.Sentence
			for _, r := range s.Refusals {
				last += "; " + r.Code + " " + r.Sentence
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("group %s is not ready for a swap: %s: %w", group, last, context.Cause(ctx))
		}
	}
}
