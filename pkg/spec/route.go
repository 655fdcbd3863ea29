package spec

import "time"

// Route is what clients follow to the primary.
type Route struct {
	Name      string
	HAProxy   *HAProxyRoute
	VIP       *VIPRoute
	PgBouncer *PgBouncerRoute
}

// VIPRoute is a floating address that the primary's executor holds.
type VIPRoute struct {
	Address string // an IP with its prefix length
	// Interfaces maps each member to the interface that the address goes on.
	Interfaces map[string]string
}

// PgBouncerRoute leads clients through PgBouncer, which holds them back during a planned swap instead of failing them.
type PgBouncerRoute struct {
	Admins   []Secret
	Database string
	// Servers maps each member to host:port as PgBouncer reaches it.
	Servers map[string]string
	File    string
	// On is the executor that stands beside PgBouncer and writes File.
	On string
	// Pause is how long a planned swap may hold clients back before it is called off.
	Pause time.Duration
}

// HAProxyRoute sends clients to one server of a backend, on every proxy, through HAProxy's runtime API.
type HAProxyRoute struct {
	// Proxies are runtime API addresses: tcp://192.0.2.2:9999 or unix:///run/haproxy/admin.sock.
	Proxies []string
	Backend string
	// Servers maps each member to its server's name in the backend.
	Servers map[string]string
	// Drain is how long a graceful swap waits for the old server's sessions before it shuts them; 0: at once.
	Drain time.Duration
	// Timeout bounds one conversation with one proxy.
	Timeout time.Duration
	// Addresses, if set, gives each member's server an address and port at a swap (host:port).
	Addresses map[string]string
	// Weights, if set, gives each member's server a weight (0 to 256) when it is primary.
	Weights map[string]int
}

// HAProxyArgs is what the haproxy driver is given in a plan.
type HAProxyArgs struct {
	Route   string   `json:"route"`
	Proxies []string `json:"proxies"`
	Backend string   `json:"backend"`
	// States is what each server shall be: ready, drain, maint.
	States map[string]string `json:"states"`
	// First are the servers that are set before the others, so that an order can be kept within one proxy.
	First []string `json:"first,omitempty"`
	// WaitSessions waits until these servers have no session left, at most for the step's time-out less a margin, and goes on.
	WaitSessions []string `json:"wait_sessions,omitempty"`
	// ShutSessions ends the sessions of these servers afterwards.
	ShutSessions []string          `json:"shut_sessions,omitempty"`
	Addresses    map[string]string `json:"addresses,omitempty"`
	Weights      map[string]int    `json:"weights,omitempty"`
	// Need is "all" or "any": how many proxies must be right for the step to be done. A proxy that cannot be reached is
	// told and set right by reconciliation as soon as it can be.
	Need    string `json:"need"`
	Timeout string `json:"timeout"`
}
