package stack_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/cli"
	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// refusals is the server's log, of which it keeps what somebody was not permitted.
type refusals struct {
	mu  sync.Mutex
	all []string
}

func (*refusals) Noticef(string, ...any) {}
func (*refusals) Warnf(string, ...any)   {}
func (*refusals) Fatalf(string, ...any)  {}
func (*refusals) Debugf(string, ...any)  {}
func (*refusals) Tracef(string, ...any)  {}
func (r *refusals) Errorf(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); strings.Contains(text, "Violation") {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all = append(r.all, text)
	}
}

func (r *refusals) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.all...)
}

// rolesServer runs a server by the file of deploy/nats, as its users have it.
func rolesServer(t *testing.T) (*server.Server, *refusals) {
	t.Helper()
	text, err := os.ReadFile("../../../../deploy/nats/ham.conf")
	require.NoError(t, err)
	text = regexp.MustCompile(`(?m)^listen:.*$`).ReplaceAll(text, []byte("listen: 127.0.0.1:-1"))
	text = regexp.MustCompile(`store_dir:.*`).ReplaceAll(text, []byte(fmt.Sprintf("store_dir: %q", t.TempDir())))
	for _, role := range []string{"PROBER", "DECIDER", "EXECUTOR", "NOTIFIER", "CHAT", "CONSOLE", "OPERATOR", "VIEWER"} {
		t.Setenv(role+"_PASSWORD", strings.ToLower(role)+"-word")
	}
	path := filepath.Join(t.TempDir(), "ham.conf")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	o, err := server.ProcessConfigFile(path)
	require.NoError(t, err)
	require.True(t, o.SyncAlways, "commands are acknowledged before they are on disk")
	o.NoSigs = true
	s, err := server.NewServer(o)
	require.NoError(t, err)
	log := &refusals{}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(20*time.Second))
	return s, log
}

// The whole loop through a server whose users may do what their roles do: nothing that is needed is refused, and nobody may do another's part.
func TestTheLoopThroughRestrictedUsers(t *testing.T) {
	srv, log := rolesServer(t)
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer site.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	page := ""
	for _, service := range []string{stack.Decider, stack.Executor, stack.Prober, stack.Notifier, stack.Console} {
		begin, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		s, err := stack.Start(begin, stack.Options{
			Process: spec.Process{
				Name: service + "-1", Site: "sp", HTTP: "off", StateDir: t.TempDir(),
				Bus:    spec.Bus{URLs: []string{srv.ClientURL()}, User: service, Pass: spec.Secret(service + "-word")},
				Prober: spec.Prober{Vantages: []string{"sp"}}, Console: spec.Console{Listen: "127.0.0.1:0"},
			},
			Services: []string{service}, Log: slog.New(slog.DiscardHandler), Out: &strings.Builder{},
		})
		require.NoError(t, err, service)
		page = s.Console
		running.Go(func() { _ = s.Run(ctx); _ = s.Close() })
	}
	path := filepath.Join(t.TempDir(), "web.yaml")
	require.NoError(t, os.WriteFile(path, []byte(fmt.Sprintf(`group: web
mode: auto
members:
  a: {site: sp, url: %q}
  b: {site: rj, url: %q}
adopt: a
checks:
  alive: {http: /alive, every: 500ms, timeout: 300ms, from: [sp]}
policy: {quorum: 1, rise: 1, stable_for: 0s, cooldown: 0s, undo_window: 0s}
`, site.URL, site.URL)), 0o600))
	at := strings.Replace(srv.ClientURL(), "nats://", "nats://operator:operator-word@", 1)
	ham := func(args ...string) (int, string) {
		var out strings.Builder
		code := cli.Main(ctx, append(args, "--server", at, "--as", "ana"), cli.IO{In: strings.NewReader(""), Out: &out, Err: &out, Env: func(string) string { return "" }})
		return code, out.String()
	}
	code, out := ham("apply", path)
	require.Equal(t, 0, code, out)
	for until := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if code, out = ham("switchover", "web", "--to", "b", "--yes"); code == 0 {
			break
		}
		require.True(t, time.Now().Before(until), "%s\nrefused by the server: %q", out, log.said())
	}
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Minute)
	for _, args := range [][]string{
		{"status"}, {"status", "--bus"}, {"plan", "web"}, {"explain", "web"}, {"incidents"}, {"pause", "web"}, {"resume", "web"}, {"doctor"}, {"drills", "web"}, {"shadow", "web"},
		{"drill", "web", "--at", tomorrow.Format(time.RFC3339), "--yes"}, {"drills", "cancel", "web-at-" + tomorrow.Format("20060102-150405")},
	} {
		code, out := ham(args...)
		require.True(t, code == 0 || args[0] == "doctor", "%v: %s", args, out)
	}
	watches := func(user string) {
		t.Helper()
		looking, leave := context.WithCancel(ctx)
		defer leave()
		out, lines := io.Pipe()
		ended := make(chan int, 1)
		go func() {
			ended <- cli.Main(looking, []string{"watch", "--server", strings.Replace(srv.ClientURL(), "nats://", "nats://"+user+":"+user+"-word@", 1), "--as", "ana"},
				cli.IO{In: strings.NewReader(""), Out: lines, Err: lines, Env: func(string) string { return "" }})
			lines.Close()
		}()
		said := bufio.NewScanner(out)
		for said.Scan() && !strings.Contains(said.Text(), "If b died now") {
		}
		require.Contains(t, said.Text(), "If b died now", user)
		leave()
		go func() { _, _ = io.Copy(io.Discard, out) }()
		require.Zero(t, <-ended)
	}
	watches("operator")
	watches("viewer")
	client := &http.Client{Timeout: 30 * time.Second}
	for path, holds := range map[string]string{"": "web", "g/web": "epoch", "g/web/swap": "What would be done", "incidents": "web-1", "i/web-1": "Timeline", "i/web-1/plots": "latency", "drills": "Drills"} {
		resp, err := client.Get(page + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s\nrefused by the server: %q", path, body, log.said())
		require.Contains(t, string(body), holds, path)
	}
	require.Empty(t, log.said(), "somebody needs what the file does not let it do")

	for _, c := range []struct{ who, subject string }{
		{"prober", subject.Command("web")}, {"prober", subject.Safety("web", "fenced", "x")}, {"prober", "$JS.API.STREAM.DELETE.HAM_COMMANDS"},
		{"decider", "ham.v1.heartbeat.web.a.sp"}, {"decider", subject.Safety("web", "fenced", "x")}, {"decider", "$JS.API.STREAM.PURGE.HAM_COMMANDS"},
		{"executor", "ham.v1.heartbeat.web.a.sp"}, {"executor", "$KV.ham_spec.web"}, {"notifier", subject.Command("web")}, {"notifier", "ham.v1.ask.web.failover"}, {"chat", subject.Command("web")}, {"chat", "$KV.ham_spec.web"},
		{"console", subject.Command("web")}, {"console", "$KV.ham_spec.web"}, {"console", "ham.v1.request.web.failover.ana"}, {"console", subject.Safety("web", "fenced", "x")},
		{"operator", subject.Command("web")}, {"operator", "$KV.ham_journal.web.1"},
		{"viewer", "ham.v1.ask.web.failover"}, {"viewer", "ham.v1.request.web.failover.ana"}, {"viewer", "ham.v1.request.web.approve.ana"}, {"viewer", "$KV.ham_spec.web"}, {"viewer", subject.Command("web")},
		{"viewer", "ham.v1.event.web.note.ana"}, {"viewer", subject.StoredCommand("web")},
		{"prober", subject.StoredCommand("web")}, {"decider", subject.StoredCommand("web")}, {"executor", subject.StoredCommand("web")}, {"operator", subject.StoredCommand("web")},
	} {
		err := refusal(t, srv, c.who, func(nc *nats.Conn) error { return nc.Publish(c.subject, []byte("{}")) })
		require.ErrorContains(t, err, "Permissions Violation for Publish", "%s may publish on %s", c.who, c.subject)
	}

	// Who may only look is told so, and nothing moves.
	before := len(log.said())
	at = strings.Replace(srv.ClientURL(), "nats://", "nats://viewer:viewer-word@", 1)
	for _, args := range [][]string{{"status", "web"}, {"plan", "web"}, {"drills", "web"}, {"shadow", "web"}} {
		code, out := ham(args...)
		require.Zero(t, code, "%v: %s", args, out)
	}
	require.Len(t, log.said(), before, "a viewer needs what the file does not let it do")
	code, out = ham("switchover", "web", "--yes", "--timeout", "2s")
	require.NotZero(t, code, out)
	require.Greater(t, len(log.said()), before)
	code, out = ham("status", "web")
	require.Zero(t, code, out)
	require.Contains(t, out, "b is primary")

	// A notifier may ask for nobody, unless people press in its channels.
	before = len(log.said())
	nc, err := nats.Connect(srv.ClientURL(), nats.UserInfo("chat", "chat-word"))
	require.NoError(t, err)
	require.NoError(t, nc.Publish(subject.Ask("web", message.VerbNote), []byte("{}")))
	require.NoError(t, nc.FlushTimeout(20*time.Second)) // the server logs its no before it answers what came after
	nc.Close()
	require.Len(t, log.said(), before, "chat may not ask")

	roles := []string{"prober", "decider", "executor", "notifier", "operator"}
	for _, who := range roles {
		heard := []string{">", "_INBOX.>", "_INBOX_ham.>", "_INBOX_*.>"}
		for _, other := range roles {
			if other != who {
				heard = append(heard, bus.InboxPrefix(inboxOf(other))+".>")
			}
		}
		for _, subj := range heard {
			err := refusal(t, srv, who, func(nc *nats.Conn) error {
				_, err := nc.SubscribeSync(subj)
				return err
			})
			require.ErrorContains(t, err, "Permissions Violation for Subscription", "%s may hear %s", who, subj)
		}
	}
}

// inboxOf is the service by which a role's replies are addressed.
func inboxOf(role string) string {
	if role == "operator" {
		return "cli"
	}
	return role
}

// refusal is what the server says no with to a user who does something; nil: it did not.
func refusal(t *testing.T, srv *server.Server, who string, do func(*nats.Conn) error) error {
	t.Helper()
	refused := make(chan error, 1)
	nc, err := nats.Connect(srv.ClientURL(), nats.UserInfo(who, who+"-word"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		select {
		case refused <- err:
		default:
		}
	}))
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, do(nc))
	require.NoError(t, nc.FlushTimeout(20*time.Second)) // the server answers in order: its no comes before this
	select {
	case err := <-refused:
		return err
	case <-time.After(20 * time.Second): // nats.go tells of it in a goroutine of its own
		return nil
	}
}
