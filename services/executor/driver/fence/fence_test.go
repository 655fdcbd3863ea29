package fence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/fence"
)

// device is a fence agent of the test's own and the "host" behind it: a process group, which off kills.
type device struct {
	t    *testing.T
	dir  string
	path string
	host *exec.Cmd
}

func newDevice(t *testing.T) *device {
	t.Helper()
	d := &device{t: t, dir: t.TempDir()}
	d.path = filepath.Join(d.dir, "fence_test")
	script := `#!/bin/sh
dir=` + d.dir + `
while IFS= read -r line; do
  case "$line" in
  action=*) action=${line#action=} ;;
  plug=*) plug=${line#plug=} ;;
  password=*) password=${line#password=} ;;
  esac
  echo "$line" >> $dir/read.$$
done
mv $dir/read.$$ $dir/read.$action
echo $action >> $dir/asked
host=$(cat $dir/host.$plug) || exit 1
mode=$(cat $dir/mode 2>/dev/null)
case "$mode" in
hang|hang-$action) while :; do sleep 0.01; done ;;
fail|fail-$action) echo "login of ham with $password was denied" >&2; exit 1 ;;
broken) exit 2 ;;
esac
case "$action" in
off) [ "$mode" = lie ] || kill -s KILL -- -$host 2>/dev/null; echo x >> $dir/changes; echo "Success: Powered OFF" ;;
on) echo x >> $dir/changes; echo "Success: Powered ON" ;;
status) [ "$mode" = deaf ] && exit 7; kill -s 0 -- -$host 2>/dev/null && exit 0; exit 2 ;;
*) exit 1 ;;
esac
`
	if err := os.WriteFile(d.path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	d.host = exec.Command("sleep", "1000")
	d.host.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.host.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = d.host.Wait(); close(ended) }() // until it is waited for it is one of the group, and the status on
	t.Cleanup(func() { _ = syscall.Kill(-d.host.Process.Pid, syscall.SIGKILL); <-ended })
	d.write("host.outlet-7", fmt.Sprint(d.host.Process.Pid))
	return d
}

func (d *device) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) read(name string) string {
	b, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

// asked is what the agent was asked for, a question that was repeated only once.
func (d *device) asked() string {
	return strings.Join(slices.Compact(strings.Fields(d.read("asked"))), " ")
}

func (d *device) mode(m string) func() { return func() { d.write("mode", m) } }

func (d *device) alive() bool { return syscall.Kill(-d.host.Process.Pid, 0) == nil }

func (d *device) args(action string) spec.FenceArgs {
	return spec.FenceArgs{
		Member: "a", Plug: "outlet-7", Agent: d.path, Action: action, Timeout: 20 * time.Second,
		Options: map[string]spec.Secret{"ip": "192.0.2.99", "password": "${env:SUITE_SECRET}"},
	}
}

func with(t *testing.T, args spec.FenceArgs) string {
	t.Helper()
	b, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func bound(t *testing.T, args spec.FenceArgs) (driver.Driver, driver.Input) {
	t.Helper()
	in := drivertest.In(t, with(t, args))
	d, err := fence.Kind().New(in.Step.With)
	if err != nil {
		t.Fatal(err)
	}
	return d, in
}

func TestConformance(t *testing.T) {
	for _, action := range []string{"off", "reboot"} {
		t.Run(action, func(t *testing.T) {
			drivertest.Run(t, fence.Kind(), func(t *testing.T) drivertest.Target {
				d := newDevice(t)
				return drivertest.Target{
					With: with(t, d.args(action)), Changes: func() int { return strings.Count(d.read("changes"), "x") }, Tells: true,
					Hang: d.mode("hang"), Refuse: d.mode("fail"), Gone: func() { _ = os.Remove(d.path) },
				}
			})
		})
	}
}

func TestOff(t *testing.T) {
	dev := newDevice(t)
	d, in := bound(t, dev.args("off"))
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.No || sight.Found != "a (outlet-7) is on" {
		t.Errorf("%+v, %v", sight, err)
	}
	deed, err := d.Do(t.Context(), in)
	if err != nil || deed.Fenced != "a" || !deed.Applied {
		t.Fatalf("%+v, %v", deed, err)
	}
	if dev.alive() {
		t.Error("the host is alive")
	}
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.Yes {
		t.Errorf("%+v, %v", sight, err)
	}
	want := "action=off\nnodename=a\nplug=outlet-7\nport=outlet-7\nip=192.0.2.99\npassword=" + drivertest.Secret + "\n"
	if got := dev.read("read.off"); got != want {
		t.Errorf("the agent read\n%swant\n%s", got, want)
	}
	if got := dev.asked(); got != "status off status" {
		t.Errorf("it was asked for %q", got)
	}
	// Whoever goes on after a crash finds it off and has it switched off once more: only that is a proof.
	d, in = bound(t, dev.args("off"))
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.No || sight.Found != "a (outlet-7) is off" {
		t.Errorf("%+v, %v", sight, err)
	}

	if deed, err := d.Do(t.Context(), in); err != nil || deed.Fenced != "a" {
		t.Errorf("%+v, %v", deed, err)
	}
}

func TestReboot(t *testing.T) {
	dev := newDevice(t)
	d, in := bound(t, dev.args("reboot"))
	deed, err := d.Do(t.Context(), in)
	if err != nil || deed.Fenced != "a" || !strings.HasSuffix(deed.Evidence, ", then on again") {
		t.Errorf("%+v, %v", deed, err)
	}
	if got := dev.asked(); got != "off status on" {
		t.Errorf("it was asked for %q", got)
	}
	dev.mode("fail-on")()
	deed, err = d.Do(t.Context(), in)
	if err != nil || deed.Fenced != "a" || !strings.Contains(deed.Evidence, "it stays off: exit code 1: login of ham with *** was denied") {
		t.Errorf("a host that does not come on is fenced all the same: %+v, %v", deed, err)
	}
}

// Nothing but a confirmed off fences: not the agent's word alone, not a status alone, not an end by time.
func TestOnlyWhatIsConfirmedFences(t *testing.T) {
	for mode, c := range map[string]struct {
		is   error
		says string
	}{
		"lie":         {driver.ErrUnknown, "its status does not confirm it (no end within 2s): the host is on"},
		"deaf":        {driver.ErrUnknown, "status: exit code 7, want 0 for on or 2 for off"},
		"broken":      {driver.ErrRefused, "did not switch outlet-7 off: exit code 2"},
		"fail":        {driver.ErrRefused, "exit code 1: login of ham with *** was denied"},
		"fail-off":    {driver.ErrRefused, "exit code 1"},
		"fail-status": {driver.ErrUnknown, "does not confirm it"},
		"hang-off":    {driver.ErrUnknown, "off: no end within 2s; it was killed"},
		"hang-status": {driver.ErrUnknown, "could not be asked whether it is"},
	} {
		t.Run(mode, func(t *testing.T) {
			dev := newDevice(t)
			dev.mode(mode)()
			args := dev.args("off")
			args.Timeout = 2 * time.Second
			d, in := bound(t, args)
			deed, err := d.Do(t.Context(), in)
			if deed.Fenced != "" {
				t.Errorf("it says that %s is fenced", deed.Fenced)
			}
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
			dev.mode("")()
			if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.No {
				t.Errorf("a look afterwards: %+v, %v", sight, err)
			}
		})
	}
}

func TestAgentIsMissing(t *testing.T) {
	dev := newDevice(t)
	args := dev.args("off")
	args.Agent = "fence_of_nobody"
	d, in := bound(t, args)
	for what, f := range map[string]func() error{
		"look": func() error { _, err := d.Look(t.Context(), in); return err },
		"do":   func() error { _, err := d.Do(t.Context(), in); return err },
	} {
		if err := f(); !errors.Is(err, driver.ErrUnasked) || !strings.Contains(err.Error(), "fence_of_nobody: executable file not found") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestOptions(t *testing.T) {
	dev := newDevice(t)
	for key, spoil := range map[string]func(*spec.FenceArgs){
		"member":         func(a *spec.FenceArgs) { a.Member = "" },
		"plug":           func(a *spec.FenceArgs) { a.Plug = "x\naction=on" },
		"agent":          func(a *spec.FenceArgs) { a.Agent = "./fence_x" },
		"action":         func(a *spec.FenceArgs) { a.Action = "on" },
		"options.action": func(a *spec.FenceArgs) { a.Options["action"] = "on" },
		"options":        func(a *spec.FenceArgs) { a.Options["a b"] = "" },
		"timeout_ns":     func(a *spec.FenceArgs) { a.Timeout = time.Hour },
	} {
		args := dev.args("off")
		spoil(&args)
		_, err := fence.Kind().New(json.RawMessage(with(t, args)))
		var wrong *driver.ConfigError
		if !errors.As(err, &wrong) || wrong.Key != key {
			t.Errorf("%s: %v", key, err)
		}
	}
	args := dev.args("off")
	args.Options["ssh_options"] = "-v\naction=on"
	d, in := bound(t, args)
	if deed, err := d.Do(t.Context(), in); !errors.Is(err, driver.ErrUnasked) || deed.Applied || dev.read("asked") != "" {
		t.Errorf("a value of two lines: %+v, %v", deed, err)
	}
	// A password that somebody wrote out is masked as one that is referred to.
	args = dev.args("off")
	args.Options["password"] = "written-out"
	d, in = bound(t, args)
	dev.mode("fail")()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := d.Do(ctx, in); err == nil || strings.Contains(err.Error(), "written-out") || !strings.Contains(err.Error(), driver.Masked) {
		t.Errorf("%v", err)
	}
}
