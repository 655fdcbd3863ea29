package nftables

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Options of a guard.
type Options struct {
	// Group is the group whose table it is.
	Group string
	// Ports are the TCP ports that clients reach the member at, 1 to 65535; at least one.
	Ports []int
	// Allow are the addresses that pass at all times, to replicate and to look. Whoever connects from there is not kept out: no
	// client and no proxy may be among them.
	Allow []netip.Prefix
	// Clock is monotonic; all deadlines are on it. It may begin anywhere.
	Clock func() time.Duration
	// Namespace is an open file of the network namespace to guard, 0: this process's own.
	Namespace int
}

// ErrNotPermitted says that the process lacks the right to change the packet filter.
var ErrNotPermitted = errors.New("the packet filter may not be changed: the executor needs the capability CAP_NET_ADMIN" +
	" (systemd: AmbientCapabilities=CAP_NET_ADMIN)")

func (o Options) check() (Options, error) {
	switch {
	case !message.IsName(o.Group):
		return o, fmt.Errorf("guard: group %q: want the name of a group", o.Group)
	case len(o.Ports) == 0:
		return o, errors.New("guard: no ports: want at least the one that clients connect to")
	case o.Clock == nil:
		return o, errors.New("guard: no clock: want the one that deadlines are on")
	}
	o.Ports = slices.Compact(slices.Sorted(slices.Values(o.Ports)))
	for _, p := range o.Ports {
		if p < 1 || p > 65535 {
			return o, fmt.Errorf("guard: port %d: want 1 to 65535", p)
		}
	}
	allow := make([]netip.Prefix, 0, len(o.Allow))
	for _, p := range o.Allow {
		if !p.IsValid() {
			return o, fmt.Errorf("guard: allowed address %q: want an address with a prefix length, such as 192.0.2.11/32", p)
		}
		if p.Bits() == 0 {
			return o, fmt.Errorf("guard: allowed address %s: it lets everybody pass", p)
		}
		if a := p.Addr(); a.Is4In6() {
			if p.Bits() < 96 {
				return o, fmt.Errorf("guard: allowed address %s: want it as an IPv4 prefix", p)
			}
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		if p = p.Masked(); !slices.Contains(allow, p) {
			allow = append(allow, p)
		}
	}
	o.Allow = allow
	return o, nil
}

func (o Options) table() string { return "ham-" + o.Group }
