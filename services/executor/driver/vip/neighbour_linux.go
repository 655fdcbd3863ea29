package vip

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

const (
	probes   = 3                     // how often the network is asked, and told
	pause    = 15 * time.Millisecond // between two
	listened = 30 * time.Millisecond // after the last one was asked
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// network is a socket for what hosts of one network tell each other about one address.
type network struct {
	conn *packet.Conn
	ifi  *net.Interface
	addr netip.Addr
}

func (p place) dial(ctx context.Context, ifi *net.Interface) (*network, func(), error) {
	protocol := unix.ETH_P_IPV6
	if p.prefix.Addr().Is4() {
		protocol = unix.ETH_P_ARP
	}
	conn, err := packet.Listen(ifi, packet.Raw, protocol, nil)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil, errNotPermitted
	}
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return &network{conn: conn, ifi: ifi, addr: p.prefix.Addr()}, func() { stop(); conn.Close() }, nil
}

// ask asks the network who has the address; nil: nobody else. It takes 60 ms where nobody answers.
func (p place) ask(ctx context.Context, ifi *net.Interface) (net.HardwareAddr, error) {
	if !asks(ifi) {
		return nil, nil
	}
	n, hangUp, err := p.dial(ctx, ifi)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	for i := range probes {
		if err := n.send(n.question()); err != nil {
			return nil, cause(ctx, err)
		}
		wait := pause
		if i == probes-1 {
			wait = listened
		}
		if who, err := n.listen(ctx, wait); who != nil || err != nil {
			return who, err
		}
	}
	return nil, nil
}

// announce tells the network that the address is here.
func (p place) announce(ctx context.Context, ifi *net.Interface) error {
	if !asks(ifi) {
		return nil
	}
	n, hangUp, err := p.dial(ctx, ifi)
	if err != nil {
		return err
	}
	defer hangUp()
	for i := range probes {
		if i > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := n.send(n.announcements()...); err != nil {
			return cause(ctx, err)
		}
	}
	return nil
}

// cause is why ctx ended, where that is why something failed.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (n *network) send(frames ...[]byte) error {
	for _, f := range frames {
		if _, err := n.conn.WriteTo(f, &packet.Addr{HardwareAddr: net.HardwareAddr(f[:6])}); err != nil {
			return fmt.Errorf("send to the network of %s: %w", n.ifi.Name, err)
		}
	}
	return nil
}

// listen waits for another host that says it has the address.
func (n *network) listen(ctx context.Context, wait time.Duration) (net.HardwareAddr, error) {
	until := time.Now().Add(wait)
	if err := n.conn.SetReadDeadline(until); err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // it ended before the deadline was set anew
		return nil, context.Cause(ctx)
	}
	frame := make([]byte, 2048)
	for time.Now().Before(until) {
		read, _, err := n.conn.ReadFrom(frame)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, nil
		case err != nil:
			return nil, err
		}
		if who := claims(frame[:read], n.addr); who != nil && !bytes.Equal(who, n.ifi.HardwareAddr) {
			return who, nil
		}
	}
	return nil, nil
}

// question asks who has the address, without saying anything about who asks: an ARP probe, or the neighbour solicitation of one that has none yet.
func (n *network) question() []byte {
	if n.addr.Is4() {
		return arp(n.ifi.HardwareAddr, arpRequest, netip.IPv4Unspecified(), n.addr)
	}
	target := n.addr.As16()
	group := netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: target[13], 14: target[14], 15: target[15]})
	return icmp6(n.ifi.HardwareAddr, netip.IPv6Unspecified(), group, append([]byte{solicitation, 0, 0, 0, 0, 0, 0, 0}, target[:]...))
}

// announcements say that the address is here. Some hosts take in ARP requests only, some replies only.
func (n *network) announcements() [][]byte {
	own := n.ifi.HardwareAddr
	if n.addr.Is4() {
		return [][]byte{arp(own, arpRequest, n.addr, n.addr), arp(own, arpReply, n.addr, n.addr)}
	}
	const override = 0x20
	target := n.addr.As16()
	body := append([]byte{advertisement, 0, 0, 0, override, 0, 0, 0}, target[:]...)
	body = append(body, 2, 1) // option: the target's link-layer address, 8 bytes
	return [][]byte{icmp6(own, n.addr, netip.MustParseAddr("ff02::1"), append(body, own...))}
}

const (
	arpRequest, arpReply        = 1, 2
	solicitation, advertisement = 135, 136 // ICMPv6 types, RFC 4861
	arpLength                   = 14 + 28
	ndLength                    = 14 + 40 + 24
)

// arp makes an ARP frame to all (RFC 826, 5227).
func arp(own net.HardwareAddr, op byte, sender, target netip.Addr) []byte {
	f := ethernet(broadcast, own, unix.ETH_P_ARP)
	f = append(f, 0, 1, 8, 0, 6, 4, 0, op) // Ethernet, IPv4, their lengths
	f = append(f, own...)
	f = append(f, sender.AsSlice()...)
	if op == arpReply {
		f = append(f, own...)
	} else {
		f = append(f, 0, 0, 0, 0, 0, 0)
	}
	return append(f, target.AsSlice()...)
}

// icmp6 makes a frame with an ICMPv6 message to a multicast group.
func icmp6(own net.HardwareAddr, from, to netip.Addr, body []byte) []byte {
	group := to.As16()
	f := ethernet(net.HardwareAddr{0x33, 0x33, group[12], group[13], group[14], group[15]}, own, unix.ETH_P_IPV6)
	f = append(f, 0x60, 0, 0, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(len(body)))
	f = append(f, unix.IPPROTO_ICMPV6, 255) // hop limit: what came through a router is not believed
	f = append(f, from.AsSlice()...)
	f = append(f, group[:]...)
	binary.BigEndian.PutUint16(body[2:], checksum(from, to, body))
	return append(f, body...)
}

func ethernet(to, from net.HardwareAddr, kind uint16) []byte {
	f := append(append(make([]byte, 0, 128), to...), from...)
	return binary.BigEndian.AppendUint16(f, kind)
}

// checksum is that of ICMPv6 (RFC 4443, 2.3) over the pseudo-header and the body, whose own field is zero.
func checksum(from, to netip.Addr, body []byte) uint16 {
	b := append(from.AsSlice(), to.AsSlice()...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, 0, 0, 0, unix.IPPROTO_ICMPV6)
	b = append(b, body...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// claims gives the hardware address of who says in the frame that it has the address; nil: nobody does.
func claims(f []byte, addr netip.Addr) net.HardwareAddr {
	if addr.Is4() {
		// Whoever sends as that address has it, in a reply and in a request.
		if len(f) < arpLength || !bytes.Equal(f[12:20], []byte{8, 6, 0, 1, 8, 0, 6, 4}) || netip.AddrFrom4([4]byte(f[28:32])) != addr {
			return nil
		}
		return bytes.Clone(f[22:28])
	}
	// An advertisement of the address, not routed here.
	if len(f) < ndLength || !bytes.Equal(f[12:14], []byte{0x86, 0xdd}) || f[20] != unix.IPPROTO_ICMPV6 || f[21] != 255 || f[54] != advertisement ||
		netip.AddrFrom16([16]byte(f[62:78])) != addr {
		return nil
	}
	return bytes.Clone(f[6:12])
}
