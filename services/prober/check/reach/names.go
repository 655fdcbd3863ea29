package reach

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// names resolves one host and keeps what it learned.
type names struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	known  []netip.Addr
}

// resolve returns at least one address, or an error. The resolver gets half of the time that is left, so that a
// resolver which hangs leaves time to try the addresses it gave last.
func (n *names) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	bounded := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	ips, err := n.lookup(bounded, "ip", host)
	if err == nil && len(ips) > 0 {
		for i := range ips {
			ips[i] = ips[i].Unmap()
		}
		n.known = ips
		return ips, nil
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		n.known = nil
		return nil, errors.New("no such name")
	}
	if ctx.Err() == nil && len(n.known) > 0 {
		return n.known, nil
	}
	switch {
	case err == nil:
		return nil, errors.New("the name has no address")
	case errors.Is(err, context.DeadlineExceeded), dns != nil && dns.IsTimeout:
		return nil, errors.New("the resolver does not answer")
	case dns != nil:
		return nil, errors.New(dns.Err)
	}
	return nil, err
}
