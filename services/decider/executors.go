package decider

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/services/decider/core"
)

const (
	// callEvery is how often executors are called, callWait how long their answers are waited for.
	callEvery = 5 * time.Second
	callWait  = 500 * time.Millisecond
)

// callExecutors tells the cores which executors live, as long as members of any group name theirs: a failover to a member whose executor is gone would
// wait for it in vain, and so would a ladder.
func (d *Decider) callExecutors(ctx context.Context) error {
	for ctx.Err() == nil {
		up, changed := d.bus.Link()
		if up && d.namesExecutors() {
			// Nobody at all answers where this identity may not call: then nothing is known, which is not the same as nobody being there.
			if names := d.whoExecutes(ctx); len(names) > 0 {
				d.all(core.ExecutorsSeen{Names: names})
			}
		}
		t := time.NewTimer(callEvery)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-t.C:
		}
		t.Stop()
	}
	return nil
}

func (d *Decider) namesExecutors() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range d.groups {
		if g.state.NamesExecutors() {
			return true
		}
	}
	return false
}

// whoExecutes calls all executors and returns who answered, sorted.
func (d *Decider) whoExecutes(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	nc := d.bus.Conn()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer func() { _ = sub.Unsubscribe() }()
	if nc.PublishMsg(&nats.Msg{Subject: "$SRV.PING.ham-executor", Reply: inbox}) != nil {
		return nil
	}
	var names []string
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			break
		}
		var who struct {
			Metadata map[string]string `json:"metadata"`
		}
		if json.Unmarshal(msg.Data, &who) == nil && who.Metadata["writer"] != "" {
			names = append(names, who.Metadata["writer"])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
