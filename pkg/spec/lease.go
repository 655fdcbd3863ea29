package spec

import "time"

// Lease declares that at most one member may act as primary at any moment, and who grants that right.
type Lease struct {
	// TTL is how long a grant lasts, 600 ms to 1 min; default 1.5 s. A host that is lost costs clients about 1.1 times this.
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
	LongestTTL  = time.Minute

	GuardNFTables = "nftables"
	GuardNone     = "none"
)

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
