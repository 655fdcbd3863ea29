package haproxy

import "fmt"

// Serving says what a server gets, from its administrative and operational state and its weight.
type Serving int

// What a server may be getting.
const (
	Unused     Serving = iota // not a state of a server: the zero value
	Serves                    // new traffic
	WarmsUp                   // new traffic, throttled at first (slowstart)
	Draining                  // only what persistence sends to it
	SoftStops                 // as Draining, because its own check asks for it (404, agent)
	Weightless                // as Draining, because its weight is 0
	InMaint                   // nothing new; established sessions may go on
	IsDown                    // nothing: HAProxy's own checks hold it down
)

// Serving tells what the server gets. HAProxy gives a server marked "backup" nothing while another serves; the state of
// servers does not show this mark, [Stat.Backup] does.
func (s Server) Serving() Serving {
	switch {
	case s.Admin.Maint():
		return InMaint
	case s.Oper == OperStopped:
		return IsDown
	case s.Admin.Drain():
		return Draining
	case s.Oper == OperStopping:
		return SoftStops
	case s.Weight == 0:
		return Weightless
	case s.Oper == OperStarting:
		return WarmsUp
	default:
		return Serves
	}
}

// New tells whether the server gets new traffic.
func (s Serving) New() bool { return s == Serves || s == WarmsUp }

// String says it in words for an operator.
func (s Serving) String() string {
	switch s {
	case Serves:
		return "serves"
	case WarmsUp:
		return "serves, warming up"
	case Draining:
		return "drains"
	case SoftStops:
		return "soft-stops"
	case Weightless:
		return "gets nothing new, weight 0"
	case InMaint:
		return "in maintenance"
	case IsDown:
		return "down by HAProxy's own checks"
	case Unused:
		return "not known"
	default:
		return fmt.Sprintf("serving %d", int(s))
	}
}

// Why adds the reason to what a server gets, for evidence: "in maintenance (forced maint)".
func (s Server) Why() string {
	switch serving := s.Serving(); serving {
	case InMaint, Draining:
		return fmt.Sprintf("%s (%s)", serving, s.Admin)
	case IsDown:
		return fmt.Sprintf("%s (last check: %s)", serving, s.CheckResult)
	default:
		return serving.String()
	}
}
