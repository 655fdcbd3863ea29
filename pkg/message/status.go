package message

// Role is what a member is now.
type Role string

const (
	RolePrimary Role = "primary"
	RoleStandby Role = "standby"
	RoleUnknown Role = "unknown"

	// Those of a pool.
	RoleActive  Role = "active"
	RoleDrained Role = "drained"
	RoleBackup  Role = "backup"
)

// GroupStatus is what a decider knows of one group, as it answers it on ham.v1.query.<group>.status.
type GroupStatus struct {
	Group string `json:"group" validate:"required,name"`
	// Sentence is always true: "If a died now: b takes over …", or "nobody takes over, because …".
	Sentence string `json:"sentence" validate:"required,max=2048"`
	Mode     string `json:"mode" validate:"required,max=16"`
	// Paused says that no swap happens until PausedUntil (Unix microseconds; 0: until somebody resumes).
	Paused      bool   `json:"paused,omitempty"`
	PausedUntil int64  `json:"paused_until_us,omitempty"`
	PausedBy    string `json:"paused_by,omitempty"`
	PauseReason string `json:"pause_reason,omitempty"`
	// Epoch, Kind and Primary are those of the newest command; Held says that it took effect. Epoch 0: nothing is adopted yet.
	Epoch   uint64 `json:"epoch"`
	Kind    Kind   `json:"kind,omitempty"`
	Held    bool   `json:"held,omitempty"`
	Primary string `json:"primary,omitempty"`
	// Swap is the swap under way, if there is one.
	Swap *SwapStatus `json:"swap,omitempty"`
	// Drill is the rehearsal that runs, if there is one.
	Drill *DrillStatus `json:"drill,omitempty"`
	// LastDrill is the newest that is over; DrilledAt is when the newest that went there and back was over, in Unix microseconds of the
	// stream's clock; 0: none ever was.
	LastDrill *DrillStatus `json:"last_drill,omitempty"`
	DrilledAt int64        `json:"drilled_at_us,omitempty" validate:"min=0"`
	// Agenda is what is to happen by the spec's calendar, the soonest first.
	Agenda []AgendaEntry `json:"agenda,omitempty" validate:"dive"`
	// Blocked are the windows in which no drill begins that hold now or soon, the soonest first.
	Blocked []BlockedWindow `json:"blocked,omitempty" validate:"dive"`
	// Approvals are the swaps that wait for a second person, oldest first.
	Approvals []ApprovalStatus `json:"approvals,omitempty" validate:"dive"`
	// Ledger is the shadow ledger's score; nil where it has no entry.
	Ledger  *LedgerStatus  `json:"ledger,omitempty"`
	Members []MemberStatus `json:"members" validate:"dive"`
	// Pool is set where the group is a pool: then it has no primary, no epoch and no swap.
	Pool *PoolStatus `json:"pool,omitempty"`
	// Resources are what each member holds, in the order in which they come up.
	Resources []ResourceStatus `json:"resources,omitempty" validate:"dive"`
	Routes    []RouteSeen      `json:"routes,omitempty" validate:"dive"`
	// Lease is set where at most one member may act.
	Lease *LeaseStatus `json:"lease,omitempty"`
	// Thresholds are the figures that are measured, sorted by member, check and figure. None of them ever leads to a swap.
	Thresholds []ThresholdStatus `json:"thresholds,omitempty" validate:"dive"`
	// Refusals are the reasons why no automatic swap would happen now, if the primary died.
	Refusals []Reason `json:"refusals,omitempty" validate:"dive"`
	Incident string   `json:"incident,omitempty"`
	// Clients is what the canary sees of the service as clients do; nil where the spec declares none.
	Clients *ClientsStatus `json:"clients,omitempty"`
	// Blind: the decider has not yet watched for a full interval since it started or lost the bus.
	Blind        bool   `json:"blind,omitempty"`
	SpecRevision uint64 `json:"spec_revision"`
	Decider      string `json:"decider" validate:"required,name"`
	At           int64  `json:"at_us"`
}

// LeaseStatus is what a decider knows of the lease of a group.
type LeaseStatus struct {
	// Armed: the guard is in force.
	Armed      bool     `json:"armed"`
	Durability string   `json:"durability,omitempty"`
	Deciders   []string `json:"deciders"`
	TTL        Duration `json:"ttl" validate:"min=0"`
	// Wait is for how long a primary that falls silent may still act.
	Wait Duration `json:"wait" validate:"min=0"`
	// Holder is the member that this decider grants to now, at HolderEpoch, for another Left. Empty: nobody, by this decider.
	Holder      string   `json:"holder,omitempty"`
	HolderEpoch uint64   `json:"holder_epoch,omitempty"`
	Left        Duration `json:"left,omitempty" validate:"min=0"`
	// Promotable are the members that could take over from the primary.
	Promotable []string `json:"promotable"`
	// Protected says that every acknowledged write survives the primary; Protection says so in words, or what would be lost.
	Protected  bool            `json:"protected,omitempty"`
	Protection string          `json:"protection,omitempty"`
	Standbys   []StandbyStatus `json:"standbys,omitempty"`
	Fenced     []FencedStatus  `json:"fenced,omitempty"`
}

// StandbyStatus is what is known of a standby of a group that replicates.
type StandbyStatus struct {
	Member string `json:"member"`
	// State is what the primary's executor said of it, AgeMS ago, and Why.
	State string `json:"state,omitempty"`
	AgeMS int64  `json:"age_ms,omitempty"`
	Why   string `json:"why,omitempty"`
	// Lag says that LagBytes and LagMicros are known: what would be lost, as it was LagAgeMS ago.
	Lag       bool  `json:"lag,omitempty"`
	LagBytes  int64 `json:"lag_bytes,omitempty"`
	LagMicros int64 `json:"lag_us,omitempty"`
	LagAgeMS  int64 `json:"lag_age_ms,omitempty"`
}

// FencedStatus is the newest word that a member is fenced.
type FencedStatus struct {
	Member string `json:"member"`
	// Epoch is the highest one that it is fenced for; Now says that it is the primary and does not act until a newer epoch.
	Epoch uint64 `json:"epoch"`
	Now   bool   `json:"now,omitempty"`
	How   string `json:"how"`
	Able  bool   `json:"able,omitempty"`
	At    int64  `json:"at_us"`
}

// SwapStatus is a swap under way.
type SwapStatus struct {
	Command string `json:"command"`
	Epoch   uint64 `json:"epoch"`
	Kind    Kind   `json:"kind"`
	From    string `json:"from,omitempty"`
	To      string `json:"to"`
	State   State  `json:"state"`
	// Steps are the steps of its plan with what became of each so far; a step not begun has no state.
	Steps []StepStatus `json:"steps,omitempty"`
}

// StepStatus is one step of a swap under way.
type StepStatus struct {
	Name     string `json:"name"`
	Says     string `json:"says"`
	State    State  `json:"state,omitempty"`
	Attempt  int    `json:"attempt,omitempty"`
	Executor string `json:"executor,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

// MemberStatus is one member of a group.
type MemberStatus struct {
	Name    string  `json:"name" validate:"required,name"`
	Site    string  `json:"site,omitempty"`
	Role    Role    `json:"role" validate:"required"`
	Verdict Verdict `json:"verdict" validate:"required"`
	// Ready says whether it could take over now; Reasons why not.
	Ready   bool     `json:"ready"`
	Reasons []Reason `json:"reasons,omitempty" validate:"dive"`
	Views   []View   `json:"views,omitempty" validate:"dive"`
	// Maintenance is set while it is in maintenance.
	Maintenance *MaintenanceStatus `json:"maintenance,omitempty"`
	// Remedy is where the ladder stands that is tried before anybody takes over; nil: none is declared.
	Remedy *RemedyStatus `json:"remedy,omitempty"`
}

// ResourceStatus is one resource of a group.
type ResourceStatus struct {
	Name string `json:"name" validate:"required,name"`
	// Says is what it is: "group orders-db", "process app.service", "route front".
	Says  string   `json:"says" validate:"required,max=512"`
	After []string `json:"after,omitempty"`
	// Group is the other group that is moved along, if it is one.
	Group string `json:"group,omitempty" validate:"omitempty,name"`
	// Down says that a member is down when this is; together: only together with the others that are so.
	Down     bool `json:"down,omitempty"`
	Together bool `json:"together,omitempty"`
	// Members are what its check says of each; of what only the primary's side runs, of the primary alone.
	Members []ResourceMember `json:"members,omitempty" validate:"dive"`
}

// ResourceMember is a resource as one member holds it.
type ResourceMember struct {
	Member  string  `json:"member" validate:"required,name"`
	Verdict Verdict `json:"verdict" validate:"required"`
	Why     string  `json:"why,omitempty" validate:"max=1024"`
}

// Preview is what a request would do, answered on ham.v1.query.<group>.preview to a Request in the body.
type Preview struct {
	Group    string `json:"group" validate:"required,name"`
	Verb     Verb   `json:"verb" validate:"required,verb"`
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	Epoch    uint64 `json:"epoch"` // the epoch that it would have
	DryRun   bool   `json:"dry_run,omitempty"`
	Accepted bool   `json:"accepted"`
	Sentence string `json:"sentence" validate:"required,max=2048"`
	// Reasons are all refusals that hold now.
	Reasons []Reason `json:"reasons,omitempty" validate:"dive"`
	Plan    *Plan    `json:"plan,omitempty"`
	// WayBack says how the roles come back, and when: "ham failback web", at once.
	WayBack string `json:"way_back,omitempty"`
}

func (m *GroupStatus) MessageID() string    { return "status." + m.Group }
func (m *GroupStatus) MessageGroup() string { return m.Group }
func (m *Preview) MessageID() string        { return "preview." + m.Group }
func (m *Preview) MessageGroup() string     { return m.Group }
