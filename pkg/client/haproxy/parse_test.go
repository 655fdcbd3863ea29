package haproxy_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
)

// As HAProxy 2.6.12 answers for a backend with a checked server that is down, one on a Unix socket, one whose name does not
// resolve, one with weight 0, and one that was set to ready over "disabled".
const statesSample = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
3 web 1 s1 127.0.0.1 0 0 1 1 8 8 2 0 6 0 0 0 - 18081 - 0 0 - - 0
3 web 2 u1 - 2 0 1 1 1 1 0 2 0 0 0 0 - 0 - 0 0 - - 0
3 web 3 d1 - 0 32 1 1 1 1 0 0 0 0 0 0 no.such.host.invalid 80 - 0 0 - - 0
3 web 4 v6 ::1 2 0 0 7 1 1 0 2 0 0 0 0 - 80 - 0 0 - - 0
3 web 5 r1 127.0.0.1 2 4 1 1 121 1 0 4 8 0 0 0 - 18085 - 0 0 - - 0`

func TestParseServersState(t *testing.T) {
	t.Parallel()
	got, err := haproxy.ParseServersState(statesSample)
	if err != nil {
		t.Fatal(err)
	}
	want := []haproxy.Server{
		{Backend: "web", Name: "s1", Addr: "127.0.0.1", Port: 18081, Weight: 1, InitialWeight: 1, SinceChange: 8 * time.Second, CheckResult: haproxy.CheckFailed, Checked: true},
		{Backend: "web", Name: "u1", Addr: "-", Oper: haproxy.OperRunning, Weight: 1, InitialWeight: 1, SinceChange: time.Second},
		{Backend: "web", Name: "d1", Addr: "-", Port: 80, FQDN: "no.such.host.invalid", Admin: haproxy.ResolveMaint, Weight: 1, InitialWeight: 1, SinceChange: time.Second},
		{Backend: "web", Name: "v6", Addr: "::1", Port: 80, Oper: haproxy.OperRunning, InitialWeight: 7, SinceChange: time.Second},
		{Backend: "web", Name: "r1", Addr: "127.0.0.1", Port: 18085, Oper: haproxy.OperRunning, Admin: haproxy.ConfiguredMaint, Weight: 1, InitialWeight: 1, SinceChange: 121 * time.Second},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	for i, w := range []haproxy.Serving{haproxy.IsDown, haproxy.Serves, haproxy.InMaint, haproxy.Weightless, haproxy.Serves} {
		if s := got[i].Serving(); s != w {
			t.Errorf("%s: %v, want %v", got[i].Name, s, w)
		}
	}
	// As seen right after a reload.
	if got, err := haproxy.ParseServersState(strings.Replace(statesSample, " 121 ", " -1 ", 1)); err != nil || got[4].SinceChange != 0 {
		t.Errorf("a change in the future: %+v, %v", got, err)
	}
	header := strings.Join(strings.SplitN(statesSample, "\n", 3)[:2], "\n")
	if got, err := haproxy.ParseServersState(header); err != nil || len(got) != 0 {
		t.Errorf("a backend without servers: %v, %v", got, err)
	}
	// Columns are found by name: another order, and new ones, change nothing.
	moved := "1\n# new be_name srv_port srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_result srv_check_state srv_fqdn\nx web 80 s1 ::1 2 9 1 1 0 3 6 -\n"
	if got, err := haproxy.ParseServersState(moved); err != nil || got[0].Port != 80 || got[0].Admin != haproxy.ForcedMaint|haproxy.ForcedDrain || got[0].CheckResult != haproxy.CheckPassed {
		t.Errorf("columns moved: %+v, %v", got, err)
	}
}

func TestParseServersStateRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":         "",
		"version 2":     strings.Replace(statesSample, "1\n", "2\n", 1),
		"no header":     "1",
		"no columns":    "1\n# be_id be_name",
		"headless":      "1\n3 web 1 s1 127.0.0.1 0 0 1 1 8 8 2 0 6 0 0 0 - 18081 - 0 0 - - 0",
		"short line":    statesSample + "\n3 web 6",
		"not a number":  strings.Replace(statesSample, " 18081 ", " http ", 1),
		"negative":      strings.Replace(statesSample, " 18081 ", " -1 ", 1),
		"unknown state": strings.Replace(statesSample, "127.0.0.1 0 0", "127.0.0.1 9 0", 1),
	} {
		if got, err := haproxy.ParseServersState(text); !errors.Is(err, haproxy.ErrProtocol) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestServing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		server haproxy.Server
		want   haproxy.Serving
		fresh  bool
		why    string
	}{
		{haproxy.Server{Oper: haproxy.OperRunning, Weight: 1}, haproxy.Serves, true, "serves"},
		{haproxy.Server{Oper: haproxy.OperRunning, Weight: 1, Admin: haproxy.ConfiguredMaint | haproxy.NameFromSocket}, haproxy.Serves, true, "serves"},
		{haproxy.Server{Oper: haproxy.OperStarting, Weight: 1}, haproxy.WarmsUp, true, "serves, warming up"},
		{haproxy.Server{Oper: haproxy.OperRunning, Weight: 1, Admin: haproxy.ForcedDrain}, haproxy.Draining, false, "drains (forced drain)"},
		{haproxy.Server{Oper: haproxy.OperRunning, Weight: 1, Admin: haproxy.InheritedDrain}, haproxy.Draining, false, "drains (inherited drain)"},
		{haproxy.Server{Oper: haproxy.OperStopping, Weight: 1}, haproxy.SoftStops, false, "soft-stops"},
		{haproxy.Server{Oper: haproxy.OperRunning}, haproxy.Weightless, false, "gets nothing new, weight 0"},
		{haproxy.Server{Weight: 1, Admin: haproxy.ForcedMaint | haproxy.ConfiguredMaint}, haproxy.InMaint, false, "in maintenance (forced maint, disabled in the configuration)"},
		{haproxy.Server{Weight: 1, Admin: haproxy.InheritedMaint}, haproxy.InMaint, false, "in maintenance (inherited maint)"},
		{haproxy.Server{Weight: 1, Admin: haproxy.ResolveMaint | haproxy.ForcedDrain}, haproxy.InMaint, false, "in maintenance (forced drain, name does not resolve)"},
		{haproxy.Server{Weight: 1, CheckResult: haproxy.CheckFailed}, haproxy.IsDown, false, "down by HAProxy's own checks (last check: failed)"},
		{haproxy.Server{Weight: 1, Admin: haproxy.ForcedDrain, CheckResult: haproxy.CheckFailed}, haproxy.IsDown, false, "down by HAProxy's own checks (last check: failed)"},
	} {
		got := test.server.Serving()
		if got != test.want || got.New() != test.fresh || test.server.Why() != test.why {
			t.Errorf("%+v: %v, new %v, why %q; want %v, %v, %q", test.server, got, got.New(), test.server.Why(), test.want, test.fresh, test.why)
		}
	}
	if s := haproxy.AdminState(0x80).String(); s != "0x80" {
		t.Errorf("an unknown bit reads %q", s)
	}
}

const infoSample = "Name: HAProxy\nVersion: 2.6.12-1+deb12u4\nPid: 6624\nUptime: 0d 0h00m05s\nUptime_sec: 5\nCurrConns: 3\nnode: lb1\nStopping: 1\nUnstoppable Jobs: 0\nStart_time_sec: 1795311796\nnew: thing: here\n"

func TestParseInfo(t *testing.T) {
	t.Parallel()
	got, err := haproxy.ParseInfo(infoSample)
	want := haproxy.Info{Version: "2.6.12-1+deb12u4", Node: "lb1", Pid: 6624, Uptime: 5 * time.Second, Started: time.Unix(1795311796, 0).UTC(), Stopping: true, Conns: 3}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, other := range []haproxy.Info{
		{Node: "lb2", Pid: got.Pid, Started: got.Started},
		{Node: got.Node, Pid: 1, Started: got.Started},
		{Node: got.Node, Pid: got.Pid, Started: got.Started.Add(time.Second)},
	} {
		if got.Same(other) {
			t.Errorf("%+v passes for %+v", other, got)
		}
	}
	for name, text := range map[string]string{
		"empty":      "",
		"no version": strings.Replace(infoSample, "Version", "Vision", 1),
		"no pid":     strings.Replace(infoSample, "Pid: 6624\n", "", 1),
		"bad pid":    strings.Replace(infoSample, "6624", "x", 1),
		"no uptime":  strings.Replace(infoSample, "Uptime_sec: 5\n", "", 1),
		"eternal":    strings.Replace(infoSample, "Uptime_sec: 5", "Uptime_sec: 9223372036854775807", 1),
		"stopping?":  strings.Replace(infoSample, "Stopping: 1", "Stopping: maybe", 1),
	} {
		if got, err := haproxy.ParseInfo(text); !errors.Is(err, haproxy.ErrProtocol) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

const statSample = `# pxname,svname,qcur,qmax,scur,smax,slim,stot,status,weight,act,bck,downtime,type,check_status,last_chk,econ,wretr,wredis,addr,
front,FRONTEND,,,9,9,1000,9,OPEN,,,,,0,,,,,,,
web,s1,2,2,1,5,,17,DOWN 1/2,1,1,0,61,2,L7STS,"HTTP status check returned code <3C>503<3E>, twice",3,4,5,127.0.0.1:8080,
web,s2,0,0,0,5,,4,UP,1,0,1,0,2,,,,,,,
web,BACKEND,2,2,1,5,,21,UP,2,1,1,0,1,,,3,4,5,,
`

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, err := haproxy.ParseStat(statSample)
	if err != nil {
		t.Fatal(err)
	}
	want := haproxy.Stats{
		Backend: haproxy.Stat{Backend: "web", Server: "BACKEND", Status: "UP", Sessions: 1, Queued: 2, Total: 21, Weight: 2, Active: 1, Backup: true, ConnErrors: 3, Retries: 4, Redispatch: 5},
		Servers: []haproxy.Stat{
			{Backend: "web", Server: "s1", Status: "DOWN 1/2", Sessions: 1, Queued: 2, Total: 17, Weight: 1, Active: 1, CheckStatus: "L7STS", LastCheck: "HTTP status check returned code <3C>503<3E>, twice", Downtime: 61 * time.Second, ConnErrors: 3, Retries: 4, Redispatch: 5, Addr: "127.0.0.1:8080"},
			{Backend: "web", Server: "s2", Status: "UP", Total: 4, Weight: 1, Backup: true},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	if s, ok := got.Server("s2"); !ok || !s.Drained() {
		t.Errorf("s2: %+v, %v", s, ok)
	}
	if s, ok := got.Server("s1"); !ok || s.Drained() {
		t.Errorf("s1: %+v, %v", s, ok)
	}
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"empty":          {"", haproxy.ErrProtocol},
		"no header":      {"web,s1,0", haproxy.ErrProtocol},
		"no column":      {strings.Replace(statSample, ",scur,", ",xcur,", 1), haproxy.ErrProtocol},
		"not a number":   {strings.Replace(statSample, ",61,", ",x,", 1), haproxy.ErrProtocol},
		"negative":       {strings.Replace(statSample, ",61,", ",-61,", 1), haproxy.ErrProtocol},
		"open quote":     {strings.Replace(statSample, `twice"`, `twice`, 1), haproxy.ErrProtocol},
		"only frontends": {strings.Join(strings.SplitN(statSample, "\n", 3)[:2], "\n"), haproxy.ErrNoSuchBackend},
	} {
		if got, err := haproxy.ParseStat(test.text); !errors.Is(err, test.want) {
			t.Errorf("%s: got %+v, %v, want %v", name, got, err, test.want)
		}
	}
}
