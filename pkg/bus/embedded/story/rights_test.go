package story

import (
	"context"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// The permissions that the package's documentation lists are enough for each call: nothing is asked of the server beside them.
func TestTheListedPermissionsAreEnough(t *testing.T) {
	t.Parallel()
	inbox := bus.InboxPrefix("decider") + ".>"
	read := "$JS.API.STREAM.MSG.GET."
	follow := func(stream string) []string {
		return []string{"$JS.API.CONSUMER.CREATE." + stream + ".>", "$JS.API.CONSUMER.MSG.NEXT." + stream + ".*", "$JS.API.CONSUMER.DELETE." + stream + ".*", "$JS.API.STREAM.INFO." + stream}
	}
	for name, c := range map[string]struct {
		publish []string
		call    func(t *testing.T, b *bus.Bus)
	}{
		"read": {[]string{read + "HAM_COMMANDS"}, func(t *testing.T, b *bus.Bus) {
			if _, err := b.Last(within(t, 10*time.Second), subject.StreamCommands, subject.AllCommands); err != nil {
				t.Error(err)
			}
		}},
		"propose": {[]string{"ham.v1.command.*", read + "HAM_COMMANDS"}, func(t *testing.T, b *bus.Bus) {
			mustWin(t, b, mark("m1", "own"), 0)
			if r, err := b.Propose(within(t, 10*time.Second), subject.Command("own"), mark("m2", "own"), 0); err != nil || r.Won {
				t.Error(r, err)
			}
		}},
		"follow": {append(follow("HAM_COMMANDS"), "ham.v1.deadletter.*.d1", "ham.v1.event.*.deadletter.d1", read+"HAM_DEADLETTER"), func(t *testing.T, b *bus.Bus) {
			for _, subjects := range [][]string{nil, {subject.AllCommands}, {subject.Command("web"), subject.Command("bad")}} {
				caught := make(chan struct{})
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error, 1)
				go func() {
					done <- b.Follow(ctx, bus.FollowOptions{Stream: subject.StreamCommands, Subjects: subjects, CaughtUp: func() { close(caught) }}, func(bus.Delivery) {})
				}()
				await(t, caught, "the chain to be read")
				cancel()
				if err := await(t, done, "the follower to end"); err != nil {
					t.Error(err)
				}
			}
		}},
		"work": {[]string{
			"$JS.API.CONSUMER.INFO.HAM_REQUESTS.deciders", "$JS.API.CONSUMER.CREATE.HAM_REQUESTS.deciders.>", "$JS.API.CONSUMER.CREATE.HAM_REQUESTS.deciders",
			"$JS.API.CONSUMER.MSG.NEXT.HAM_REQUESTS.deciders", "$JS.ACK.HAM_REQUESTS.deciders.>",
		}, func(t *testing.T, b *bus.Bus) {
			got := make(chan string, 1)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() {
				done <- b.Work(ctx, queue(), func(_ context.Context, d bus.Delivery) error { got <- d.Message.MessageID(); return nil })
			}()
			await(t, got, "the request")
			cancel()
			if err := await(t, done, "the worker to end"); err != nil {
				t.Error(err)
			}
		}},
		"table": {append(follow("KV_ham_spec"), "$KV.ham_spec.>", read+"KV_ham_spec"), func(t *testing.T, b *bus.Bus) {
			tab := b.Table(subject.BucketSpec)
			ctx := within(t, 10*time.Second)
			rev, err := tab.Create(ctx, "k", entry{N: 1})
			if err == nil {
				_, err = tab.Update(ctx, "k", entry{N: 2}, rev)
			}
			if err == nil {
				_, err = tab.Get(ctx, "k")
			}
			if err == nil {
				_, err = tab.Keys(ctx, "")
			}
			if err != nil {
				t.Error(err)
			}
		}},
		"provision": {[]string{"$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.UPDATE.*"}, func(t *testing.T, b *bus.Bus) {
			if err := b.Provision(within(t, 30*time.Second), bus.Layout{HeartbeatMaxAge: time.Hour}); err != nil {
				t.Error(err)
			}
			if r, err := b.Inspect(within(t, 30*time.Second), bus.Layout{}); err != nil || len(r.Problems) > 0 {
				t.Error(r.Problems, err)
			}
		}},
		"leaders": {[]string{"$JS.API.STREAM.INFO.*"}, func(t *testing.T, b *bus.Bus) { // a single server has none to move
			if _, err := b.PlaceLeaders(within(t, 10*time.Second), func(string) int { return 1 }); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := bustest.Start(t, func(o *embedded.Options) {
				o.Users = []embedded.User{{Name: "d1", Password: "x", Publish: c.publish, Subscribe: []string{inbox}}}
			})
			setup := bustest.Connect(t, srv, "setup")
			mustWin(t, setup, mark("m0", "web"), 0)
			poison(t, setup, subject.Command("bad"), nil, "nonsense")
			ask(t, setup, "r1")
			b := bustest.Dial(t, bus.Options{Name: "d1", Service: "decider", InProcess: srv.InProcess(), User: "d1", Password: "x"})
			c.call(t, b)
			if err := b.Conn().FlushTimeout(10 * time.Second); err != nil { // what is refused is told by now
				t.Fatal(err)
			}
			if err := b.Err(); err != nil {
				t.Errorf("something was refused: %v", err)
			}
		})
	}
}
