package setup

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// machine makes a tree of files as a host has them.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

func levels(found []Finding) (out []string) {
	for _, f := range found {
		out = append(out, f.Level+": "+f.Found)
	}
	return out
}

// TestAHostIsJudgedByWhatStartsAndWhatItsClockIs: each thing that voids a guarantee is found by itself, and none where all is well.
func TestAHostIsJudgedByWhatStartsAndWhatItsClockIs(t *testing.T) {
	m := spec.Member{Name: "a", Executor: "ham-a", Postgres: &spec.Postgres{Service: "cluster:99/none", Data: "/var/lib/postgresql/99/none"}}
	well := map[string]string{
		"/etc/postgresql/99/none/start.conf":                               "# comment\nmanual # by ham\n",
		"/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
		"/proc/cpuinfo":     "flags : fpu vme\n",
		"/proc/self/mounts": "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /var/lib/postgresql ext4 rw 0 0\n",
		"/proc/4242/comm":   "ham\n", "/proc/4242/cmdline": "/usr/local/bin/ham\x00up\x00--config\x00x", "/proc/4242/status": "Name:\tham\nCapEff:\t0000000000003000\n",
	}
	judged := func(path, text string) []string {
		files := map[string]string{}
		for k, v := range well {
			files[k] = v
		}
		if path != "" {
			files[path] = text
		}
		h := host{ctx: context.Background(), root: machine(t, files), m: m}
		h.mount(m.Postgres.Data)
		h.clock()
		h.rights()
		h.startConf("99/none")
		return levels(h.found)
	}
	require.Equal(t, []string{"ok: the clock source is tsc", "ok: the process of ham beside a may set the guard"}, judged("", ""))
	require.Contains(t, judged("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n")[0], "warn: the clock source is hpet")
	require.Contains(t, judged("/proc/cpuinfo", "flags : fpu hypervisor lahf\n")[1], "warn: this host is a virtual machine")
	require.Contains(t, judged("/proc/self/mounts", "/dev/sdb1 /var/lib/postgresql/99/none ext4 rw 0 0\n")[0], "bad: /var/lib/postgresql/99/none is a mount point")
	require.Contains(t, judged("/proc/4242/status", "CapEff:\t0000000000000400\n")[1], "bad: the process of ham here may not set the guard")
	require.Contains(t, judged("/proc/4242/cmdline", "/usr/local/bin/ham\x00prober")[1], "bad: no process of ham with an executor runs here")
	require.Contains(t, judged("/etc/postgresql/99/none/start.conf", "auto\n")[2], "bad: /etc/postgresql/99/none/start.conf says auto")
}

// TestAUnitThatStartsByItselfIsFound: after a crash, and at boot.
func TestAUnitThatStartsByItselfIsFound(t *testing.T) {
	for want, is := range map[string]map[string]string{
		"ok: systemd does not start pg.service by itself":         {"Restart": "no", "UnitFileState": "disabled"},
		"bad: systemd starts pg.service again by itself (Restart": {"Restart": "on-failure", "UnitFileState": "disabled"},
		"bad: pg.service is started at boot":                      {"Restart": "no", "UnitFileState": "enabled"},
	} {
		h := host{}
		h.judgeUnit("pg.service", is)
		require.Len(t, h.found, 1)
		require.Contains(t, levels(h.found)[0], want)
	}
}
