package executor

import (
	"fmt"
	"net/netip"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/guard"
	"github.com/isacloud/ha-manager/services/executor/guard/nftables"
	"github.com/isacloud/ha-manager/services/executor/guard/none"
	"github.com/isacloud/ha-manager/services/executor/internal/boottime"
)

// makeGuard makes the guard of a member that its group's spec asks for.
func makeGuard(g *spec.Group, m spec.Member) (guard.Guard, error) {
	if g.Lease.Guard == spec.GuardNone {
		return none.New(boottime.Now), nil
	}
	o := nftables.Options{Group: g.Name, Ports: m.Ports, Clock: boottime.Now}
	for _, a := range m.Allow {
		p, err := netip.ParsePrefix(a)
		if err != nil {
			one, oneErr := netip.ParseAddr(a)
			if oneErr != nil {
				return nil, fmt.Errorf("member %s: allow %q is neither an address nor a network: %w", m.Name, a, err)
			}
			p = netip.PrefixFrom(one, one.BitLen())
		}
		o.Allow = append(o.Allow, p)
	}
	return nftables.New(o)
}
