package story

import (
	"context"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// A server that is taken away is away for its clients, and comes back with what was acknowledged.
func TestAServerThatWasAwayComesBack(t *testing.T) {
	srv := bustest.Start(t)
	b := bustest.Connect(t, srv, "t1")
	links := make(chan bool, 16)
	defer b.OnLink(func(up bool) { links <- up })()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	spec := &message.Spec{Group: "web", Text: "group: web", Actor: "test", At: 1}
	if _, err := b.Table(subject.BucketSpec).Create(ctx, "web", spec); err != nil {
		t.Fatal(err)
	}
	if !srv.Away(100 * time.Millisecond) {
		t.Fatal("it is not away yet")
	}
	for _, want := range []bool{true, false, true} {
		select {
		case up := <-links:
			if up != want {
				t.Fatalf("the link is %v, want %v", up, want)
			}
		case <-ctx.Done():
			t.Fatalf("the link never was %v", want)
		}
	}
	for {
		r, err := b.Table(subject.BucketSpec).Get(ctx, "web")
		if err == nil && r.Key == "web" {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("what was stored is gone: %v", err)
		}
	}
}
