package setup

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
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
		h := host{ctx: context.Background(), root: machine(t, files), m: m, guarded: true, floats: true}
		h.mount(m.Postgres.Data)
		h.clock()
		h.rights()
		h.startConf("99/none")
		return levels(h.found)
	}
	require.Equal(t, []string{"ok: the clock source is tsc", "ok: the process of ham beside a may do what it must"}, judged("", ""))
	require.Contains(t, judged("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n")[0], "warn: the clock source is hpet")
	require.Contains(t, judged("/proc/cpuinfo", "flags : fpu hypervisor lahf\n")[1], "warn: this host is a virtual machine")
	require.Contains(t, judged("/proc/self/mounts", "/dev/sdb1 /var/lib/postgresql/99/none ext4 rw 0 0\n")[0], "bad: /var/lib/postgresql/99/none is a mount point")
	require.Contains(t, judged("/proc/4242/status", "CapEff:\t0000000000000400\n")[1], "bad: the process of ham here may not set the guard")
	require.Contains(t, judged("/proc/4242/status", "CapEff:\t0000000000001000\n")[1], "bad: the process of ham here may not announce the floating address (CAP_NET_RAW)")
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

// Whoever is on the host gets past the guard by the socket, unless it is the group's alone, or its directory is.
func TestASocketForEverybodyIsFound(t *testing.T) {
	root := machine(t, map[string]string{"/run/pg/.s.PGSQL.5432": "", "/own/.s.PGSQL.5432": ""})
	require.NoError(t, os.Chmod(filepath.Join(root, "own"), 0o750))
	of := func(dir, mode string) Facts {
		return Facts{Name: "a", Socket: dir, Settings: map[string]string{"unix_socket_permissions": mode}}
	}
	found := Socket(root, of("/run/pg", "0777"))
	require.Len(t, found, 1)
	require.Contains(t, found[0].Found, "past the guard (unix_socket_permissions is 0777)")
	for _, well := range []Facts{of("/run/pg", "0770"), of("/own", "0777"), of("", "0777"), of("/nowhere", "0777"), {Name: "a", Socket: "/run/pg"}} {
		require.Empty(t, Socket(root, well), "%+v", well)
	}
}

// A slot of a standby that stays away must not fill the primary's disk.
func TestOneServerIsJudgedByItself(t *testing.T) {
	f := Facts{Name: "a", Version: 150018, Settings: map[string]string{"max_slot_wal_keep_size": "-1"}}
	require.Contains(t, levels(JudgeServer(f)), "warn: max_slot_wal_keep_size is -1")
	f.Settings["max_slot_wal_keep_size"] = "16GB"
	require.NotContains(t, levels(JudgeServer(f)), "warn: max_slot_wal_keep_size is 16GB")
}

// Doctor looks as the role that the probers have.
func TestDoctorsRoleSeesTheSettings(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	s.Grant()
	f, err := Look(t.Context(), "a", s.DSN(pgtest.Ham))
	require.NoError(t, err)
	require.NotEmpty(t, f.Socket)
	require.Contains(t, f.Settings, "unix_socket_permissions")
	require.Contains(t, levels(JudgeServer(f)), "warn: max_slot_wal_keep_size is -1")
}
