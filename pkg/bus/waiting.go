package bus

import (
	"time"
)

// hbKey is what heartbeats replace each other by.
type hbKey struct{ group, member, check, vantage string }

// outgoing is one heartbeat on its way.
type outgoing struct {
	key        hbKey
	id         string
	at         time.Time // when it was offered
	body       []byte
	sent       time.Time
	fresh      bool // offered since the writer's last step, and not sent
	prev, next *outgoing
}

// waiting is a queue with at most one of each key, the longest waiting first.
type waiting struct {
	by          map[hbKey]*outgoing
	first, last *outgoing
}

func (q *waiting) push(o *outgoing) {
	o.prev, o.next = q.last, nil
	if q.last != nil {
		q.last.next = o
	} else {
		q.first = o
	}
	q.last = o
	q.by[o.key] = o
}

func (q *waiting) pushFront(o *outgoing) {
	o.prev, o.next = nil, q.first
	if q.first != nil {
		q.first.prev = o
	} else {
		q.last = o
	}
	q.first = o
	q.by[o.key] = o
}

// pop takes the one that waited longest; there must be one.
func (q *waiting) pop() *outgoing {
	o := q.first
	q.first = o.next
	if q.first != nil {
		q.first.prev = nil
	} else {
		q.last = nil
	}
	o.next = nil
	delete(q.by, o.key)
	return o
}
