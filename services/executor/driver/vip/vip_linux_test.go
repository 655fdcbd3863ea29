package vip_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/vip"
	"github.com/isacloud/ha-manager/services/executor/internal/nettest"
)

const (
	float4, float6 = "192.0.2.100", "fd00::100"
	with4          = `{"address": "192.0.2.100/24", "interface": "eth0", "present": true}`
	with6          = `{"address": "fd00::100/64", "interface": "eth0", "present": true}`
	patient        = 20 * time.Second
)

// lan is a switch with hosts at it; each has eth0 with 192.0.2.N and fd00::N.
func lan(t testing.TB, n int) (bridge *nettest.Host, hosts []*nettest.Host) {
	t.Helper()
	nettest.Require(t)
	bridge = nettest.New(t)
	bridge.IP("link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
	bridge.IP("link", "set", "br0", "up")
	for i := range n {
		h, number := nettest.New(t), string(rune('1'+i))
		nettest.Join(h, bridge, "eth0", "port"+number, []string{"192.0.2." + number + "/24", "fd00::" + number + "/64"}, nil)
		bridge.IP("link", "set", "port"+number, "master", "br0")
		hosts = append(hosts, h)
	}
	return bridge, hosts
}

// at is the driver as it works on a host of the test.
func at(h *nettest.Host) driver.Kind {
	k := vip.Kind()
	inner := k.New
	k.New = func(with json.RawMessage) (driver.Driver, error) {
		d, err := inner(with)
		return inside{h, d}, err
	}
	return k
}

type inside struct {
	host *nettest.Host
	driver.Driver
}

func (i inside) Look(ctx context.Context, in driver.Input) (s driver.Sight, err error) {
	i.host.Do(func() { s, err = i.Driver.Look(ctx, in) })
	return s, err
}

func (i inside) Do(ctx context.Context, in driver.Input) (d driver.Deed, err error) {
	i.host.Do(func() { d, err = i.Driver.Do(ctx, in) })
	return d, err
}

// watch counts changes of an address on a host from now on.
func watch(t *testing.T, h *nettest.Host, addr string) func() int {
	t.Helper()
	c, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{NetNS: h.FD(), Groups: unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	n := 0
	return func() int {
		for {
			// What the kernel told is there by the time that a change returns.
			if err := c.SetReadDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			told, err := c.Receive()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return n
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range told {
				if bytes.Contains(m.Data, netip.MustParseAddr(addr).AsSlice()) { // not the one that the kernel gives each interface
					n++
				}
			}
		}
	}
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]struct{ with, address, addr string }{"IPv4": {with4, float4 + "/24", float4}, "IPv6": {with6, float6 + "/64", float6}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var host *nettest.Host
			kind := vip.Kind()
			inner := kind.New
			kind.New = func(with json.RawMessage) (driver.Driver, error) {
				d, err := inner(with)
				return inside{host, d}, err
			}
			drivertest.Run(t, kind, func(t *testing.T) drivertest.Target {
				_, hosts := lan(t, 2)
				host = hosts[0]
				return drivertest.Target{With: c.with, Changes: watch(t, host, c.addr), Tells: true,
					Refuse: func() { hosts[1].Address("eth0", c.address) },
					Gone:   func() { host.IP("link", "del", "eth0") }}
			})
		})
	}
}

// do does one step on a host.
func do(t *testing.T, h *nettest.Host, with string, change func(*driver.Input)) (driver.Deed, error) {
	t.Helper()
	in := drivertest.In(t, with)
	if change != nil {
		change(&in)
	}
	d, err := at(h).New(in.Step.With)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	return d.Do(ctx, in)
}

func must(t *testing.T, h *nettest.Host, with string) driver.Deed {
	t.Helper()
	deed, err := do(t, h, with, nil)
	if err != nil {
		t.Fatal(err)
	}
	return deed
}

func absent(with string) string { return strings.Replace(with, "true", "false", 1) }

func has(t *testing.T, h *nettest.Host, addr string) bool {
	t.Helper()
	return strings.Contains(h.IP("-o", "address", "show", "dev", "eth0"), " "+addr+"/")
}

// mac is the hardware address of a host, and neighbour what the client believes the address to be at.
func mac(t *testing.T, h *nettest.Host) (m string) {
	t.Helper()
	h.Do(func() {
		if ifi, err := net.InterfaceByName("eth0"); err != nil {
			t.Error(err)
		} else {
			m = ifi.HardwareAddr.String()
		}
	})
	return m
}

func neighbour(h *nettest.Host, addr string) string {
	return h.IP("neighbour", "show", addr, "dev", "eth0")
}

// serve answers every connection to a host with its name.
func serve(h *nettest.Host, name string) {
	l := h.Listen(":5432")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(name))
			c.Close()
		}
	}()
}

func who(t *testing.T, client *nettest.Host, addr string) string {
	t.Helper()
	c, err := client.Dial(net.JoinHostPort(addr, "5432"), patient)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patient)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// A client that knows the address at one host goes to the other as soon as the step is done, without asking: also when the first one
// vanished without a word.
func TestClientsFollowTheAddress(t *testing.T) {
	for name, c := range map[string]struct{ with, addr string }{"IPv4": {with4, float4}, "IPv6": {with6, float6}} {
		for how, leave := range map[string]func(bridge, a *nettest.Host){
			"given up": func(_, a *nettest.Host) { must(t, a, absent(c.with)) },
			"vanished": func(bridge, _ *nettest.Host) { bridge.IP("link", "set", "port1", "down") },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				bridge, hosts := lan(t, 3)
				a, b, client := hosts[0], hosts[1], hosts[2]
				serve(a, "a")
				serve(b, "b")
				deed := must(t, a, c.with)
				if !deed.Applied || !strings.Contains(deed.Evidence, mac(t, a)) {
					t.Errorf("the deed is %+v", deed)
				}
				if got := who(t, client, c.addr); got != "a" {
					t.Fatalf("%s answers", got)
				}
				if n := neighbour(client, c.addr); !strings.Contains(n, mac(t, a)) {
					t.Fatalf("the client knows %s", n)
				}
				leave(bridge, a)
				must(t, b, c.with)
				// It was told: nothing was sent to the address since.
				if n := neighbour(client, c.addr); !strings.Contains(n, mac(t, b)) {
					t.Errorf("the client still knows %s, want %s", n, mac(t, b))
				}
				if got := who(t, client, c.addr); got != "b" {
					t.Errorf("%s answers", got)
				}
				client.Do(func() {
					at, err := vip.Answers(t.Context(), netip.MustParseAddr(c.addr).String()+"/24", "eth0")
					if err != nil || at.String() != mac(t, b) {
						t.Errorf("asked for, it is at %v, %v", at, err)
					}
				})
			})
		}
	}
}

// While another host answers for the address it is not put there, and the refusal names that host.
func TestAnAddressThatSomebodyHasIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ with, address, addr string }{"IPv4": {with4, float4 + "/24", float4}, "IPv6": {with6, float6 + "/64", float6}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, hosts := lan(t, 2)
			hosts[1].Address("eth0", c.address)
			changes := watch(t, hosts[0], c.addr)
			deed, err := do(t, hosts[0], c.with, nil)
			if !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), mac(t, hosts[1])) || deed.Applied || changes() != 0 {
				t.Errorf("it says %v (%+v), and changed %d addresses", err, deed, changes())
			}
			in := drivertest.In(t, c.with)
			d, err := at(hosts[0]).New(in.Step.With)
			if err != nil {
				t.Fatal(err)
			}
			s, err := d.Look(t.Context(), in)
			if err != nil || s.Done != driver.No || !strings.Contains(s.Evidence, mac(t, hosts[1])) {
				t.Errorf("looked at, it is %+v, %v", s, err)
			}
			// As soon as the other one leaves, it comes.
			left := make(chan struct{})
			go func() {
				defer close(left)
				time.Sleep(300 * time.Millisecond)
				hosts[1].IP("address", "del", c.address, "dev", "eth0")
			}()
			must(t, hosts[0], c.with)
			<-left
			if !has(t, hosts[0], c.addr) {
				t.Error("it is not there")
			}
		})
	}
}

// lease is one whose answers a test gives.
type lease struct {
	driver.Lease
	mu     sync.Mutex
	asked  int
	holds  func(asked int) bool
	epochs []uint64
}

func (l *lease) Renewed(context.Context, string) bool { return true }

func (l *lease) Holds(epoch uint64) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	l.epochs = append(l.epochs, epoch)
	return time.Second, l.holds(l.asked)
}

func leased(l driver.Lease) func(*driver.Input) {
	return func(in *driver.Input) {
		in.Command.Lease = &message.Lease{}
		in.Lease = l
	}
}

// In a leased group the address comes only while the lease of the epoch is held, and goes again where it ended on the way.
func TestTheAddressComesOnlyWithTheLease(t *testing.T) {
	_, hosts := lan(t, 2)
	for name, c := range map[string]struct {
		lease driver.Lease
		want  string
		ends  bool
	}{
		"kept by another executor": {nil, "only the executor beside b", true},
		"never held":               {&lease{holds: func(int) bool { return false }}, "lease of epoch 7 is not held", true},
		"ended while asking":       {&lease{holds: func(n int) bool { return n < 2 }}, "lease of epoch 7 is not held", true},
		"ended while it was put":   {&lease{holds: func(n int) bool { return n < 3 }}, "lease of epoch 7 is not held", true},
		"held":                     {&lease{holds: func(int) bool { return true }}, "", false},
	} {
		_, err := do(t, hosts[0], with4, leased(c.lease))
		if c.ends != (err != nil) || c.ends && (!errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: it says %v, want %q", name, err, c.want)
		}
		if has(t, hosts[0], float4) == c.ends {
			t.Errorf("%s: the address is there: %t", name, c.ends)
		}
		hosts[0].Do(func() {
			if err := vip.Drop(t.Context(), float4+"/24", "eth0"); err != nil {
				t.Error(err)
			}
		})
	}
}

// Where two hosts take the address at the same moment, the one that sees it gives it back.
func TestTwoThatTakeItAtOnce(t *testing.T) {
	_, hosts := lan(t, 2)
	l := &lease{holds: func(n int) bool {
		if n == 3 { // after it was put there, before it is asked for again
			hosts[1].Address("eth0", float4+"/24")
		}
		return true
	}}
	if _, err := do(t, hosts[0], with4, leased(l)); !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), mac(t, hosts[1])) {
		t.Errorf("it says %v", err)
	}
	if has(t, hosts[0], float4) {
		t.Error("both have the address")
	}
}

// Fencing takes the address away at once, whatever its length, again and again, and where there is no interface.
func TestDrop(t *testing.T) {
	_, hosts := lan(t, 1)
	h := hosts[0]
	drop := func(address, interf string) (err error) {
		h.Do(func() { err = vip.Drop(t.Context(), address, interf) })
		return err
	}
	for _, with := range []string{with4, with6} {
		must(t, h, with)
	}
	h.Address("eth0", float4+"/32")
	for range 2 {
		if err := errors.Join(drop(float4+"/24", "eth0"), drop(float6+"/64", "eth0")); err != nil {
			t.Fatal(err)
		}
		if has(t, h, float4) || has(t, h, float6) {
			t.Error("it is there still")
		}
	}
	if !has(t, h, "192.0.2.1") || !has(t, h, "fd00::1") {
		t.Error("the host's own address has gone, too")
	}
	if err := drop(float4+"/24", "eth7"); err != nil {
		t.Errorf("without that interface: %v", err)
	}
	if err := drop("nonsense", "eth0"); err == nil {
		t.Error("nonsense was dropped")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := vip.Drop(ctx, float4+"/24", "eth0"); !errors.Is(err, context.Canceled) {
		t.Errorf("after its time: %v", err)
	}
}

// An address that is kept stays, and one that is kept no longer goes by itself, whatever became of the process.
func TestKeep(t *testing.T) {
	_, hosts := lan(t, 1)
	h := hosts[0]
	for name, c := range map[string]struct{ with, address, addr string }{"IPv4": {with4, float4 + "/24", float4}, "IPv6": {with6, float6 + "/64", float6}} {
		keep := func() (err error) {
			h.Do(func() { err = vip.Keep(t.Context(), c.address, "eth0", time.Second) })
			return err
		}
		if err := keep(); !errors.Is(err, vip.ErrNotThere) || has(t, h, c.addr) {
			t.Errorf("%s: kept before it is there: %v", name, err)
		}
		must(t, h, c.with)
		for range 10 {
			if err := keep(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond)
		}
		if !has(t, h, c.addr) {
			t.Errorf("%s: it was kept, and went", name)
		}
		last := time.Now()
		for has(t, h, c.addr) {
			if time.Since(last) > patient {
				t.Fatalf("%s: it is kept no longer, and stays", name)
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Logf("%s: gone %v after the last look", name, time.Since(last).Round(time.Millisecond))
		if err := keep(); !errors.Is(err, vip.ErrNotThere) || has(t, h, c.addr) {
			t.Errorf("%s: it came back: %v", name, err)
		}
	}
}

func TestWhatAHostCannotDo(t *testing.T) {
	_, hosts := lan(t, 2)
	h := hosts[0]
	for want, c := range map[string]struct {
		with string
		err  error
	}{
		"no such interface as eth7": {strings.Replace(with4, "eth0", "eth7", 1), driver.ErrUnasked},
		"there are lo, eth0":        {strings.Replace(with4, "eth0", "eth7", 1), driver.ErrUnasked},
	} {
		if _, err := do(t, h, c.with, nil); !errors.Is(err, c.err) || !strings.Contains(err.Error(), want) {
			t.Errorf("it says %v, want %q", err, want)
		}
	}
	h.IP("address", "add", float4+"/32", "dev", "lo")
	if _, err := do(t, h, with4, nil); !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "lo already") {
		t.Errorf("on another interface: %v", err)
	}
	h.IP("address", "del", float4+"/32", "dev", "lo")
	h.IP("link", "set", "eth0", "down")
	if _, err := do(t, h, with4, nil); !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "eth0 is down") {
		t.Errorf("while it is down: %v", err)
	}
	// On loopback there is nobody to ask or to tell.
	deed := must(t, h, strings.NewReplacer("eth0", "lo", "/24", "/32").Replace(with4))
	if !deed.Applied {
		t.Errorf("on loopback: %+v", deed)
	}
}

// Without the rights that it needs it says which.
func TestTheMissingRightsAreNamed(t *testing.T) {
	_, hosts := lan(t, 2)
	for name, rights := range map[string]uint32{"none": 0, "only to ask": 1 << unix.CAP_NET_RAW, "only to set": 1 << unix.CAP_NET_ADMIN} {
		hosts[0].Do(func() { // this thread loses its rights, and ends
			in := drivertest.In(t, with4)
			d, err := vip.Kind().New(in.Step.With)
			if err != nil {
				t.Error(err)
				return
			}
			left := [2]unix.CapUserData{{Effective: rights, Permitted: rights}}
			if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &left[0]); err != nil {
				t.Error(err)
				return
			}
			if _, err := d.Do(t.Context(), in); err == nil || !strings.Contains(err.Error(), "CAP_NET_ADMIN and CAP_NET_RAW") {
				t.Errorf("%s: %v", name, err)
			}
		})
		if has(t, hosts[0], float4) {
			t.Errorf("%s: it is there", name)
		}
	}
}

func TestConfigurationsThatAreWrong(t *testing.T) {
	for with, want := range map[string]string{
		`{"address": "192.0.2.100", "interface": "eth0"}`:                   "address",
		`{"address": "192.0.2.100/33", "interface": "eth0"}`:                "address",
		`{"address": "127.0.0.1/8", "interface": "eth0"}`:                   "address",
		`{"address": "224.0.0.1/4", "interface": "eth0"}`:                   "address",
		`{"address": "::/64", "interface": "eth0"}`:                         "address",
		`{"address": "192.0.2.100/24", "interface": ""}`:                    "interface",
		`{"address": "192.0.2.100/24", "interface": "a/b"}`:                 "interface",
		`{"address": "192.0.2.100/24", "interface": "sixteen-letters-x"}`:   "interface",
		`{"address": "192.0.2.100/24", "interface": "eth0", "present": 1}`:  "present",
		`{"address": "192.0.2.100/24", "interface": "eth0", "presant": ""}`: "presant",
	} {
		_, err := vip.Kind().New(json.RawMessage(with))
		var wrong *driver.ConfigError
		if !errors.As(err, &wrong) || wrong.Key != want {
			t.Errorf("%s: %v, want that %s is wrong", with, err, want)
		}
	}
}
