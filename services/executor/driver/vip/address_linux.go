package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/isacloud/ha-manager/services/executor/driver"
)

// patience is how long the kernel may take to answer. It answers at once.
const patience = time.Second

// errNotPermitted says what is missing.
var errNotPermitted = errors.New("this process may not do that: the executor needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW" +
	" (systemd: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW)")

// reason makes of a kernel's error one of the driver's.
func reason(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return driver.InDoubt("%w", err)
	}
	return driver.Refused("%w", err)
}

// add puts the address on the interface. One that is there already is no error.
func (p place) add(ifi *net.Interface) error {
	err := change(unix.RTM_NEWADDR, netlink.Create|netlink.Excl, ifi, p.prefix, 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// take takes the address from the interface, with whatever length it has, and says whether it was there.
func (p place) take() (had bool, err error) {
	ifi, err := net.InterfaceByName(p.interf)
	if err != nil {
		if _, _, found := p.find(); errors.Is(found, errNoInterface) {
			return false, nil // then the address is not on it either
		}
		return false, err
	}
	prefixes, err := p.on(ifi)
	for _, prefix := range prefixes {
		had = true
		if err := change(unix.RTM_DELADDR, 0, ifi, prefix, 0); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return had, err
		}
	}
	return had, err
}

// on are the entries of the address on the interface.
func (p place) on(ifi *net.Interface) ([]netip.Prefix, error) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil, err
	}
	var found []netip.Prefix
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == p.prefix.Addr() {
			found = append(found, prefix)
		}
	}
	return found, nil
}

// keep limits how long the address stays.
func (p place) keep(lasts time.Duration) error {
	ifi, err := net.InterfaceByName(p.interf)
	if err != nil {
		return err
	}
	prefixes, err := p.on(ifi)
	if err != nil {
		return err
	}
	if len(prefixes) == 0 {
		return ErrNotThere
	}
	for _, prefix := range prefixes {
		if err := change(unix.RTM_NEWADDR, netlink.Replace, ifi, prefix, max(lasts, 2*time.Second)); err != nil {
			return err
		}
	}
	return nil
}

// change is one request to the kernel. Lasts is in whole seconds, rounded up; 0: for ever.
func change(kind netlink.HeaderType, flags netlink.HeaderFlags, ifi *net.Interface, prefix netip.Prefix, lasts time.Duration) error {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return fmt.Errorf("reach the kernel: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	family := byte(unix.AF_INET6)
	if prefix.Addr().Is4() {
		family = unix.AF_INET
	}
	const global = 0
	// struct ifaddrmsg: family, length, flags, scope, index
	data := []byte{family, byte(prefix.Bits()), 0, global}
	data = binary.NativeEndian.AppendUint32(data, uint32(ifi.Index))
	a := netlink.NewAttributeEncoder()
	a.Bytes(unix.IFA_LOCAL, prefix.Addr().AsSlice())
	a.Bytes(unix.IFA_ADDRESS, prefix.Addr().AsSlice())
	if family == unix.AF_INET6 && kind == unix.RTM_NEWADDR {
		a.Uint32(unix.IFA_FLAGS, unix.IFA_F_NODAD) // it was asked for already, and clients wait
	}
	if lasts > 0 {
		seconds := uint32((lasts + time.Second - 1) / time.Second)
		// struct ifa_cacheinfo: preferred, valid, and two that the kernel fills in
		cache := binary.NativeEndian.AppendUint32(nil, seconds)
		cache = binary.NativeEndian.AppendUint32(cache, seconds)
		a.Bytes(unix.IFA_CACHEINFO, append(cache, make([]byte, 8)...))
	}
	attributes, err := a.Encode()
	if err != nil {
		return err
	}
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags},
		Data:   append(data, attributes...),
	})
	if errors.Is(err, fs.ErrPermission) {
		return errNotPermitted
	}
	return err
}
