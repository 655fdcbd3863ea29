package haproxy

import (
	"strconv"
	"strings"
	"time"
)

// Server is one line of "show servers state".
type Server struct {
	Backend       string
	Name          string
	Addr          string // IP address; "-" for a Unix socket or a name that is not resolved
	Port          int    // 0 where there is none
	FQDN          string // empty unless the server is configured by name
	Oper          OperState
	Admin         AdminState
	Weight        int           // now
	InitialWeight int           // by the configuration
	SinceChange   time.Duration // since the last operational change, in whole seconds
	CheckResult   CheckResult   // of the last check
	Checked       bool          // health checks are configured and enabled (they pause in maintenance)
}

// OperState is what HAProxy holds of a server's health (srv_op_state).
type OperState int

// The operational states.
const (
	OperStopped  OperState = 0 // down, or in maintenance
	OperStarting OperState = 1 // up and throttled (slowstart)
	OperRunning  OperState = 2 // up
	OperStopping OperState = 3 // up, asked by its check to be left alone (404, agent)
)

// String returns HAProxy's word in lower case.
func (s OperState) String() string {
	switch s {
	case OperStopped:
		return "stopped"
	case OperStarting:
		return "starting"
	case OperRunning:
		return "running"
	case OperStopping:
		return "stopping"
	default:
		return "oper state " + strconv.Itoa(int(s))
	}
}

// AdminState is the set of reasons for which an administrator or the configuration holds a server back (srv_admin_state).
type AdminState int

// The bits of an AdminState.
const (
	ForcedMaint     AdminState = 0x01 // FMAINT: set by a command, or by "disabled" and not lifted since
	InheritedMaint  AdminState = 0x02 // IMAINT: the server it tracks is in maintenance
	ConfiguredMaint AdminState = 0x04 // CMAINT: "disabled" in the configuration; only a memory, holds back nothing by itself
	ForcedDrain     AdminState = 0x08 // FDRAIN
	InheritedDrain  AdminState = 0x10 // IDRAIN: the server it tracks drains
	ResolveMaint    AdminState = 0x20 // RMAINT: its name does not resolve
	NameFromSocket  AdminState = 0x40 // HMAINT: its name was set over the runtime API; holds back nothing

	anyMaint = ForcedMaint | InheritedMaint | ResolveMaint
	anyDrain = ForcedDrain | InheritedDrain
)

// Maint tells whether the server is in maintenance, whatever the reason.
func (a AdminState) Maint() bool { return a&anyMaint != 0 }

// Drain tells whether the server drains and is not in maintenance.
func (a AdminState) Drain() bool { return a&anyDrain != 0 && !a.Maint() }

var adminBits = []struct {
	bit  AdminState
	word string
}{
	{ForcedMaint, "forced maint"},
	{InheritedMaint, "inherited maint"},
	{ConfiguredMaint, "disabled in the configuration"},
	{ForcedDrain, "forced drain"},
	{InheritedDrain, "inherited drain"},
	{ResolveMaint, "name does not resolve"},
	{NameFromSocket, "name set at run time"},
}

// String names the bits, or "none".
func (a AdminState) String() string {
	var words []string
	for _, b := range adminBits {
		if a&b.bit != 0 {
			words = append(words, b.word)
			a &^= b.bit
		}
	}
	if a != 0 {
		words = append(words, "0x"+strconv.FormatInt(int64(a), 16))
	}
	if words == nil {
		return "none"
	}
	return strings.Join(words, ", ")
}

// CheckResult is how a server's last health check ended.
type CheckResult int

// The results of a check.
const (
	CheckUnknown    CheckResult = 0 // none has ended yet
	CheckNeutral    CheckResult = 1 // says nothing; also of a server without checks
	CheckFailed     CheckResult = 2
	CheckPassed     CheckResult = 3
	CheckCondPassed CheckResult = 4 // up, but wants no new sessions
)

// String returns the result in one word.
func (r CheckResult) String() string {
	switch r {
	case CheckUnknown:
		return "unknown"
	case CheckNeutral:
		return "neutral"
	case CheckFailed:
		return "failed"
	case CheckPassed:
		return "passed"
	case CheckCondPassed:
		return "conditionally passed"
	default:
		return "check result " + strconv.Itoa(int(r))
	}
}

// stateColumns are those of version 1 that this package reads; there are more, and newer versions add some at the end.
var stateColumns = []string{"be_name", "srv_name", "srv_addr", "srv_op_state", "srv_admin_state", "srv_uweight",
	"srv_iweight", "srv_time_since_last_change", "srv_check_result", "srv_check_state", "srv_fqdn", "srv_port"}

// ParseServersState reads the answer to "show servers state", format version 1. Columns are found by their names.
// A backend without servers gives an empty list. The error wraps [ErrProtocol].
func ParseServersState(text string) ([]Server, error) {
	version, rest, _ := strings.Cut(text, "\n")
	if version != "1" {
		return nil, protocolError("show servers state: format version %q, only 1 is known", shorten(version, 40))
	}
	var column map[string]int
	var servers []Server
	for line := range strings.Lines(rest) {
		line = strings.TrimRight(line, "\n")
		if header, ok := strings.CutPrefix(line, "# "); ok && column == nil {
			column = make(map[string]int)
			for i, name := range strings.Fields(header) {
				column[name] = i
			}
			for _, name := range stateColumns {
				if _, ok := column[name]; !ok {
					return nil, protocolError("show servers state: no column %s", name)
				}
			}
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if column == nil {
			return nil, protocolError("show servers state: a server before the names of the columns")
		}
		s, err := parseServer(column, strings.Fields(line))
		if err != nil {
			return nil, err
		}
		servers = append(servers, s)
	}
	if column == nil {
		return nil, protocolError("show servers state: no names of columns")
	}
	return servers, nil
}

func parseServer(column map[string]int, fields []string) (Server, error) {
	var failed error
	field := func(name string) string {
		if i := column[name]; i < len(fields) {
			return fields[i]
		}
		if failed == nil {
			failed = protocolError("show servers state: a line of %d columns, %s is missing", len(fields), name)
		}
		return ""
	}
	numberFrom := func(least int64, name string) int {
		value := field(name)
		n, err := strconv.ParseInt(value, 10, 32)
		if (err != nil || n < least) && failed == nil {
			failed = protocolError("show servers state: column %s is %q, not a number from %d", name, shorten(value, 40), least)
		}
		return int(n)
	}
	number := func(name string) int { return numberFrom(0, name) }
	s := Server{
		Backend:       field("be_name"),
		Name:          field("srv_name"),
		Addr:          field("srv_addr"),
		Port:          number("srv_port"),
		FQDN:          field("srv_fqdn"),
		Oper:          OperState(number("srv_op_state")),
		Admin:         AdminState(number("srv_admin_state")),
		Weight:        number("srv_uweight"),
		InitialWeight: number("srv_iweight"),
		SinceChange:   time.Duration(max(0, numberFrom(-1, "srv_time_since_last_change"))) * time.Second, // -1 right after some reloads
		CheckResult:   CheckResult(number("srv_check_result")),
		Checked:       number("srv_check_state")&0x06 == 0x06, // CONFIGURED and ENABLED
	}
	if s.FQDN == "-" {
		s.FQDN = ""
	}
	if failed == nil && s.Oper > OperStopping {
		failed = protocolError("show servers state: server %s has the operational state %d, only 0 to 3 are known", shorten(s.Name, 40), int(s.Oper))
	}
	if failed != nil {
		return Server{}, failed
	}
	return s, nil
}
