package haproxy_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"unix:///run/haproxy/admin.sock": "unix:///run/haproxy/admin.sock",
		"/run/haproxy/admin.sock":        "unix:///run/haproxy/admin.sock",
		"tcp://192.0.2.2:9999":           "tcp://192.0.2.2:9999",
		"tcp://lb1.example.org:9999":     "tcp://lb1.example.org:9999",
		"tcp://[2001:db8::1]:9999":       "tcp://[2001:db8::1]:9999",
	} {
		if got, err := haproxy.ParseAddress(in); err != nil || got.String() != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	for in, why := range map[string]string{
		"":                                    "is empty",
		"run/haproxy/admin.sock":              "has no scheme",
		"192.0.2.2:9999":                      "has no scheme",
		"unix://run/haproxy/admin.sock":       "must be absolute",
		"unix:///run/haproxy/":                "is a folder",
		"unix:///" + strings.Repeat("x", 120): "the path has 121 bytes",
		"tcp://192.0.2.2":                     "has no host:port",
		"tcp://:9999":                         "has no host",
		"tcp://192.0.2.2:http":                "its port must be a number",
		"tcp://192.0.2.2:0":                   "its port must be a number",
		"tcp://192.0.2.2:70000":               "its port must be a number",
		"tcp://192.0.2.2:9999/x":              "only host:port",
		"http://192.0.2.2:9999":               `unknown scheme "http"`,
		"/run/a b":                            "has a space",
		"/run/a\nb":                           "has a space or a control character",
	} {
		_, err := haproxy.ParseAddress(in)
		if !errors.Is(err, haproxy.ErrInvalid) || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "tcp://host:port") {
			t.Errorf("%q: got error %v, want one that says %q and the forms", in, err, why)
		}
		if _, err := haproxy.New(in, haproxy.Options{}); !errors.Is(err, haproxy.ErrInvalid) {
			t.Errorf("New(%q): %v", in, err)
		}
	}
	if _, err := haproxy.ParseAddress("tcp://root:hunter2@192.0.2.2:9999"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password in an address: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []haproxy.Options{{Timeout: -1}, {MaxAnswer: -1}, {IdleTimeout: 1}} {
		if _, err := haproxy.New("/run/x.sock", o); !errors.Is(err, haproxy.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestCommandsRead(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]haproxy.Command{
		"set server web/s1 state maint":              haproxy.SetState("web", "s1", haproxy.Maint),
		"set server web/s1 weight 256":               haproxy.SetWeight("web", "s1", 256),
		"set server web/s1 addr 192.0.2.1":           haproxy.SetAddr("web", "s1", netip.MustParseAddr("192.0.2.1"), 0),
		"set server web/s1 addr 2001:db8::1 port 80": haproxy.SetAddr("web", "s1", netip.MustParseAddr("2001:db8::1"), 80),
		"set server web/s1 addr 192.0.2.1 port 81":   haproxy.SetAddr("web", "s1", netip.MustParseAddr("::ffff:192.0.2.1"), 81),
		"set server a.b:c-d_e/S1 health stopping":    haproxy.SetHealth("a.b:c-d_e", "S1", haproxy.HealthStopping),
		"shutdown sessions server web/s1":            haproxy.ShutdownSessions("web", "s1"),
		"show servers state web":                     haproxy.ShowServersState("web"),
		"show stat web 6 -1":                         haproxy.ShowStat("web"),
	} {
		if got := c.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Whatever is in a name, nothing is sent unless it is only a name.
func TestInjectionIsRefusedBeforeDialling(t *testing.T) {
	t.Parallel()
	c := newClient(t, "/run/x.sock", haproxy.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, errors.New("dialled")
	}})
	fine := haproxy.SetState("web", "s1", haproxy.Ready)
	bad := map[string]haproxy.Command{
		"zero":         {},
		"state":        haproxy.SetState("web", "s1", "maint; shutdown frontend front"),
		"health":       haproxy.SetHealth("web", "s1", "up\n"),
		"weight":       haproxy.SetWeight("web", "s1", 257),
		"minus weight": haproxy.SetWeight("web", "s1", -1),
		"no addr":      haproxy.SetAddr("web", "s1", netip.Addr{}, 80),
		"zone":         haproxy.SetAddr("web", "s1", netip.MustParseAddr("fe80::1%eth0;quit"), 80),
	}
	for _, name := range []string{"", "a b", "a;b", "a\nb", "a\rb", "a/b", "a\\", "a<<", "#1", "a\x00", "ä", "a\tb", strings.Repeat("a", 256)} {
		bad["backend "+name] = haproxy.SetState(name, "s1", haproxy.Ready)
		bad["server "+name] = haproxy.SetState("web", name, haproxy.Ready)
		bad["shutdown "+name] = haproxy.ShutdownSessions("web", name)
		bad["states "+name] = haproxy.ShowServersState(name)
		bad["stat "+name] = haproxy.ShowStat(name)
	}
	for name, command := range bad {
		answers, err := c.Do(context.Background(), fine, command, fine)
		if !errors.Is(err, haproxy.ErrInvalid) || answers != nil {
			t.Errorf("%q: %v, %v", name, answers, err)
		}
	}
	if _, err := c.Do(context.Background()); !errors.Is(err, haproxy.ErrInvalid) {
		t.Errorf("no command: %v", err)
	}
	if _, err := c.Snapshot(context.Background()); !errors.Is(err, haproxy.ErrInvalid) {
		t.Errorf("no backend: %v", err)
	}
	many := make([]haproxy.Command, 1000)
	for i := range many {
		many[i] = fine
	}
	if _, err := c.Do(context.Background(), many...); !errors.Is(err, haproxy.ErrInvalid) || !strings.Contains(err.Error(), "send them in parts") {
		t.Errorf("a line too long: %v", err)
	}
}
