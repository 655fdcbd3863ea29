package message

import (
	"strconv"
	"time"
)

// Maintenance is an entry of the group's chain: a member is taken out of service for maintenance, or is put back. In a pool no proxy leads new
// clients to it meanwhile; in a pair it is no standby to count on. It stands in the chain, so that of two such entries that are wanted at once the
// second is decided knowing of the first: whoever did not read the first proposes in vain.
type Maintenance struct {
	ID     string `json:"id" validate:"required,max=128,id"`
	Group  string `json:"group" validate:"required,name"`
	Member string `json:"member" validate:"required,name"`
	// Begins is false where it ends. A member that is in maintenance already stays in it, by this entry from now on: it is renewed.
	Begins bool `json:"begins"`
	// For is how long it is to last from its stream timestamp; zero: until somebody ends it. After that time it ends once the member is up.
	For Duration `json:"for,omitempty" validate:"min=0"`
	// Rule is the code of the rule that fired, Sentence what it says here.
	Rule     string `json:"rule" validate:"required,max=16"`
	Sentence string `json:"sentence" validate:"required,max=1024"`
	// Actor is who asked for it; empty where it ends by itself. Request is by which request.
	Actor   string `json:"actor,omitempty" validate:"max=64"`
	Reason  string `json:"reason,omitempty" validate:"max=1024"`
	Request string `json:"request,omitempty" validate:"max=128"`
	// Reasons are the refusals that were set aside.
	Reasons []Reason `json:"reasons,omitempty" validate:"max=64,dive"`
	Decider string   `json:"decider" validate:"required,name"`
	At      int64    `json:"at_us" validate:"min=0"`
}

// MaintenanceStatus is the maintenance that a member is in.
type MaintenanceStatus struct {
	// ID is that of the entry of the chain which it is in by: another once it is renewed.
	ID     string `json:"id,omitempty" validate:"max=128"`
	By     string `json:"by" validate:"max=64"`
	Reason string `json:"reason,omitempty" validate:"max=1024"`
	// Since and Until are when the member was taken out and when it is to end, in Unix microseconds of the stream's clock; Until 0: when somebody ends it.
	Since int64 `json:"since_us" validate:"min=0"`
	Until int64 `json:"until_us,omitempty" validate:"min=0"`
	// Over says that its time has passed and that it lasts all the same, because the member is not up.
	Over bool `json:"over,omitempty"`
}

// PoolStatus is how a pool stands.
type PoolStatus struct {
	// Minimum is how many active members must serve; ham takes none out below it.
	Minimum int `json:"minimum" validate:"min=1"`
	// Active is how many members take their share of the clients, those in maintenance included: all but the backups.
	Active int `json:"active" validate:"min=0"`
	// Serve are the active members that serve: up, not drained, and passed over by no proxy that answers. Sorted.
	Serve []string `json:"serve" validate:"max=64,dive,name"`
	// Free is how many of them may be taken out now.
	Free int `json:"free" validate:"min=0"`
	// Backups are the backups that serve because no active member does. Sorted.
	Backups []string `json:"backups,omitempty" validate:"max=64,dive,name"`
}

// ServerSeen is one server of a route as its proxy has it.
type ServerSeen struct {
	Member string `json:"member" validate:"required,name"`
	Server string `json:"server" validate:"required,max=128"`
	// Admin is what it is set to: ready, drain or maint.
	Admin string `json:"admin" validate:"required,oneof=ready drain maint"`
	// Says is the proxy's own verdict, by its own checks: "up", "down", "unchecked" where it makes none. A server in maintenance is not checked.
	Says string `json:"says" validate:"required,oneof=up down unchecked"`
	// Sessions are those that are still on it or wait for it, where it is not ready and the proxy counts them.
	Sessions *int `json:"sessions,omitempty" validate:"omitempty,min=0"`
}

// Tells says in one sentence how one server of the route stands at its proxy, and how many are still on it.
func (r *RouteSeen) Tells(x ServerSeen) string {
	text := "route " + r.Route + " on " + r.Proxy + ": " + x.Member
	if x.Admin == "ready" {
		return text + " is ready"
	}
	text += " drains"
	switch {
	case x.Sessions == nil:
		return text
	case *x.Sessions == 0:
		return text + ", nobody is on it any more"
	case *x.Sessions == 1:
		return text + ", 1 session is still on it"
	}
	return text + ", " + strconv.Itoa(*x.Sessions) + " sessions are still on it"
}

// Says tells in one sentence that the member is in this maintenance: by whom, why, since when and until when.
func (m *MaintenanceStatus) Says(member string) string {
	stamp := func(us int64) string { return time.UnixMicro(us).UTC().Format("2006-01-02 15:04") + " UTC" }
	text := member + " is in maintenance by " + m.By
	if m.Reason != "" {
		text += " (" + m.Reason + ")"
	}
	text += " since " + stamp(m.Since)
	switch {
	case m.Over:
		text += ", and should have been back at " + stamp(m.Until)
	case m.Until > 0:
		text += ", until " + stamp(m.Until)
	default:
		text += ", until somebody puts it back"
	}
	return text
}
