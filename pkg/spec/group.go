package spec

import (
	"slices"
	"time"
)

// Mode says how far ham may go by itself.
type Mode string

const (
	Auto   Mode = "auto"    // swaps by itself and when asked
	Manual Mode = "manual"  // swaps when asked only
	DryRun Mode = "dry-run" // never applies anything; records what it would have done. The default.
)

// Group is one service that has a primary and at least one standby infrastructure.
type Group struct {
	Name       string
	Mode       Mode
	Objectives Objectives
	Members    []Member // sorted by name, at least two
	// Adopt is the member that is declared primary at first start; observation must agree.
	Adopt  string
	Checks []Check // sorted by name
	Routes []Route // sorted by name
	Policy Policy
	// Pool is set where the members serve side by side and none is primary.
	Pool *Pool `json:",omitempty"`
	// Resources are what every member holds and what moves with the primary, in an order; sorted by name. DownWhen says which of them make a member
	// down; nil where the group has no resources.
	Resources []Resource `json:",omitempty"`
	DownWhen  *DownWhen  `json:",omitempty"`
	// Lease is set where at most one member may act as primary. Nil: the primary need not be unique, and nobody is fenced.
	Lease *Lease
	// Durability is what a replicated group gives up when its standby is gone: message.NeverLose or message.NeverStop. Empty: the members
	// do not replicate.
	Durability string
	// Fence, if set, is how a host that does not answer is kept from acting, so that nobody has to wait for its lease.
	Fence *Fence
	// Steps are the operator's own steps of a swap, in their order; routes and verification are added by Compile.
	Steps []Step
	// Remedy is the ladder that is tried on a member that is down before anybody takes over from it; RemedyReset is how long after the newest
	// try it begins anew.
	Remedy      []Rung
	RemedyReset time.Duration
	// Verify is looked at from an executor after a swap, beside the checks of the new primary. Nil: those alone.
	Verify *Check
	// Canary asks as clients do, from outside, by http, tcp or exec. It decides nothing; Timeout may be longer than Every. Nil: nobody does.
	Canary *Check
	Notify []NotifyRule
	// Silence are times in which less of the group is told. Their Groups are empty.
	Silence []Silence
	// Drills are the rehearsals by the calendar, Blocked the times in which nothing planned happens, Freezes those in which nothing that a person asks
	// for begins either. None stops a failover.
	Drills  []Drill
	Blocked []Blocked
	Freezes []Blocked
	// Gather is what of the operator's own is looked at when an incident opens.
	Gather []GatherClue
	// Revision is that of the bucket entry it was read from; 0 where it was read from a file.
	Revision uint64
	// Applied is when it was put into force, in Unix microseconds of the stream's clock; 0 where it was read from a file.
	Applied int64
}

// Objectives are what the service promises. Zero: none declared.
type Objectives struct {
	RTO, RPO time.Duration
	// HasRPO tells "rpo: 0s" (nothing may be lost) from no objective.
	HasRPO bool
}

// Member is one infrastructure of a group, at a site.
type Member struct {
	Name string
	Site string
	// URL is where its http and tcp checks look, unless they say otherwise: http://192.0.2.10:8080 or tcp://192.0.2.10:5432.
	URL string
	// Executor is the name of the one beside it: the only one that changes it. Required where the group has a lease.
	Executor string
	// Peer is the address (host:port) at which that executor answers the other members' executors.
	Peer string
	// Ports are the TCP ports at which clients reach it, which its guard opens and shuts; Allow the addresses (IP or CIDR) that
	// reach them past the guard: the members' hosts (its own too, where a prober looks), and the vantages. No client may come from there.
	Ports []int
	Allow []string
	// Agent is the address (host:port) at which its executor answers HAProxy's agent checks: up only while the lease lasts. Empty: nowhere.
	Agent string
	// Postgres and Redis say how ham reaches and runs what the member holds. At most one is set.
	Postgres *Postgres
	Redis    *Redis
	// Backup, in a pool: it serves only when no active member does, as HAProxy's own configuration says.
	Backup bool `json:",omitempty"`
	// Vars are the operator's own values for ${member.<key>} in commands and addresses.
	Vars map[string]string
}

// Member returns the member of that name.
func (g *Group) Member(name string) (Member, bool) {
	i := slices.IndexFunc(g.Members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return Member{}, false
	}
	return g.Members[i], true
}

// MemberNames returns the names of all members, sorted.
func (g *Group) MemberNames() []string {
	names := make([]string, len(g.Members))
	for i, m := range g.Members {
		names[i] = m.Name
	}
	return names
}

// Policy is when a swap may happen by itself. Zero values are never used: [DefaultPolicy] fills what is left out.
type Policy struct {
	// Quorum is how many seeing vantages must say down. Default: a majority of the vantages of the group's checks.
	Quorum int
	// Fall is how many downs in a row a vantage needs (hard evidence needs one), Rise how many ups to come back.
	Fall, Rise int
	// StableFor is how long a standby must have been up to be ready.
	StableFor time.Duration
	// Cooldown is the time after a swap in which none happens by itself.
	Cooldown time.Duration
	// Budget is how many automatic swaps may happen in BudgetWindow.
	Budget       int
	BudgetWindow time.Duration
	// UndoWindow is how long a request that would undo the last swap must name its epoch.
	UndoWindow time.Duration
	// MaxLate is how late a vantage's own look may begin before the vantage is too slow to be a witness.
	MaxLate time.Duration
	// TwoPerson: a swap that a person asks for waits until another person approves it.
	TwoPerson bool
	// DrillWithin, if set, is how long ago the last successful drill may be for a swap to happen by itself.
	DrillWithin time.Duration
	// Trust is what the shadow ledger must show before mode auto swaps by itself. Zero: nothing.
	Trust Trust
	// SwapLimit supersedes a swap whose primary has not held it by then.
	SwapLimit time.Duration
}

// Trust is what the shadow ledger must show: at least so many swaps that would have happened and were judged, and that share of them right.
type Trust struct {
	Swaps int
	// Precision is 0 to 1.
	Precision float64
}

// DefaultPolicy is what a group has that declares none. Quorum depends on the vantages: see [Group.Quorum].
func DefaultPolicy() Policy {
	return Policy{
		Fall: 3, Rise: 5,
		StableFor: time.Minute, Cooldown: 10 * time.Minute,
		Budget: 2, BudgetWindow: 24 * time.Hour,
		UndoWindow: 10 * time.Minute,
		MaxLate:    500 * time.Millisecond,
		SwapLimit:  2 * time.Minute,
	}
}

// Vantages returns the names of all vantages that look whether the members are well, sorted. Those that only measure are left out: a
// quorum must not depend on them.
func (g *Group) Vantages() []string {
	var all []string
	for _, c := range g.Checks {
		if !c.Measures() {
			all = append(all, c.From...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Quorum is how many seeing vantages must say down: Policy.Quorum, or where that is 0 a majority of the group's vantages. At least 1.
func (g *Group) Quorum() int {
	if g.Policy.Quorum > 0 {
		return g.Policy.Quorum
	}
	return len(g.Vantages())/2 + 1
}

// NotifyRule routes events of the group to one channel.
type NotifyRule struct {
	// To names a channel: "slack:#ops", "webhook:pager", "console". The part before ':' is a channel declared for the process.
	To string
	// From is the least severity, default warning.
	From string
	// Kinds limits to these kinds of events; empty: all.
	Kinds []string
}
