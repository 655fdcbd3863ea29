package nftables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/isacloud/ha-manager/services/executor/guard"
)

const (
	// ticketLife is how long after the ticket a write is still accepted, and so how late a guard may be. The kernel counts in ticks of up
	// to 10 ms: shorter, and a busy machine would fail to renew; longer, and guard.Late would not hold.
	ticketLife = 30 * time.Millisecond
	// shortest is the shortest time that is written. Less than a tick is none to the kernel, and no time-out means for ever.
	shortest = 20 * time.Millisecond
	// tickets is how many of them may run out before a write is given up.
	tickets = 3
)

// kernel is the guard of one group.
type kernel struct {
	o Options

	mu   sync.Mutex
	wire wire
}

// New makes the guard of a group. It touches nothing: Prepare installs it.
func New(o Options) (guard.Guard, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	return &kernel{o: o, wire: wire{namespace: o.Namespace}}, nil
}

// Prepare does what guard.Guard says. The rules are made anew, so that other ports and addresses count from now on; an open guard stays open.
func (g *kernel) Prepare() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.install()
}

func (g *kernel) install() error {
	err := g.wire.commit(g.o.install()...)
	switch {
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.EBUSY):
		return fmt.Errorf("guard: a table %s is there that is not the guard's; look at it, then remove it: nft delete table inet %s: %w", g.o.table(), g.o.table(), err)
	case err != nil:
		return fmt.Errorf("guard: install table %s: %w", g.o.table(), err)
	}
	return nil
}

// Arm does what guard.Guard says.
func (g *kernel) Arm(deadline time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.write(deadline, g.flush("lease"), nil); err != nil {
		return fmt.Errorf("guard: arm: %w", err)
	}
	return nil
}

// Renew does what guard.Guard says.
func (g *kernel) Renew(deadline time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	// What takes the lease before away fails where it has run out.
	if err := g.write(deadline, g.element(unix.NFT_MSG_DELSETELEM, "lease", 0), guard.ErrLapsed); err != nil {
		return fmt.Errorf("guard: renew: %w", err)
	}
	return nil
}

// write takes the lease before away and opens the guard until the deadline, with a ticket, so that it is never late; the package says how.
// Where the guard is found shut the error is lapsed; nil: it may be.
func (g *kernel) write(deadline time.Duration, before request, lapsed error) error {
	for range tickets {
		err := g.wire.commit(g.flush("ticket"), g.element(unix.NFT_MSG_NEWSETELEM, "ticket", ticketLife))
		if err == nil {
			left := deadline - g.o.Clock() // read after the ticket was taken, never before
			if left < shortest {
				return errors.Join(fmt.Errorf("%w: the deadline was %v away", guard.ErrLapsed, left), g.shut())
			}
			err = g.wire.commit(g.element(unix.NFT_MSG_DELSETELEM, "ticket", 0), before, g.element(unix.NFT_MSG_NEWSETELEM, "lease", left))
		}
		if !errors.Is(err, unix.ENOENT) {
			return err
		}
		// Something was not there: the ticket, the lease, or the whole guard.
		switch _, open, err := g.read(); {
		case errors.Is(err, guard.ErrAbsent) && lapsed != nil:
			return fmt.Errorf("%w: %w", lapsed, err)
		case err != nil:
			return err
		case !open && lapsed != nil:
			return lapsed
		}
	}
	return fmt.Errorf("this process was too slow, %d times: more than %v between the ticket and the write", tickets, ticketLife)
}

// Shut does what guard.Guard says.
func (g *kernel) Shut() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut()
}

func (g *kernel) shut() error {
	err := g.wire.commit(g.flush("ticket"), g.flush("lease"))
	if errors.Is(err, unix.ENOENT) {
		return g.install() // somebody took it away; what is made anew is shut
	}
	if err != nil {
		return fmt.Errorf("guard: shut: %w", err)
	}
	return nil
}

// Open does what guard.Guard says. The deadline is what the kernel says, to its tick, and never later than that.
func (g *kernel) Open() (deadline time.Duration, open bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.o.Clock()
	left, open, err := g.read()
	if err != nil {
		return 0, false, fmt.Errorf("guard: look: %w", err)
	}
	if !open {
		return 0, false, nil
	}
	return now + left, true, nil
}

// Remove does what guard.Guard says.
func (g *kernel) Remove() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.wire.commit(request{unix.NFT_MSG_DELTABLE, 0, func(a *netlink.AttributeEncoder) { a.String(unix.NFTA_TABLE_NAME, g.o.table()) }})
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("guard: remove: %w", err)
	}
	return nil
}

// Close does what guard.Guard says. Another call after it opens the connection anew.
func (g *kernel) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wire.close()
}

// read asks the kernel how long the lease still lasts.
func (g *kernel) read() (left time.Duration, open bool, err error) {
	answer, err := g.wire.get(g.element(unix.NFT_MSG_GETSETELEM, "lease", 0))
	if errors.Is(err, unix.ENOENT) {
		if _, err = g.wire.get(request{unix.NFT_MSG_GETTABLE, 0, func(a *netlink.AttributeEncoder) { a.String(unix.NFTA_TABLE_NAME, g.o.table()) }}); errors.Is(err, unix.ENOENT) {
			err = guard.ErrAbsent
		}
		return 0, false, err
	}
	if err != nil {
		return 0, false, err
	}
	a, err := netlink.NewAttributeDecoder(answer.Data[headerLength:])
	if err != nil {
		return 0, false, err
	}
	a.ByteOrder = binary.BigEndian
	var limited bool
	for a.Next() {
		if a.Type() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		a.Nested(func(list *netlink.AttributeDecoder) error {
			for list.Next() {
				list.Nested(func(element *netlink.AttributeDecoder) error {
					for element.Next() {
						switch element.Type() {
						case unix.NFTA_SET_ELEM_TIMEOUT:
							limited = true
						case unix.NFTA_SET_ELEM_EXPIRATION:
							left = time.Duration(element.Uint64()) * time.Millisecond
						}
					}
					return nil
				})
			}
			return nil
		})
	}
	if err := a.Err(); err != nil {
		return 0, false, fmt.Errorf("read the kernel's answer: %w", err)
	}
	if !limited {
		return 0, false, fmt.Errorf("somebody opened it by hand and without end; shut it: nft flush set inet %s lease", g.o.table())
	}
	return left, left > 0, nil
}

// flush empties a set.
func (g *kernel) flush(set string) request {
	return request{unix.NFT_MSG_DELSETELEM, 0, func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_SET_ELEM_LIST_TABLE, g.o.table())
		a.String(unix.NFTA_SET_ELEM_LIST_SET, set)
	}}
}

// element adds, takes away or asks for the one element of a set. It lasts for the given time, in whole milliseconds, where it is added.
func (g *kernel) element(kind uint16, set string, lasts time.Duration) request {
	flags := netlink.HeaderFlags(0)
	if kind == unix.NFT_MSG_NEWSETELEM {
		flags = netlink.Create
	}
	return request{kind, flags, func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_SET_ELEM_LIST_TABLE, g.o.table())
		a.String(unix.NFTA_SET_ELEM_LIST_SET, set)
		nested(a, unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(a *netlink.AttributeEncoder) {
			nested(a, unix.NFTA_LIST_ELEM, func(a *netlink.AttributeEncoder) {
				data(a, unix.NFTA_SET_ELEM_KEY, []byte{tcp})
				if kind == unix.NFT_MSG_NEWSETELEM {
					a.Uint64(unix.NFTA_SET_ELEM_TIMEOUT, uint64(lasts/time.Millisecond))
				}
			})
		})
	}}
}
