package bus

import "sync/atomic"

// counters are read by [Bus.Stats].
type counters struct {
	published, retried, refused, invalid, suppressed atomic.Uint64
}

// Stats counts what happened since Connect.
type Stats struct {
	Published  uint64 // messages that a stream acknowledged
	Retried    uint64 // tries that had no clear answer
	Refused    uint64 // messages that a stream refused for good
	Invalid    uint64 // messages that came in and were not valid
	Suppressed uint64 // invalid heartbeats that were only counted, because their subject had just had a dead letter
	Reconnects uint64
}

// Stats returns the counters. Safe for concurrent use.
func (b *Bus) Stats() Stats {
	return Stats{
		Published: b.stats.published.Load(), Retried: b.stats.retried.Load(), Refused: b.stats.refused.Load(),
		Invalid: b.stats.invalid.Load(), Suppressed: b.stats.suppressed.Load(), Reconnects: b.nc.Stats().Reconnects,
	}
}
