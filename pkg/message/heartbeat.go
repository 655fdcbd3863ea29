package message

// Answer is what one look at one member said.
type Answer string

const (
	// Up: the member answered as it should.
	Up Answer = "up"
	// Degraded: it answered, and serves, but not as well as declared. It counts as up
	// for the verdict, and is told.
	Degraded Answer = "degraded"
	// Down: a witness saw it refuse, fail or stay silent past the time-out.
	Down Answer = "down"
	// Unknown: nobody could look (the prober's own trouble). It is no evidence.
	Unknown Answer = "unknown"
)

// Heartbeat is one prober's observation of one member by one check.
//
// It is flat and small because there are thousands a second of them.
type Heartbeat struct {
	Group   string `json:"group" validate:"required,name"`
	Member  string `json:"member" validate:"required,name"`
	Vantage string `json:"vantage" validate:"required,name"`
	Check   string `json:"check" validate:"required,name"`
	// Boot identifies one run of the prober; Seq counts its observations of this
	// check from 1. A copy heard twice has the same pair; a lower Seq of the same Boot is old news.
	Boot string `json:"boot" validate:"required,max=32,id"`
	Seq  uint64 `json:"seq" validate:"min=1"`

	Answer Answer `json:"answer" validate:"required,oneof=up degraded down unknown"`
	// Hard marks a down that needs no repetition: refused, reset while open, process gone.
	Hard bool `json:"hard,omitempty"`
	// Evidence is one line for people: "connect 192.0.2.10:8080: connection refused". At most 512 bytes, no secrets.
	Evidence string `json:"evidence,omitempty" validate:"max=512"`
	// LatencyMicros is how long the look took, in microseconds.
	LatencyMicros int64 `json:"latency_us" validate:"min=0"`
	// EveryMicros is the check's interval, so that a reader knows when to miss the next one.
	EveryMicros int64 `json:"every_us" validate:"min=1000"`
	// LateMicros is how long after its due time the look began, or after its deadline it ended, whichever is more: a vantage that is slow
	// itself is no witness.
	LateMicros int64 `json:"late_us,omitempty" validate:"min=0"`
	// Blind is set while the vantage sees none of its own reference targets: it is no evidence.
	Blind bool `json:"blind,omitempty"`
	// SpecRevision is the revision of the spec that the check was read from.
	SpecRevision uint64 `json:"spec_revision,omitempty"`
	// At is the prober's wall clock in Unix microseconds, for people.
	At int64 `json:"at_us" validate:"min=0"`
	// Perf holds the check's own figures ("load1" = 0.4), if it has any.
	Perf map[string]float64 `json:"perf,omitempty" validate:"max=64"`
}
