package ledger

import (
	"context"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Memory is what a target keeps of events that are not told on their own: because a silence lies over them, or because they repeat what was
// said. Times are Unix microseconds of the stream's clock.
type Memory struct {
	// Quiet is what silences hold back, by group.
	Quiet map[string]Quiet `json:"quiet,omitempty"`
	// Again is what was said and repeats itself, by what it is about.
	Again map[string]Repeated `json:"again,omitempty"`
}

// Line is an event in short.
type Line struct {
	At       int64            `json:"at_us"`
	Severity message.Severity `json:"severity"`
	Sentence string           `json:"sentence"`
}

// Quiet is what was held back of one group.
type Quiet struct {
	// Seq is the newest event that counts. Since and Until are when the first and the last of them were stored.
	Seq   uint64 `json:"seq"`
	Since int64  `json:"since_us"`
	Until int64  `json:"until_us"`
	Count int    `json:"count"`
	// Worst is the most urgent of them, Why what the silence said.
	Worst message.Severity `json:"worst"`
	Why   string           `json:"why,omitempty"`
	// Lines are some of them, the most urgent and then the newest, in their order.
	Lines []Line `json:"lines,omitempty"`
}

// Repeated is one thing that was said, and how often it was so since.
type Repeated struct {
	Group    string            `json:"group"`
	Kind     message.EventKind `json:"kind"`
	Member   string            `json:"member,omitempty"`
	Incident string            `json:"incident,omitempty"`
	// Said is the newest post of it, Severity that post's. States are what was said of it since Since, however often.
	Said     Part             `json:"said"`
	Severity message.Severity `json:"severity"`
	States   []string         `json:"states,omitempty"`
	Since    int64            `json:"since_us"`
	// Count is how often it happened since Since, Told how much of that its newest post knew, Shown how much that post shows since it was
	// last changed. Newest is the last of them, at Seq.
	Count  int    `json:"count"`
	Told   int    `json:"told"`
	Shown  int    `json:"shown,omitempty"`
	Newest Line   `json:"newest"`
	Seq    uint64 `json:"seq"`
	// Frozen: the post can no longer be changed.
	Frozen bool `json:"frozen,omitempty"`
}

// Memory reads what the target keeps.
func (l *Ledger) Memory(ctx context.Context) (Memory, uint64, error) {
	var m Memory
	rev, err := l.get(ctx, l.target+".memory", &m)
	return m, rev, err
}

// PutMemory is PutEntry for the memory.
func (l *Ledger) PutMemory(ctx context.Context, m Memory, rev uint64) (uint64, error) {
	return l.put(ctx, l.target+".memory", m, rev)
}
