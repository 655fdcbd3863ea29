package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/subject"
)

// Moved is one leader that PlaceLeaders moved.
type Moved struct {
	Stream   string
	Consumer string // "": the leader of the stream itself
	From, To string // names of servers
}

func (m Moved) String() string {
	what := m.Stream
	if m.Consumer != "" {
		what = "consumer " + m.Consumer + " of " + what
	}
	return fmt.Sprintf("%s from %s to %s", what, m.From, m.To)
}

// PlaceLeaders moves the leaders of all streams and buckets that have several copies, and of the consumers on the path of a request, each
// to the server of the least burden among those that are there and up to date; of two that are equal the leader stays where it is. So the loss of a
// server that bears a primary costs no election beside it: an election takes 4 to 9 s, moving a leader that lives some 20 ms.
//
// burden is asked of servers by their name; it must give the same answer throughout the call. What has one copy is left alone. Several programs
// may call it at once: a leader that another one moved meanwhile is found there. What does not answer is passed over until the next call;
// the error is [ErrPermission], or nil.
func (b *Bus) PlaceLeaders(ctx context.Context, burden func(server string) int) ([]Moved, error) {
	ctx, cancel := b.bound(ctx)
	defer cancel()
	var all []Moved
	move := func(m Moved, c *jetstream.ClusterInfo, at time.Time, subj string) error {
		if c == nil || c.Leader == "" || c.LeaderSince == nil || at.Sub(*c.LeaderSince) < settledAfter {
			return nil
		}
		m.From, m.To = c.Leader, lightest(c, burden)
		if m.To == m.From {
			return nil
		}
		in := map[string]any{"placement": map[string]string{"preferred": m.To}}
		switch err := b.api(ctx, subj, in, nil); {
		case err == nil:
			b.log.Info("moved a leader away from a server that bears more", "what", m.Stream, "consumer", m.Consumer, "from", m.From, "to", m.To)
			all = append(all, m)
		case errors.Is(err, ErrPermission):
			return err
		default: // moved by somebody else, or its server is about to go: the next call sees
			b.log.Debug("a leader was not moved", "what", m.String(), "error", err)
		}
		return nil
	}
	for _, a := range (Layout{}).assets() {
		name := a.cfg.Name
		var info jetstream.StreamInfo
		switch err := b.api(ctx, "STREAM.INFO."+name, nil, &info); {
		case errors.Is(err, ErrPermission):
			return all, err
		case err != nil || info.Config.Replicas < 2:
			continue
		}
		if err := move(Moved{Stream: name}, info.Cluster, info.TimeStamp, "STREAM.LEADER.STEPDOWN."+name); err != nil {
			return all, err
		}
		if name != subject.StreamRequests {
			continue // what is followed elsewhere has a consumer of one copy, and is heard besides
		}
		var list struct {
			Consumers []*jetstream.ConsumerInfo `json:"consumers"`
		}
		if err := b.api(ctx, "CONSUMER.LIST."+name, nil, &list); err != nil {
			if errors.Is(err, ErrPermission) {
				return all, err
			}
			continue
		}
		for _, c := range list.Consumers {
			if c == nil || c.Cluster == nil || len(c.Cluster.Replicas) == 0 {
				continue
			}
			if err := move(Moved{Stream: name, Consumer: c.Name}, c.Cluster, c.TimeStamp, "CONSUMER.LEADER.STEPDOWN."+name+"."+c.Name); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

const (
	// settledAfter is how long a leader has led before it is moved. One that has just been elected takes followers that are gone for current.
	settledAfter = 3 * time.Second
	// heardWithin is how lately the leader heard from a follower that may take its place. Followers say something each second.
	heardWithin = 2 * time.Second
)

// lightest is the server of the least burden that may lead now: the leader itself, or a copy that is online, current, and was heard of a moment ago.
func lightest(c *jetstream.ClusterInfo, burden func(string) int) string {
	best, least := c.Leader, burden(c.Leader)
	for _, p := range c.Replicas {
		if p.Offline || !p.Current || p.Active <= 0 || p.Active > heardWithin {
			continue
		}
		if n := burden(p.Name); n < least {
			best, least = p.Name, n
		}
	}
	return best
}
