package nftables

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isacloud/ha-manager/services/executor/guard"
	"github.com/isacloud/ha-manager/services/executor/internal/nettest"
)

// While it is shut, peers pass on both families, clients and the host itself do not, and other ports are left alone.
func TestWhoPassesAShutGuard(t *testing.T) {
	s := newSite(t)
	s.serve(port + 1)
	g := s.guard()
	if err := g.Prepare(); err != nil {
		t.Fatal(err)
	}
	check := func(open bool) {
		t.Helper()
		for _, c := range []struct {
			who    string
			from   *nettest.Host
			addr   string
			port   int
			passes bool
		}{
			{"a client", s.client, member4, port, open},
			{"a client by IPv6", s.client, member6, port, open},
			{"the host itself", s.member, "127.0.0.1", port, open},
			{"the host itself by IPv6", s.member, "::1", port, open},
			{"the host itself by its address", s.member, member4, port, open},
			{"a peer", s.peer, peers4, port, true},
			{"a peer by IPv6", s.peer, peers6, port, true},
			{"a client at another port", s.client, member4, port + 1, true},
			{"a client at another port by IPv6", s.client, member6, port + 1, true},
		} {
			if got := s.reaches(c.from, c.addr, c.port); got != c.passes {
				t.Errorf("open %t: %s is let in: %t, want %t", open, c.who, got, c.passes)
			}
		}
	}
	check(false)
	if err := g.Arm(clock() + time.Minute); err != nil {
		t.Fatal(err)
	}
	check(true)
	if err := g.Shut(); err != nil {
		t.Fatal(err)
	}
	check(false)
}

// A client of a shut guard is told at once, new connection or old: it need not wait for its own patience.
func TestAShutGuardRefusesAtOnce(t *testing.T) {
	s := newSite(t)
	g := s.guard()
	if err := errors.Join(g.Prepare(), g.Arm(clock()+time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{member4 + ":5432", "[" + member6 + "]:5432"} {
		if err := g.Arm(clock() + time.Minute); err != nil {
			t.Fatal(err)
		}
		old, err := s.client.Dial(addr, patient)
		if err != nil {
			t.Fatal(err)
		}
		if err := ping(old); err != nil {
			t.Fatal(err)
		}
		if err := g.Shut(); err != nil {
			t.Fatal(err)
		}
		if err := ping(old); !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EPIPE) {
			t.Errorf("%s: an old connection ends with %v, want a reset", addr, err)
		}
		if _, err := s.client.Dial(addr, patient); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("%s: a new connection ends with %v, want that it is refused", addr, err)
		}
	}
}

// Ports and addresses that change count from the next Prepare on, and an open guard stays open and can be renewed.
func TestPrepareTakesOtherPortsAndAddresses(t *testing.T) {
	s := newSite(t)
	s.serve(port + 1)
	before := s.guard()
	deadline := clock() + time.Minute
	if err := errors.Join(before.Prepare(), before.Arm(deadline)); err != nil {
		t.Fatal(err)
	}
	s.options.Ports = []int{port + 1}
	s.options.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.2/32")}
	g := s.guard()
	if err := g.Prepare(); err != nil {
		t.Fatal(err)
	}
	if err := g.Renew(deadline); err != nil {
		t.Fatal(err)
	}
	if err := g.Shut(); err != nil {
		t.Fatal(err)
	}
	if !s.reaches(s.client, member4, port) {
		t.Error("a port that is no longer guarded is shut")
	}
	if !s.reaches(s.client, member4, port+1) {
		t.Error("an address that is allowed now does not pass")
	}
	if s.reaches(s.client, member6, port+1) || s.reaches(s.peer, peers4, port+1) {
		t.Error("somebody who is not allowed passes")
	}
}

// Groups have a guard each.
func TestGroupsDoNotTouchEachOther(t *testing.T) {
	s := newSite(t)
	s.serve(port + 1)
	orders := s.guard()
	s.options.Group, s.options.Ports = "cache", []int{port + 1}
	cache := s.guard()
	if err := errors.Join(orders.Prepare(), cache.Prepare(), orders.Arm(clock()+time.Minute)); err != nil {
		t.Fatal(err)
	}
	if s.reaches(s.client, member4, port+1) {
		t.Error("arming one group opened the other")
	}
	if err := errors.Join(cache.Arm(clock()+time.Minute), orders.Shut()); err != nil {
		t.Fatal(err)
	}
	if !s.reaches(s.client, member4, port+1) || s.reaches(s.client, member4, port) {
		t.Error("shutting one group shut the other, or not itself")
	}
}

// The file for boot is read by the real nft, guards by itself, is what Prepare installs, and is taken over by it.
func TestTheRulesetForBootIsTheSameGuard(t *testing.T) {
	s := newSite(t, "nft")
	text, err := Ruleset(s.options)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "guard.nft")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if !s.reaches(s.client, member4, port) {
		t.Fatal("nobody is let in before")
	}
	s.member.Run("nft", "-f", file)
	if s.reaches(s.client, member4, port) || s.reaches(s.client, member6, port) || !s.reaches(s.peer, peers4, port) {
		t.Error("the file does not guard as it should")
	}
	list := func() string {
		t.Helper()
		lines := strings.Split(s.member.Run("nft", "--stateless", "list", "table", "inet", "ham-orders"), "\n")
		return strings.Join(lines, "\n")
	}
	loaded := list()
	g := s.guard()
	if err := g.Prepare(); err != nil {
		t.Fatal(err)
	}
	if after := list(); after != loaded {
		t.Errorf("Prepare made of it:\n%s\nthe file:\n%s", after, loaded)
	}
	if err := g.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(g.Prepare(), g.Arm(clock()+time.Minute)); err != nil {
		t.Fatal(err)
	}
	s.member.Run("nft", "-f", file) // again, on a serving primary: shut
	if s.reaches(s.client, member4, port) {
		t.Error("loaded again it does not shut")
	}
	if err := g.Renew(clock() + time.Minute); !errors.Is(err, guard.ErrLapsed) {
		t.Errorf("renewed after it was shut from outside: %v", err)
	}
}

// The manual shows what Ruleset makes.
func TestTheManualShowsTheRuleset(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/guard.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Ruleset(Options{Group: "orders", Ports: []int{5432}, Clock: clock,
		Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.11/32"), netip.MustParsePrefix("2001:db8::11/128")}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```nft\n"+text+"```\n") {
		t.Errorf("docs/guard.md shows another file than this:\n%s", text)
	}
}

// What somebody opened by hand is told, shut, and not taken for a lease.
func TestALeaseWithoutEndIsNoLease(t *testing.T) {
	s := newSite(t, "nft")
	g := s.guard()
	if err := g.Prepare(); err != nil {
		t.Fatal(err)
	}
	s.member.Run("nft", "add element inet ham-orders lease { tcp }")
	if _, open, err := g.Open(); err == nil || open || !strings.Contains(err.Error(), "nft flush set inet ham-orders lease") {
		t.Errorf("open %t, %v; want an error that says what to do", open, err)
	}
	if err := g.Shut(); err != nil {
		t.Fatal(err)
	}
	if s.reaches(s.client, member4, port) {
		t.Error("it is open still")
	}
}

// A table of that name that is something else is not touched, and the error says what to do.
func TestATableOfSomebodyElseIsLeftAlone(t *testing.T) {
	s := newSite(t, "nft")
	s.member.Run("nft", "add table inet ham-orders { set lease { type ipv4_addr; }; }")
	err := s.guard().Prepare()
	if err == nil || !strings.Contains(err.Error(), "nft delete table inet ham-orders") {
		t.Errorf("prepare: %v", err)
	}
	if got := s.member.Run("nft", "list", "table", "inet", "ham-orders"); strings.Contains(got, "chain") {
		t.Errorf("it was changed:\n%s", got)
	}
}

// Without the right to do it each call says which right is missing.
func TestTheMissingRightIsNamed(t *testing.T) {
	s := newSite(t)
	s.options.Namespace = 0
	s.member.Do(func() { // this thread loses its rights, and ends
		g := s.guard()
		none := [2]unix.CapUserData{}
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
			t.Errorf("give up all capabilities: %v", err)
			return
		}
		for what, err := range map[string]error{"prepare": g.Prepare(), "arm": g.Arm(clock() + time.Minute), "renew": g.Renew(clock() + time.Minute),
			"shut": g.Shut(), "remove": g.Remove()} {
			if !errors.Is(err, ErrNotPermitted) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// With that one right, and nobody's user, all of it works.
func TestTheOneRightIsEnough(t *testing.T) {
	s := newSite(t)
	s.options.Namespace = 0
	s.member.Do(func() {
		g := s.guard()
		only := [2]unix.CapUserData{{Effective: 1 << unix.CAP_NET_ADMIN, Permitted: 1 << unix.CAP_NET_ADMIN}}
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &only[0]); err != nil {
			t.Errorf("give up all other capabilities: %v", err)
			return
		}
		_, _, opened := g.Open()
		if !errors.Is(opened, guard.ErrAbsent) {
			t.Errorf("open: %v", opened)
		}
		if err := errors.Join(g.Prepare(), g.Arm(clock()+time.Minute), g.Renew(clock()+time.Minute), g.Shut(), g.Remove()); err != nil {
			t.Error(err)
		}
	})
}

func TestOptionsThatAreWrong(t *testing.T) {
	good := Options{Group: "orders", Ports: []int{5432}, Clock: clock}
	for want, change := range map[string]func(*Options){
		"name of a group":      func(o *Options) { o.Group = "a b" },
		"no ports":             func(o *Options) { o.Ports = nil },
		"port 70000":           func(o *Options) { o.Ports = []int{5432, 70000} },
		"port 0":               func(o *Options) { o.Ports = []int{0} },
		"no clock":             func(o *Options) { o.Clock = nil },
		"with a prefix length": func(o *Options) { o.Allow = []netip.Prefix{{}} },
		"everybody":            func(o *Options) { o.Allow = []netip.Prefix{netip.MustParsePrefix("::/0")} },
		"as an IPv4 prefix":    func(o *Options) { o.Allow = []netip.Prefix{netip.MustParsePrefix("::ffff:0:0/90")} },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q in it", o, err, want)
		}
		if _, err := Ruleset(o); err == nil {
			t.Errorf("%+v: a ruleset is made of it", o)
		}
	}
}

// What a renewal costs, and what it would cost through the nft program.
func BenchmarkRenewal(b *testing.B) {
	s := newSite(b)
	g := s.guard()
	if err := errors.Join(g.Prepare(), g.Arm(clock()+time.Hour)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := g.Renew(clock() + time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLook(b *testing.B) {
	s := newSite(b)
	g := s.guard()
	if err := errors.Join(g.Prepare(), g.Arm(clock()+time.Hour)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, open, err := g.Open(); err != nil || !open {
			b.Fatal(open, err)
		}
	}
}

func BenchmarkRenewalByNft(b *testing.B) {
	s := newSite(b, "nft")
	g := s.guard()
	if err := errors.Join(g.Prepare(), g.Arm(clock()+time.Hour)); err != nil {
		b.Fatal(err)
	}
	s.member.Do(func() {
		run := func(script string) {
			ctx, cancel := context.WithTimeout(context.Background(), patient)
			defer cancel()
			c := exec.CommandContext(ctx, "nft", "-f", "-")
			c.Stdin = strings.NewReader(script)
			if out, err := c.CombinedOutput(); err != nil {
				b.Errorf("%v: %s", err, out)
			}
		}
		for b.Loop() {
			// The ticket lasts longer here: what is measured is the cost.
			run("flush set inet ham-orders ticket\nadd element inet ham-orders ticket { tcp timeout 1s }\n")
			run("delete element inet ham-orders ticket { tcp }\ndelete element inet ham-orders lease { tcp }\nadd element inet ham-orders lease { tcp timeout 1h }\n")
		}
	})
}
