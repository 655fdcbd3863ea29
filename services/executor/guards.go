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
	o, err := guardOptions(g, m)
	if err != nil {
		return nil, err
	}
	return nftables.New(o)
}

// GuardFile is what the guard of a member puts into the kernel, shut, as a file for the nft program.
func GuardFile(g *spec.Group, m spec.Member) (string, error) {
	switch {
	case g.Lease == nil:
		return "", fmt.Errorf("group %s has no lease, and so no guard", g.Name)
	case g.Lease.Guard == spec.GuardNone:
		return "", fmt.Errorf("group %s declares guard: none: nothing is put into the kernel", g.Name)
	}
	o, err := guardOptions(g, m)
	if err != nil {
		return "", err
	}
	return nftables.Ruleset(o)
}

func guardOptions(g *spec.Group, m spec.Member) (nftables.Options, error) {
	o := nftables.Options{Group: g.Name, Ports: m.Ports, Clock: boottime.Now}
	for _, a := range m.Allow {
		p, err := netip.ParsePrefix(a)
		if err != nil {
			one, oneErr := netip.ParseAddr(a)
			if oneErr != nil {
				return o, fmt.Errorf("member %s: allow %q is neither an address nor a network: %w", m.Name, a, err)
			}
			p = netip.PrefixFrom(one, one.BitLen())
		}
		o.Allow = append(o.Allow, p)
	}
	return o, nil
}
