package message

// Lease is what a command says of its epoch's lease. A command without one is of a group whose primary need not be unique.
type Lease struct {
	// Deciders are those whose majority grants the lease, sorted.
	Deciders []string `json:"deciders" validate:"min=1,max=9,dive,name"`
	// TTL is how long a grant lasts by the holder's clock, from when it asked.
	TTL Duration `json:"ttl" validate:"min=1"`
	// Armed: the guard is in force. Without it roles are recorded, and only proof fences.
	Armed bool `json:"armed"`
	// Beside lists each declared member with the executor beside it, sorted by member.
	Beside []Beside `json:"beside" validate:"min=1,max=64,dive"`
	// Durability is never-lose or never-stop where the members replicate; empty where there is nothing to lose.
	Durability string `json:"durability,omitempty" validate:"omitempty,oneof=never-lose never-stop"`
}

// Beside says who is beside a member.
type Beside struct {
	Member string `json:"member" validate:"required,name"`
	// Executor is the only one that changes the member.
	Executor string `json:"executor" validate:"required,name"`
	// Peer is the address (host:port) at which it answers the other members' executors directly.
	Peer string `json:"peer,omitempty" validate:"max=256"`
}

// Of returns who is beside the member.
func (l *Lease) Of(member string) (Beside, bool) {
	for _, b := range l.Beside {
		if b.Member == member {
			return b, true
		}
	}
	return Beside{}, false
}

// Never-lose and never-stop: what a replicated group gives up when its standby is gone.
const (
	NeverLose = "never-lose" // a write is acknowledged when all promotable members have it
	NeverStop = "never-stop" // a write is acknowledged when the primary has it; what may be lost is shown
)

// How a member came to be fenced.
const (
	FencedItself = "itself" // its own executor shut the guard
	FencedAgent  = "agent"  // a fence agent confirmed that the host cannot act
	FencedVouch  = "vouch"  // a person vouches for it
)

// Fenced says that a member does not act as primary at this epoch or below, ever again. It is written to disk before it is said.
// It ends the grants to that member, and promises to it, of epochs up to this one and no others: so it may come late, twice, or from long ago.
type Fenced struct {
	ID     string `json:"id" validate:"required,max=192,id"`
	Group  string `json:"group" validate:"required,name"`
	Member string `json:"member" validate:"required,name"`
	// Epoch is the highest one that it is fenced for.
	Epoch uint64 `json:"epoch" validate:"min=1"`
	How   string `json:"how" validate:"required,oneof=itself agent vouch"`
	// Able says that the member could serve again at a newer epoch: nothing is known to be wrong with it.
	Able bool `json:"able,omitempty"`
	// Executor says it; Actor is who vouches.
	Executor string `json:"executor" validate:"required,name"`
	Actor    string `json:"actor,omitempty" validate:"omitempty,name"`
	Sentence string `json:"sentence" validate:"required,max=2048"`
	At       int64  `json:"at_us" validate:"min=0"`
}

// What a standby is to the primary.
const (
	StandbySynchronous = "synchronous" // it has every acknowledged write, and the primary waits for it
	StandbyStreaming   = "streaming"   // it follows, and the primary does not wait for it
	StandbyCatchingUp  = "catching-up" // it follows from far behind
	StandbyLost        = "lost"        // it has not followed for as long as the primary is patient
)

// Replication is what the primary's executor sees of its standbys, told whenever the state of one changes.
type Replication struct {
	ID       string `json:"id" validate:"required,max=192,id"`
	Group    string `json:"group" validate:"required,name"`
	Epoch    uint64 `json:"epoch" validate:"min=1"`
	Primary  string `json:"primary" validate:"required,name"`
	Executor string `json:"executor" validate:"required,name"`
	// Seq grows with each word of this executor's life: of two, the higher is the newer one.
	Seq      uint64    `json:"seq" validate:"min=1"`
	Standbys []Standby `json:"standbys" validate:"max=64,dive"`
	At       int64     `json:"at_us" validate:"min=0"`
}

// Standby is one member as the primary sees it.
type Standby struct {
	Member string `json:"member" validate:"required,name"`
	State  string `json:"state" validate:"required,oneof=synchronous streaming catching-up lost"`
	// LagBytes is how much of the write-ahead log it has not flushed, LagMicros how long it takes to.
	LagBytes  int64 `json:"lag_bytes,omitempty" validate:"min=0"`
	LagMicros int64 `json:"lag_us,omitempty" validate:"min=0"`
	// Why says more of what is wrong.
	Why string `json:"why,omitempty" validate:"max=512"`
}

// LeaseRequest asks one decider for its share of the lease of an epoch. Core request-reply; nothing is stored.
type LeaseRequest struct {
	Group  string `json:"group" validate:"required,name"`
	Member string `json:"member" validate:"required,name"`
	// Executor is the one beside the member, who asks.
	Executor string `json:"executor" validate:"required,name"`
	// Epoch is that of the newest command the executor knows.
	Epoch uint64   `json:"epoch" validate:"min=1"`
	TTL   Duration `json:"ttl" validate:"min=1"`
	// Fenced is the highest epoch that the member is fenced for: said again with every request, so that it cannot be missed.
	Fenced uint64 `json:"fenced,omitempty"`
}

// LeaseAnswer grants or refuses.
type LeaseAnswer struct {
	Group   string `json:"group" validate:"required,name"`
	Decider string `json:"decider" validate:"required,name"`
	Granted bool   `json:"granted"`
	// Epoch repeats the request's; Newest is that of the newest command the decider knows.
	Epoch  uint64 `json:"epoch" validate:"min=1"`
	Newest uint64 `json:"newest"`
	// Retry is for how long it will be refused, as far as is known. Reason says why.
	Retry  Duration `json:"retry,omitempty" validate:"min=0"`
	Reason string   `json:"reason,omitempty" validate:"max=512"`
}
