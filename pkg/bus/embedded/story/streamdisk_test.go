package story

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// What a stream takes is measured by the server itself, and a stream with a bound never holds more.
func TestStreamsSayWhatTheyTakeAndKeepWithinTheirBounds(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	b := bustest.Connect(t, bustest.Start(t), "up")
	layout := bus.Layout{HeartbeatMaxBytes: most, HeartbeatMaxAge: 24 * time.Hour}
	if err := b.Provision(within(t, 30*time.Second), layout); err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.Repeat("x", 60<<10))
	for i := range 40 { // more than twice what it may hold
		m := &nats.Msg{Subject: subject.Heartbeat("web", "a", fmt.Sprint("v", i)), Data: body}
		if _, err := b.JS().PublishMsg(within(t, 30*time.Second), m); err != nil {
			t.Fatal(err)
		}
	}
	r, err := b.Inspect(within(t, 30*time.Second), layout)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Streams {
		if s.Name != subject.StreamHeartbeats {
			continue
		}
		if s.MaxBytes != most || s.MaxAge != 24*time.Hour || s.Bytes == 0 || s.Bytes > most {
			t.Fatalf("the server says %+v", s)
		}
		if d := r.Disk(); d.Used < int64(s.Bytes) || r.StoreLimit == 0 && d.Left != 0 {
			t.Fatalf("together: %+v", d)
		}
		s.First = s.Newest.Add(-time.Hour) // as if it had come in within an hour
		if perDay, ok := s.PerDay(); !ok || perDay != int64(s.Bytes)*24 {
			t.Fatalf("%d a day of %d an hour", perDay, s.Bytes)
		}
		return
	}
	t.Fatal("the report has no heartbeats")
}
