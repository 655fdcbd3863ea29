// Package none stands in for a guard where something else keeps clients from a member without a lease, and the operator vouches for that: it
// keeps the deadline, and shuts nothing. What fences then is that the executor ends the resource, which a dead or frozen executor does not.
package none

import (
	"sync"
	"time"

	"github.com/isacloud/ha-manager/services/executor/guard"
)

// New makes one. Clock is what deadlines are on.
func New(clock func() time.Duration) guard.Guard { return &none{clock: clock} }

type none struct {
	clock    func() time.Duration
	mu       sync.Mutex
	deadline time.Duration // 0: shut
}

func (n *none) Prepare() error { return nil }
func (n *none) Remove() error  { return n.Shut() }
func (n *none) Close() error   { return nil }

func (n *none) Arm(deadline time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deadline = deadline
	return nil
}

func (n *none) Renew(deadline time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deadline <= n.clock() {
		n.deadline = 0
		return guard.ErrLapsed
	}
	n.deadline = deadline
	return nil
}

func (n *none) Shut() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deadline = 0
	return nil
}

func (n *none) Open() (time.Duration, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.deadline, n.deadline > n.clock(), nil
}
