package spec

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Lease declares that at most one member may act as primary at any moment, and who grants that right.
type Lease struct {
	// TTL is how long a grant lasts, 600 ms to 10 s; default 1.5 s. A host that is lost costs clients about 1.1 times this.
	TTL time.Duration
	// Deciders are the names of those whose majority grants it, sorted; an odd number, each on another host.
	Deciders []string
	// Guard is what lets clients in: "nftables" (a filter in the kernel, which shuts by itself), or "none" where something else keeps
	// clients from a member without a lease, and the operator vouches for it.
	Guard string
}

// Lease limits and default.
const (
	DefaultTTL  = 1500 * time.Millisecond
	ShortestTTL = 600 * time.Millisecond
	// LongestTTL is also for how long, and a tenth more, a decider that has just started grants nothing.
	LongestTTL = 10 * time.Second
	// GuardLate is how long after the lease's end a guard of the kernel may still let an answer out: deciders wait for it too.
	GuardLate = 50 * time.Millisecond

	GuardNFTables = "nftables"
	GuardNone     = "none"
)

// LeaseTerms are what a command of the group says of its lease; nil where it has none. A dry run is not armed: it keeps no client from
// any member.
func LeaseTerms(g *Group) *message.Lease {
	if g.Lease == nil {
		return nil
	}
	l := &message.Lease{
		Deciders: slices.Clone(g.Lease.Deciders), TTL: message.Duration(g.Lease.TTL), Armed: g.Mode != DryRun, Durability: g.Durability,
	}
	slices.Sort(l.Deciders)
	for _, m := range g.Members {
		l.Beside = append(l.Beside, message.Beside{Member: m.Name, Executor: m.Executor, Peer: m.Peer})
	}
	slices.SortFunc(l.Beside, func(a, b message.Beside) int { return strings.Compare(a.Member, b.Member) })
	return l
}

// Fence is an agent that speaks the ClusterLabs fence agent protocol: options as key=value lines on its standard input, exit code 0
// when the action is confirmed (https://github.com/ClusterLabs/fence-agents/blob/main/doc/FenceAgentAPI.md).
type Fence struct {
	// Agent is the program: fence_ipmilan, fence_vmware_rest, or a path.
	Agent string `json:"agent"`
	// Action is off (default) or reboot.
	Action string `json:"action,omitempty"`
	// Options are given to every call; ${member.<var>} is replaced by the member that is fenced.
	Options map[string]Secret `json:"options,omitempty"`
	// Plug names each member to the agent: its `plug` or `port` option.
	Plug map[string]string `json:"plug,omitempty"`
}

// FenceArgs is what the fence driver is given in a plan. Nothing in it has to be expanded any more.
type FenceArgs struct {
	// Member is the one that is fenced, Plug what the agent calls its host.
	Member string `json:"member"`
	Plug   string `json:"plug"`
	Agent  string `json:"agent"`
	// Action is off, or reboot: off, and on again once it is confirmed to be off.
	Action  string            `json:"action"`
	Options map[string]Secret `json:"options,omitempty"`
	Timeout time.Duration     `json:"timeout_ns"`
}
