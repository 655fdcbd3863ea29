// Package vip puts a floating address on an interface of the host that it runs on, tells the network, and takes it away (Linux).
//
// Before the address is put there the network is asked whether somebody has it (ARP probe, RFC 5227; neighbour solicitation, RFC 4862): while
// another host answers, it is not. The pauses are far shorter than those of the RFCs, since clients wait: what makes the address unique
// is the lease. Then it is announced, several times: gratuitous ARP, in both forms, or an unsolicited neighbour advertisement (RFC 4861, 7.2.6); and the
// network is asked once more. The kernel's own duplicate detection, which takes a second, is left out for that.
//
// In a leased group the address comes only where the lease of the epoch is held, right before and right after; [Drop] takes it away when the
// executor fences. A dead executor takes nothing away: its host goes on answering for the address, its guard refuses whoever comes, and another
// host does not get it. [Keep] is against that: the kernel then takes the address away by itself.
//
// It needs CAP_NET_ADMIN for addresses and CAP_NET_RAW for what is asked and told.
package vip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "vip",
		Summary: "puts a floating address on an interface and announces it, or takes it away",
		Example: `{"address": "192.0.2.100/24", "interface": "eth0", "present": true}`,
		Guarantee: driver.Guarantee{
			Fences:            "clients that follow the address; not those that know the member's own",
			FailsClosedWithin: "the rest of the lease, 2 s at least, and a second: the kernel takes it off the host of a dead executor; without a lease never by itself",
			HoldsEpoch:        false,
			LateEffect:        "in a leased group none: the lease of the epoch is looked at right before and right after; elsewhere the two-hosts case is refused",
			LeavesToAPerson:   "an address that a host goes on answering for although its executor is dead, and switches that keep an old place of it",
		},
		New: open,
	}
}

// place is where an address is to be, or not.
type place struct {
	prefix netip.Prefix // the address, with the length of its network
	interf string
	text   string // of the prefix, for messages
}

type floating struct {
	place
	present bool
}

var _ driver.Driver = (*floating)(nil)

func open(with json.RawMessage) (driver.Driver, error) {
	var args spec.VIPArgs
	if err := driver.Decode(with, &args); err != nil {
		return nil, err
	}
	p, err := newPlace(args.Address, args.Interface)
	if err != nil {
		return nil, err
	}
	return &floating{place: p, present: args.Present}, nil
}

func newPlace(address, interf string) (place, error) {
	prefix, err := netip.ParsePrefix(address)
	switch a := prefix.Addr(); {
	case err != nil:
		return place{}, driver.Wrong("address", "an IP address with the length of its network, such as 192.0.2.100/24")
	case a.Is4In6(), a.IsUnspecified(), a.IsLoopback(), a.IsMulticast():
		return place{}, driver.Wrong("address", "an address that one host can have, such as 192.0.2.100/24")
	}
	if interf == "" || len(interf) > 15 || strings.ContainsAny(interf, "/ \t\n") {
		return place{}, driver.Wrong("interface", "the name of a network interface, such as eth0")
	}
	return place{prefix: prefix, interf: interf, text: prefix.String()}, nil
}

// Drop takes the address away from the interface, whatever the length of its network, for self-fencing. Without an error it is not there (any
// more). It does not wait for anything but the kernel. Address is as in the spec, with a length.
func Drop(ctx context.Context, address, interf string) error {
	p, err := newPlace(address, interf)
	if err != nil {
		return fmt.Errorf("vip: drop: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("vip: drop %s: %w", address, err)
	}
	if _, err := p.take(); err != nil {
		return fmt.Errorf("vip: drop %s from %s: %w", address, interf, err)
	}
	return nil
}

// ErrNotThere says that the address is not on the interface, so there is nothing to keep.
var ErrNotThere = errors.New("the address is not on the interface")

// Keep lets the kernel take the address away by itself when Keep was not called again for that long: in whole seconds, rounded up, at least 2, and up
// to a second late. It never puts one there: ErrNotThere. Once called it must be called on, as long as the address shall stay.
func Keep(ctx context.Context, address, interf string, lasts time.Duration) error {
	p, err := newPlace(address, interf)
	if err != nil {
		return fmt.Errorf("vip: keep: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("vip: keep %s: %w", address, err)
	}
	if err := p.keep(lasts); err != nil {
		return fmt.Errorf("vip: keep %s on %s: %w", address, interf, err)
	}
	return nil
}

// Announce tells the network again that the address is here, for switches and hosts that missed it. It takes up to a tenth of a second.
func Announce(ctx context.Context, address, interf string) error {
	p, err := newPlace(address, interf)
	if err == nil {
		var ifi *net.Interface
		if ifi, _, err = p.find(); err == nil {
			err = p.announce(ctx, ifi)
		}
	}
	if err != nil {
		return fmt.Errorf("vip: announce %s on %s: %w", address, interf, err)
	}
	return nil
}

// Answers says which other host on the interface's network answers for the address now; nil: none does. Asked from a client's host this is where
// packets go.
func Answers(ctx context.Context, address, interf string) (net.HardwareAddr, error) {
	p, err := newPlace(address, interf)
	if err == nil {
		var ifi *net.Interface
		if ifi, _, err = p.find(); err == nil {
			var who net.HardwareAddr
			if who, err = p.ask(ctx, ifi); err == nil {
				return who, nil
			}
		}
	}
	return nil, fmt.Errorf("vip: ask for %s on %s: %w", address, interf, err)
}

// errNoInterface: there is none of that name.
var errNoInterface = errors.New("there is no such interface")

// find finds the interface, and where the address is on this host: the name of an interface, or "".
func (p place) find() (ifi *net.Interface, on string, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, "", err
	}
	var names []string
	for i := range all {
		names = append(names, all[i].Name)
		if all[i].Name == p.interf {
			ifi = &all[i]
		}
		addrs, err := all[i].Addrs()
		if err != nil {
			return nil, "", err
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == p.prefix.Addr() {
				on = all[i].Name
			}
		}
	}
	if ifi == nil {
		return nil, on, fmt.Errorf("%w as %s on this host; there are %s", errNoInterface, p.interf, strings.Join(names, ", "))
	}
	return ifi, on, nil
}

// Look tells where the address is: here, or which host answers for it.
func (f *floating) Look(ctx context.Context, _ driver.Input) (driver.Sight, error) {
	ifi, on, err := f.find()
	s := driver.Sight{Done: driver.No, Wanted: fmt.Sprintf("%s on %s", f.text, f.interf)}
	if !f.present {
		s.Wanted = fmt.Sprintf("%s not on %s", f.text, f.interf)
	}
	switch {
	case err != nil && !(errors.Is(err, errNoInterface) && !f.present):
		return s, driver.Unasked("%w", err)
	case on == f.interf:
		s.Found = fmt.Sprintf("%s on %s", f.text, f.interf)
	case on != "":
		s.Found = fmt.Sprintf("%s on %s", f.text, on)
	default:
		s.Found = fmt.Sprintf("%s not on this host", f.text)
	}
	if (on == f.interf) == f.present {
		s.Done = driver.Yes
	}
	if on == "" && ifi != nil && asks(ifi) {
		switch who, err := f.ask(ctx, ifi); {
		case err != nil:
			s.Evidence = fmt.Sprintf("who answers for it could not be asked: %v", err)
		case who != nil:
			s.Evidence = fmt.Sprintf("%v answers for it", who)
		default:
			s.Evidence = "nobody answers for it"
		}
	}
	return s, nil
}

// Do puts the address there and announces it, or takes it away.
func (f *floating) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	if f.present {
		return f.put(ctx, in)
	}
	had, err := f.take()
	if err != nil {
		return driver.Deed{Applied: had}, reason(err)
	}
	if !had {
		return driver.Deed{Evidence: fmt.Sprintf("%s was not on %s", f.text, f.interf)}, nil
	}
	return driver.Deed{Applied: true, Evidence: fmt.Sprintf("%s taken from %s", f.text, f.interf)}, nil
}

// contest is how long an address that another host answers for is waited for, as far as the step's time limit allows: a host that
// loses it takes a moment, and one whose executor died some seconds, until its kernel takes it away.
const contest = 6 * time.Second

func (f *floating) put(ctx context.Context, in driver.Input) (deed driver.Deed, err error) {
	ifi, on, err := f.find()
	switch {
	case err != nil:
		return deed, driver.Unasked("%w", err)
	case ifi.Flags&net.FlagUp == 0:
		return deed, driver.Refused("the interface %s is down", f.interf)
	case on != "" && on != f.interf:
		return deed, driver.Refused("%s is on this host's %s already, want it on %s: take it away there", f.text, on, f.interf)
	}
	if err := mayHave(in); err != nil {
		return deed, err
	}
	if on == "" {
		if err := f.free(ctx, ifi); err != nil {
			return deed, err
		}
		if err := mayHave(in); err != nil { // asking took its time
			return deed, err
		}
		deed.Applied = true
		if err := f.add(ifi); err != nil {
			return deed, reason(err)
		}
	}
	// Whoever fenced meanwhile may have taken it away just before it came. From here on he finds it.
	if err := mayHave(in); err != nil {
		return f.back(deed, err)
	}
	if !asks(ifi) {
		deed.Evidence = fmt.Sprintf("%s is on %s, where nobody is to be told", f.text, f.interf)
		return deed, nil
	}
	if err := f.announce(ctx, ifi); err != nil {
		return deed, driver.InDoubt("%s is on %s and could not be announced: %w", f.text, f.interf, err)
	}
	switch who, err := f.ask(ctx, ifi); {
	case err != nil:
		return deed, driver.InDoubt("%s is on %s, and whether another host has it could not be asked: %w", f.text, f.interf, err)
	case who != nil:
		return f.back(deed, driver.Refused("%v answers for %s, too: take it away there", who, f.text))
	}
	deed.Evidence = fmt.Sprintf("%s is on %s (%v), announced, and nobody else answers for it", f.text, f.interf, ifi.HardwareAddr)
	return deed, nil
}

// back takes away again what was put there by this step.
func (f *floating) back(deed driver.Deed, why error) (driver.Deed, error) {
	if deed.Applied {
		if _, err := f.take(); err != nil {
			return deed, driver.InDoubt("%v; and %s could not be taken from %s again: %w", why, f.text, f.interf, err)
		}
	}
	return deed, why
}

// free waits until no other host answers for the address.
func (f *floating) free(ctx context.Context, ifi *net.Interface) error {
	if !asks(ifi) {
		return nil
	}
	until := time.Now().Add(contest)
	if end, ok := ctx.Deadline(); ok {
		if half := time.Now().Add(time.Until(end) / 2); half.Before(until) {
			until = half // what follows needs time, too
		}
	}
	for {
		who, err := f.ask(ctx, ifi)
		switch {
		case err != nil:
			return driver.Unasked("whether another host has %s could not be asked: %w", f.text, err)
		case who == nil:
			return nil
		case time.Now().After(until):
			return driver.Refused("%v answers for %s already: take it away there, or choose another address", who, f.text)
		}
	}
}

// mayHave says why the member may not have the address now.
func mayHave(in driver.Input) error {
	switch {
	case in.Command.Lease == nil:
		return nil
	case in.Lease == nil:
		return driver.Refused("only the executor beside %s may give it the address: that one knows of its lease", in.Command.Primary)
	}
	if _, ok := in.Lease.Holds(in.Command.Epoch); !ok {
		return driver.Refused("the lease of epoch %d is not held here", in.Command.Epoch)
	}
	return nil
}

// asks says whether the interface's network has neighbours to ask and to tell.
func asks(ifi *net.Interface) bool {
	return ifi.Flags&net.FlagLoopback == 0 && len(ifi.HardwareAddr) == 6
}
