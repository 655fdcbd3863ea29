package bus

import (
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// A republished copy carries where it was stored in the server's own headers. Permissions must let nobody but the server publish on ham.v1.stored.>.

func headerSeq(h message.Header) uint64 {
	n, err := strconv.ParseUint(h.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func headerTime(h message.Header) time.Time {
	t, err := time.Parse(time.RFC3339Nano, h.Get("Nats-Time-Stamp"))
	if err != nil {
		return time.Time{}
	}
	return t
}
