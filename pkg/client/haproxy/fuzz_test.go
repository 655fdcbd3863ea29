package haproxy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
)

// A parser gives either a value that makes sense or ErrProtocol; it never panics.

func FuzzParseServersState(f *testing.F) {
	f.Add(statesSample)
	f.Add("1\n# be_name")
	f.Fuzz(func(t *testing.T, text string) {
		servers, err := haproxy.ParseServersState(text)
		if err != nil {
			wantOnlyProtocol(t, err)
			return
		}
		for _, s := range servers {
			if s.Name == "" || s.Port < 0 || s.Weight < 0 || s.SinceChange < 0 || s.Admin < 0 || s.Oper < 0 || s.Oper > haproxy.OperStopping {
				t.Errorf("accepted %+v", s)
			}
			if s.Serving().New() && (s.Admin.Maint() || s.Admin.Drain() || s.Oper == haproxy.OperStopped) {
				t.Errorf("%+v is said to get new traffic", s)
			}
			_ = s.Why()
		}
	})
}

func FuzzParseStat(f *testing.F) {
	f.Add(statSample)
	f.Add("# pxname,svname,qcur,scur,status,type\n\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		stats, err := haproxy.ParseStat(text)
		if errors.Is(err, haproxy.ErrNoSuchBackend) {
			return
		}
		if err != nil {
			wantOnlyProtocol(t, err)
			return
		}
		for _, s := range append(stats.Servers, stats.Backend) {
			if s.Sessions < 0 || s.Queued < 0 || s.Downtime < 0 {
				t.Errorf("accepted %+v", s)
			}
		}
	})
}

func FuzzParseInfo(f *testing.F) {
	f.Add(infoSample)
	f.Fuzz(func(t *testing.T, text string) {
		info, err := haproxy.ParseInfo(text)
		if err != nil {
			wantOnlyProtocol(t, err)
			return
		}
		if info.Version == "" || info.Pid < 0 || info.Uptime < 0 || info.Conns < 0 || !info.Same(info) {
			t.Errorf("accepted %+v", info)
		}
	})
}

// Whatever a peer says, a call ends with the answers that were asked for or with a reason.
func FuzzAnswers(f *testing.F) {
	f.Add("\n\n\n")
	f.Add("\n[3]: No such server.\n\n\n")
	f.Add("\n[4]: IP changed\n\n1\n# x\n\n")
	f.Fuzz(func(t *testing.T, said string) {
		c, err := haproxy.New("tcp://192.0.2.1:1", haproxy.Options{MaxAnswer: 1 << 16, Timeout: time.Second, Dial: peerThatSays(said)})
		if err != nil {
			t.Fatal(err)
		}
		answers, err := c.Do(t.Context(), haproxy.SetState("web", "s1", haproxy.Ready), haproxy.ShowServersState("web"))
		switch {
		case answers == nil && !errors.Is(err, haproxy.ErrProtocol) && !errors.Is(err, haproxy.ErrUnreachable):
			t.Errorf("no answers, and %v", err)
		case answers != nil && len(answers) != 2:
			t.Errorf("%d answers to 2 commands", len(answers))
		case err == nil && (answers[0].Text != "" || answers[1].Text == ""):
			t.Errorf("passed for success: %q", answers)
		}
		if err != nil && len(err.Error()) > 2000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}

func FuzzCommandIsOneCommand(f *testing.F) {
	f.Add("web", "s1")
	f.Add("web;quit", "s\n1")
	f.Fuzz(func(t *testing.T, backend, server string) {
		for _, c := range []haproxy.Command{haproxy.SetState(backend, server, haproxy.Ready), haproxy.ShutdownSessions(backend, server), haproxy.ShowStat(backend)} {
			var sent strings.Builder
			client, err := haproxy.New("tcp://192.0.2.1:1", haproxy.Options{Dial: peerThatRecords(&sent)})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Do(t.Context(), c)
			if errors.Is(err, haproxy.ErrInvalid) {
				continue
			}
			if line := sent.String(); strings.Count(line, ";") != 1 || strings.Count(line, "\n") != 1 || strings.ContainsAny(line, "\\<#\r\x00") {
				t.Errorf("sent %q", line)
			}
		}
	})
}

func wantOnlyProtocol(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, haproxy.ErrProtocol) {
		t.Errorf("error %v is not ErrProtocol", err)
	}
	if len(err.Error()) > 2000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}
