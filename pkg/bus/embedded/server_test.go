package embedded_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/certtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// Beyond loopback a server without TLS and credentials is refused, and nothing was opened: neither the port nor the store.
func TestListeningBeyondLoopbackWithoutTLSAndCredentialsIsRefused(t *testing.T) {
	t.Parallel()
	conf := certtest.New(t).Server(t)
	mutual := conf.Clone()
	mutual.ClientAuth = tls.RequireAndVerifyClientCert
	ana := []embedded.User{{Name: "ana", Password: "x"}}
	for _, c := range []struct {
		name string
		edit func(*embedded.Options)
		says string // "" where it is allowed
	}{
		{"everywhere", func(o *embedded.Options) { o.Listen = "0.0.0.0:4222" }, "no TLS and credentials"},
		{"everywhere, by no host", func(o *embedded.Options) { o.Listen = ":4222" }, "no TLS and credentials"},
		{"everywhere, IPv6", func(o *embedded.Options) { o.Listen = "[::]:4222" }, "no TLS and credentials"},
		{"an address", func(o *embedded.Options) { o.Listen = "192.0.2.1:4222" }, "no TLS and credentials"},
		{"a name", func(o *embedded.Options) { o.Listen = "nats.example.org:4222" }, "no TLS and credentials"},
		{"credentials alone", func(o *embedded.Options) { o.Listen, o.Users = "0.0.0.0:4222", ana }, "has no TLS:"},
		{"TLS alone", func(o *embedded.Options) { o.Listen, o.TLS = "0.0.0.0:4222", conf }, "has no credentials:"},
		{"the monitor", func(o *embedded.Options) { o.Monitor = "0.0.0.0:8222" }, "monitor"},
		{"the cluster", func(o *embedded.Options) { o.Cluster = &embedded.Cluster{Name: "c", Listen: "0.0.0.0:6222"} }, "cluster.listen"},
		{"the cluster with a password in clear", func(o *embedded.Options) {
			o.Cluster = &embedded.Cluster{Name: "c", Listen: "0.0.0.0:6222", User: "u", Password: "p"}
		}, "has no TLS:"},
		{"TLS and credentials", func(o *embedded.Options) { o.Listen, o.TLS, o.Users = "0.0.0.0:0", conf, ana }, ""},
		{"mutual TLS", func(o *embedded.Options) { o.Listen, o.TLS = "0.0.0.0:0", mutual }, ""},
		{"loopback", func(o *embedded.Options) { o.Listen = "127.0.0.1:0" }, ""},
		{"localhost", func(o *embedded.Options) { o.Listen = "localhost:0" }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := embedded.Options{Name: "s1", StoreDir: filepath.Join(t.TempDir(), "store"), NoSync: true, MaxStore: 1 << 30}
			c.edit(&o)
			if c.says == "" { // not started: tests keep to loopback
				if err := embedded.Check(o); err != nil {
					t.Fatal(err)
				}
				return
			}
			_, err := embedded.Start(within(t, 20*time.Second), o)
			if !errors.Is(err, embedded.ErrOptions) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want ErrOptions with %q", err, c.says)
			}
			if _, err := os.Stat(o.StoreDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the store was opened: %v", err)
			}
		})
	}
}

func TestWrongServerOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for says, edit := range map[string]func(*embedded.Options){
		"name is":            func(o *embedded.Options) { o.Name = "a b" },
		"store_dir is empty": func(o *embedded.Options) { o.StoreDir = "" },
		`listen is "4222"`:   func(o *embedded.Options) { o.Listen = "4222" },
		"port \"x\"":         func(o *embedded.Options) { o.Listen = "127.0.0.1:x" },
		"max_store":          func(o *embedded.Options) { o.MaxStore = -1 },
		"users[1]":           func(o *embedded.Options) { o.Users = []embedded.User{{Name: "a", Password: "b"}, {Name: "c"}} },
		"cluster.name":       func(o *embedded.Options) { o.Cluster = &embedded.Cluster{Listen: "127.0.0.1:0"} },
		"cluster.routes hold": func(o *embedded.Options) {
			o.Cluster = &embedded.Cluster{Name: "c", Listen: "127.0.0.1:0", Routes: []string{"x"}}
		},
	} {
		o := embedded.Options{Name: "s1", StoreDir: t.TempDir()}
		edit(&o)
		_, err := embedded.Start(within(t, 20*time.Second), o)
		if !errors.Is(err, embedded.ErrOptions) || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want ErrOptions with %q", err, says)
		}
	}
}

// Two servers on one store would ruin it: the second is told who holds it, and may have it afterwards.
func TestAStoreBelongsToOneServerAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := bustest.Start(t, func(o *embedded.Options) { o.StoreDir = dir })
	o := embedded.Options{Name: "s2", StoreDir: dir, NoSync: true, MaxStore: 1 << 30}
	_, err := embedded.Start(within(t, 20*time.Second), o)
	if !errors.Is(err, embedded.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("error %v, want ErrLocked with the directory and process %d", err, os.Getpid())
	}
	if err := first.Healthz(); err != nil {
		t.Errorf("the first one suffered: %v", err)
	}
	bustest.Stop(t, first)
	bustest.Stop(t, first) // twice is as good as once
	if first.Healthz() == nil {
		t.Error("a stopped server calls itself healthy")
	}
	second, err := embedded.Start(within(t, 20*time.Second), o)
	if err != nil {
		t.Fatal(err)
	}
	bustest.Stop(t, second)
}

// What cannot start says why, and leaves nothing behind.
func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dir := t.TempDir()
	o := embedded.Options{Name: "s1", StoreDir: dir, Listen: ln.Addr().String(), NoSync: true, MaxStore: 1 << 30}
	begin := time.Now()
	_, err = embedded.Start(within(t, 20*time.Second), o)
	if !errors.Is(err, embedded.ErrStart) || !strings.Contains(err.Error(), "address already in use") || time.Since(begin) > 10*time.Second {
		t.Fatalf("error %v after %s, want the busy address at once", err, time.Since(begin))
	}
	o.Listen = ""
	s, err := embedded.Start(within(t, 20*time.Second), o)
	if err != nil {
		t.Fatalf("the store is still held: %v", err)
	}
	bustest.Stop(t, s)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o.StoreDir = file
	if _, err = embedded.Start(within(t, 20*time.Second), o); !errors.Is(err, embedded.ErrStart) || !strings.Contains(err.Error(), file) {
		t.Fatalf("error %v, want the file that is no directory", err)
	}
}

// Everything that was acknowledged is there after a restart.
func TestARestartKeepsWhatWasStored(t *testing.T) {
	t.Parallel()
	srv := bustest.Restartable(t, bustest.Synced)
	b := srv.Connect("d1")
	r, err := b.Propose(within(t, 20*time.Second), subject.Command("web"), &message.Mark{ID: "m1", Group: "web", Actor: "ana", Decider: "d1"}, 0)
	if err != nil || !r.Won {
		t.Fatal(r, err)
	}
	srv.Stop()
	srv.Start()
	e, err := b.Last(within(t, 20*time.Second), subject.StreamCommands, subject.Command("web"))
	if err != nil || e.ID() != "m1" || e.Seq != r.Entry.Seq {
		t.Fatalf("after the restart: %+v, %v", e, err)
	}
}

// TLS and users on a listening server: the right ones come in, others do not, and rights are held.
func TestOnlyKnownUsersComeInOverTLS(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	conf, pool := authority.Server(t), authority.Pool
	srv := bustest.Start(t, bustest.Listening, func(o *embedded.Options) {
		o.TLS = conf
		o.Users = []embedded.User{
			{Name: "ana", Password: "right"},
			{Name: "eve", Password: "right", Publish: []string{}, Subscribe: []string{}},
		}
	})
	o := bus.Options{Name: "d1", Service: "decider", URLs: []string{srv.ClientURL()}, User: "ana", Password: "right", TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	b := bustest.Dial(t, o)
	if err := b.Provision(within(t, 20*time.Second), bustest.Layout); err != nil {
		t.Fatal(err)
	}
	wrong := o
	wrong.Password = "wrong"
	if _, err := bus.Connect(within(t, 20*time.Second), wrong); !errors.Is(err, bus.ErrConnect) {
		t.Errorf("a wrong password: %v", err)
	}
	stranger := o
	stranger.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if _, err := bus.Connect(within(t, time.Second), stranger); !errors.Is(err, bus.ErrConnect) {
		t.Errorf("a client that does not trust the server: %v", err)
	}
	eve := o
	eve.User = "eve"
	e := bustest.Dial(t, eve)
	if _, err := e.Last(within(t, 20*time.Second), subject.StreamCommands, subject.AllCommands); !errors.Is(err, bus.ErrPermission) {
		t.Errorf("a user without rights reads: %v", err)
	}
}

// The server's chatter goes to debug; nothing else does at a quiet start.
func TestTheServersLogIsQuietUnlessSomethingIsWrong(t *testing.T) {
	t.Parallel()
	var buf syncBuffer
	s := bustest.Start(t, func(o *embedded.Options) {
		o.Log = slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.Monitor = "127.0.0.1:0"
	})
	out := buf.String()
	if !strings.Contains(out, "level=DEBUG") || !strings.Contains(out, "server=test") {
		t.Errorf("nothing was logged at debug: %s", out)
	}
	for line := range strings.Lines(out) {
		if !strings.Contains(line, "level=DEBUG") {
			t.Errorf("not quiet: %s", line)
		}
	}
	resp, err := http.Get(s.MonitorURL() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), "ok") {
		t.Errorf("monitor says %d %s %v", resp.StatusCode, body, err)
	}
	if err := s.Healthz(); err != nil {
		t.Error(err)
	}
	if s.ClientURL() != "" {
		t.Errorf("it does not listen, but says %s", s.ClientURL())
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Unless somebody says otherwise, what is acknowledged is on the disk.
func TestAServerSyncsByDefault(t *testing.T) {
	t.Parallel()
	for want, edit := range map[bool]func(*embedded.Options){true: bustest.Synced, false: func(*embedded.Options) {}} {
		s := bustest.Start(t, edit, func(o *embedded.Options) { o.Monitor = "127.0.0.1:0" })
		resp, err := http.Get(s.MonitorURL() + "/varz")
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			JetStream struct {
				Config struct {
					SyncAlways bool `json:"sync_always"`
				} `json:"config"`
			} `json:"jetstream"`
		}
		err = json.NewDecoder(resp.Body).Decode(&v)
		resp.Body.Close()
		if err != nil || v.JetStream.Config.SyncAlways != want || s.SyncAlways() != want {
			t.Errorf("the server says sync_always %v, itself %v; want %v (%v)", v.JetStream.Config.SyncAlways, s.SyncAlways(), want, err)
		}
	}
}
