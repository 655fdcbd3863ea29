package haproxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
)

// Wrong is one thing that is not as it shall be.
type Wrong struct {
	Server string
	// Found and Wanted in words: "in maintenance (forced maint)", "ready".
	Found, Wanted string
	// Missing: the backend has no such server.
	Missing bool
}

func (w Wrong) String() string { return fmt.Sprintf("%s is %s, want %s", w.Server, w.Found, w.Wanted) }

// Compare tells what of the goal is not so in a snapshot, and gives the commands that make it so, in their order.
func (g Goal) Compare(s haproxy.Snapshot) (wrong []Wrong, commands []haproxy.Command) {
	for _, want := range g.Servers {
		is, ok := s.Server(g.Backend, want.Name)
		if !ok {
			wrong = append(wrong, Wrong{Server: want.Name, Found: "not there", Wanted: string(want.State), Missing: true})
			continue
		}
		if want.Addr.IsValid() && !at(is, want.Addr) {
			wrong = append(wrong, Wrong{Server: want.Name, Found: fmt.Sprintf("at %s:%d", is.Addr, is.Port), Wanted: "at " + want.Addr.String()})
			commands = append(commands, haproxy.SetAddr(g.Backend, want.Name, want.Addr.Addr(), want.Addr.Port()))
		}
		if want.Weight >= 0 && is.Weight != want.Weight {
			wrong = append(wrong, Wrong{Server: want.Name, Found: fmt.Sprintf("of weight %d", is.Weight), Wanted: fmt.Sprintf("weight %d", want.Weight)})
			commands = append(commands, haproxy.SetWeight(g.Backend, want.Name, want.Weight))
		}
		if !in(is, want.State) {
			wrong = append(wrong, Wrong{Server: want.Name, Found: Administrative(is), Wanted: string(want.State)})
			commands = append(commands, haproxy.SetState(g.Backend, want.Name, want.State))
		}
	}
	return wrong, commands
}

// in says whether the server is in that administrative state, as far as the runtime API sets it: maintenance that it inherits, or a
// name that does not resolve, is not ours to lift.
func in(s haproxy.Server, want haproxy.State) bool {
	maint, drain := s.Admin&haproxy.ForcedMaint != 0, s.Admin&haproxy.ForcedDrain != 0
	switch want {
	case haproxy.Maint:
		return maint
	case haproxy.Drain:
		return drain && !maint
	}
	return !maint && !drain
}

// Administrative is what the runtime API has set the server to: ready, drain or maint.
func Administrative(s haproxy.Server) string {
	switch {
	case in(s, haproxy.Maint):
		return "maint"
	case in(s, haproxy.Drain):
		return "drain"
	}
	return "ready"
}

func at(s haproxy.Server, want netip.AddrPort) bool {
	addr, err := netip.ParseAddr(s.Addr)
	return err == nil && addr.Unmap() == want.Addr().Unmap() && s.Port == int(want.Port())
}

// Found says how the goal's servers are: "s1 in maintenance (forced maint), s2 serves".
func (g Goal) Found(s haproxy.Snapshot) string {
	var words []string
	for _, want := range g.Servers {
		if is, ok := s.Server(g.Backend, want.Name); ok {
			words = append(words, want.Name+" "+is.Why())
		} else {
			words = append(words, want.Name+" is not there")
		}
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// Wanted says how they shall be: "s1 maint, s2 ready at 192.0.2.10:8080".
func (g Goal) Wanted() string {
	var words []string
	for _, s := range g.Servers {
		w := s.Name + " " + string(s.State)
		if s.Addr.IsValid() {
			w += " at " + s.Addr.String()
		}
		if s.Weight >= 0 {
			w += fmt.Sprintf(" weight %d", s.Weight)
		}
		words = append(words, w)
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
