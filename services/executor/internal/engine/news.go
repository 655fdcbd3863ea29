package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/internal/journal"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

// News is what a run is told from outside while it is turned: the chain, the journal, instructions. Safe for concurrent use; none of
// its methods blocks.
type News struct {
	changed chan struct{} // holds one token when there is something to take

	mu           sync.Mutex
	known        plan.Seen
	entries      []journal.Entry
	instructions []*message.Instruction
	cut          []context.CancelCauseFunc
	superseded   error
}

// NewNews knows of the run's own epoch only.
func NewNews(epoch uint64) *News {
	return &News{changed: make(chan struct{}, 1), known: plan.Seen{Newest: epoch}}
}

// Held says that `held` of the run's epoch stands in the chain.
func (n *News) Held() { n.change(func() { n.known.Held = true }) }

// Paused says whether the group is paused.
func (n *News) Paused(paused bool) { n.change(func() { n.known.Paused = paused }) }

// Newer says that a newer epoch was decided: work in flight is cut short at once.
func (n *News) Newer(epoch uint64) {
	n.change(func() {
		if epoch <= n.known.Newest {
			return
		}
		n.known.Newest = epoch
		n.superseded = fmt.Errorf("cut short: epoch %d took its place", epoch)
		for _, cut := range n.cut {
			cut(n.superseded)
		}
	})
}

// Journal says that the run's record was seen in this version.
func (n *News) Journal(e journal.Entry) { n.change(func() { n.entries = append(n.entries, e) }) }

// Instruct passes on what a person wants.
func (n *News) Instruct(in *message.Instruction) {
	n.change(func() { n.instructions = append(n.instructions, in) })
}

func (n *News) change(f func()) {
	n.mu.Lock()
	f()
	n.mu.Unlock()
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

func (n *News) take() ([]journal.Entry, []*message.Instruction) {
	n.mu.Lock()
	defer n.mu.Unlock()
	entries, instructions := n.entries, n.instructions
	n.entries, n.instructions = nil, nil
	return entries, instructions
}

func (n *News) seen(wall int64) plan.Seen {
	n.mu.Lock()
	defer n.mu.Unlock()
	see := n.known
	see.Wall = wall
	return see
}

func (n *News) onSupersede(cut context.CancelCauseFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = append(n.cut, cut)
	if n.superseded != nil {
		cut(n.superseded)
	}
}
