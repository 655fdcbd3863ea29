package ledger

import "context"

// What was told of a target.
const (
	Away   = "away"
	Broken = "broken"
)

// Health is what people were told of a notifier's trouble with a target; the zero value: nothing, it takes posts. Times
// are Unix microseconds.
type Health struct {
	Told string `json:"told,omitempty"`
	// Seq is the event that it failed at first, Since when; Denied since when it has denied what it was asked.
	Seq    uint64 `json:"seq,omitempty"`
	Since  int64  `json:"since_us,omitempty"`
	Denied int64  `json:"denied_us,omitempty"`
}

// Health reads what a notifier told. It is kept by notifier: one may reach what another does not.
func (l *Ledger) Health(ctx context.Context, writer string) (Health, uint64, error) {
	var h Health
	rev, err := l.get(ctx, l.target+".health."+writer, &h)
	return h, rev, err
}

// PutHealth is PutEntry for a notifier's health.
func (l *Ledger) PutHealth(ctx context.Context, writer string, h Health, rev uint64) (uint64, error) {
	return l.put(ctx, l.target+".health."+writer, h, rev)
}
