package haproxy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxLine bounds one line of commands. HAProxy reads a line into a buffer of tune.bufsize bytes, 16384 by default.
const maxLine = 8 << 10

// State is the administrative state that a server can be put into.
type State string

// The administrative states, with their effect as measured (see the package documentation).
const (
	Ready State = "ready" // takes traffic; clears maint and drain
	Drain State = "drain" // takes no new traffic but what persistence sends to it; still checked
	Maint State = "maint" // takes no new traffic at all; checks stop; established sessions go on
)

// Health is what [SetHealth] can pretend of a server until its next check.
type Health string

// The healths.
const (
	HealthUp       Health = "up"
	HealthStopping Health = "stopping"
	HealthDown     Health = "down"
)

// wanted says how HAProxy answers a command that succeeded.
type wanted uint8

const (
	wantsSilence wanted = iota // an empty answer
	wantsNotice                // a sentence saying what changed
	wantsText                  // what was asked for
)

// Command is one command, checked when it is made: an invalid one is refused by Do before anything is sent.
// The zero Command is invalid.
type Command struct {
	text  string
	wants wanted
	err   error
}

// String returns the command as it is sent, or why it is not.
func (c Command) String() string {
	if err := c.check(); err != nil {
		return err.Error()
	}
	return c.text
}

func (c Command) check() error {
	if c.err == nil && c.text == "" {
		return fmt.Errorf("%w: an empty command", ErrInvalid)
	}
	return c.err
}

// onServer makes a command about one server. The tail must come from this package or be a number.
func onServer(verb, backend, server, tail string) Command {
	if err := checkName("backend", backend); err != nil {
		return Command{err: err}
	}
	if err := checkName("server", server); err != nil {
		return Command{err: err}
	}
	text := verb + " " + backend + "/" + server
	if tail != "" {
		text += " " + tail
	}
	return Command{text: text}
}

// SetState puts a server into an administrative state.
func SetState(backend, server string, state State) Command {
	switch state {
	case Ready, Drain, Maint:
		return onServer("set server", backend, server, "state "+string(state))
	default:
		return Command{err: fmt.Errorf("%w: state %q of server %q: write ready, drain or maint", ErrInvalid, string(state), server)}
	}
}

// SetWeight sets a server's absolute weight, 0 to 256. At 0 a server takes no new traffic. Backends with a static
// algorithm (source, uri, … without "hash-type consistent", static-rr) accept no other than 0 and the initial one.
func SetWeight(backend, server string, weight int) Command {
	if weight < 0 || weight > 256 {
		return Command{err: fmt.Errorf("%w: weight %d of server %q: must be from 0 to 256", ErrInvalid, weight, server)}
	}
	return onServer("set server", backend, server, "weight "+strconv.Itoa(weight))
}

// SetAddr points a server at another IP address; port 0 leaves its port. HAProxy forgets the change at reload and restart.
//
// The port is checked here because HAProxy 2.6 does not: it takes 99999 as 34463 and says that all is well.
func SetAddr(backend, server string, addr netip.Addr, port uint16) Command {
	if !addr.IsValid() || addr.Zone() != "" {
		return Command{err: fmt.Errorf("%w: address %q of server %q: must be an IPv4 or IPv6 address without a zone", ErrInvalid, addr.String(), server)}
	}
	tail := "addr " + addr.Unmap().String()
	if port != 0 {
		tail += " port " + strconv.Itoa(int(port))
	}
	c := onServer("set server", backend, server, tail)
	c.wants = wantsNotice
	return c
}

// SetHealth overrides what the checks said of a server, until the next check says otherwise.
func SetHealth(backend, server string, health Health) Command {
	switch health {
	case HealthUp, HealthStopping, HealthDown:
		return onServer("set server", backend, server, "health "+string(health))
	default:
		return Command{err: fmt.Errorf("%w: health %q of server %q: write up, stopping or down", ErrInvalid, string(health), server)}
	}
}

// ShutdownSessions ends every session that is on the server now; it does not keep new ones away.
func ShutdownSessions(backend, server string) Command {
	return onServer("shutdown sessions server", backend, server, "")
}

// ShowInfo asks about the process. Read the answer with [ParseInfo].
func ShowInfo() Command { return Command{text: "show info", wants: wantsText} }

// ShowServersState asks for the state of a backend's servers. Read the answer with [ParseServersState].
func ShowServersState(backend string) Command { return onBackend("show servers state ", backend, "") }

// ShowStat asks for the counters of a backend and its servers. Read the answer with [ParseStat].
func ShowStat(backend string) Command {
	return onBackend("show stat ", backend, " 6 -1") // 2 = backends, 4 = servers; -1 = every server
}

// ShowLevel asks what this socket is allowed to do: the answer is admin, operator or user.
func ShowLevel() Command { return Command{text: "show cli level", wants: wantsText} }

func onBackend(verb, backend, tail string) Command {
	if err := checkName("backend", backend); err != nil {
		return Command{err: err}
	}
	return Command{text: verb + backend + tail, wants: wantsText}
}

// lineOf joins commands into the one line that HAProxy works through without a pause.
func lineOf(commands []Command) (string, error) {
	if len(commands) == 0 {
		return "", fmt.Errorf("%w: no command given", ErrInvalid)
	}
	var b strings.Builder
	for i, c := range commands {
		if err := c.check(); err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(c.text)
	}
	if b.Len() > maxLine {
		return "", fmt.Errorf("%w: %d commands make a line of %d bytes, at most %d fit: send them in parts", ErrInvalid, len(commands), b.Len(), maxLine)
	}
	return b.String(), nil
}
