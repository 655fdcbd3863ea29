package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Follow is whom a standby follows and how.
type Follow struct {
	// Upstream is how it connects; its password goes into a file of its own.
	Upstream ConnInfo
	// AppName is by what the upstream calls it, Slot the replication slot by which it streams.
	AppName, Slot string
}

// Settings are the settings of a standby that follows f, by name. Passfile must hold the password: see [Server.Passfile].
//
// A standby that loses its upstream asks again after wal_retrieve_retry_interval; the default of 5 s is what a client would wait when the
// standby is promoted at the wrong moment, and what the others lose. It says how far it is every second, so that a primary
// can tell a standby that is gone from one that has nothing to do. synchronous_standby_names counts from promotion on, and a
// member is promoted alone: names from an earlier life would keep it from acknowledging anything.
func (s *Server) Settings(f Follow) map[string]string {
	m := Common()
	m["primary_conninfo"] = f.Upstream.With("password", "", "passfile", s.passfilePath(), "application_name", f.AppName, "dbname", "",
		"replication", "", "target_session_attrs", "", "keepalives_idle", orElse(f.Upstream["keepalives_idle"], "5"),
		"keepalives_interval", orElse(f.Upstream["keepalives_interval"], "1"), "keepalives_count", orElse(f.Upstream["keepalives_count"], "3")).String()
	m["primary_slot_name"] = f.Slot
	m["recovery_target_timeline"] = "latest"
	m["synchronous_standby_names"] = ""
	return m
}

// Common are the settings that every member has, primary and standby: a primary becomes a standby without time to change them.
func Common() map[string]string {
	return map[string]string{"wal_retrieve_retry_interval": "50ms", "wal_receiver_status_interval": "1s"}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (s *Server) passfilePath() string { return s.beside("pgpass") }

// Passfile writes the password of the upstream to where the settings say it is. An upstream without one removes it.
func (s *Server) Passfile(f Follow) error {
	a, err := s.account()
	if err != nil {
		return err
	}
	if err := s.makeBeside(a); err != nil {
		return err
	}
	password := f.Upstream["password"]
	if password == "" {
		return remove(s.passfilePath())
	}
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
	text := "*:*:*:" + escape.Replace(orElse(f.Upstream["user"], "*")) + ":" + escape.Replace(password) + "\n"
	if old, err := os.ReadFile(s.passfilePath()); err == nil && string(old) == text {
		return nil
	}
	return s.write(a, s.passfilePath(), text)
}

// IsStandby says whether the cluster would start as a standby: standby.signal is there.
func (s *Server) IsStandby() bool { return isFile(s.in("standby.signal")) }

// Noticed says of a standby that was told to become a primary that it has noticed: it takes its signal file away then, before anything else.
// False also where nobody can tell.
func (s *Server) Noticed() bool {
	_, err := os.Lstat(s.in("promote"))
	return errors.Is(err, fs.ErrNotExist)
}

// MakeStandby makes a stopped cluster one that starts as a standby of f: the signal first, then the settings. It starts nothing.
// ErrRunning: a process of it lives.
func (s *Server) MakeStandby(ctx context.Context, f Follow) error {
	_, done, err := s.ops.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if _, err := s.Gone(); err != nil {
		return fmt.Errorf("make a standby: %w", err)
	}
	return s.makeStandby(f, s.o.Data)
}

// MendSignal puts standby.signal back where the server died in its promotion: PostgreSQL takes it away before the control file says that it is a
// primary, so it has never taken a write of its own, and is a standby still. What it follows stays as it was. It starts nothing.
// ErrSignal: it did not die so. ErrRunning: a process of it lives.
//
// Source: StartupXLOG of PostgreSQL 15, "Remove the signal files out of the way".
func (s *Server) MendSignal(ctx context.Context) error {
	_, done, err := s.ops.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if _, err := s.Gone(); err != nil {
		return fmt.Errorf("put standby.signal back: %w", err)
	}
	c, err := s.Control(ctx)
	if err != nil {
		return fmt.Errorf("put standby.signal back: %w", err)
	}
	if c.State != InArchiveRecovery {
		return fmt.Errorf("%w: it is missing, and the cluster is %q: whoever took it away was not a promotion that was cut short", ErrSignal, c.State)
	}
	a, err := s.account()
	if err != nil {
		return err
	}
	return s.write(a, s.in("standby.signal"), "")
}

func (s *Server) makeStandby(f Follow, data string) error {
	a, err := s.account()
	if err != nil {
		return err
	}
	if path := filepath.Join(data, "standby.signal"); !isFile(path) {
		if err := s.write(a, path, ""); err != nil {
			return fmt.Errorf("make a standby: %w", err)
		}
	}
	if err := s.Passfile(f); err != nil {
		return fmt.Errorf("make a standby: %w", err)
	}
	return s.autoConf(a, data, s.Settings(f))
}

// autoConf sets settings in postgresql.auto.conf, as ALTER SYSTEM would; others stay.
func (s *Server) autoConf(a account, data string, settings map[string]string) error {
	path := filepath.Join(data, "postgresql.auto.conf")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := mergeConf(string(old), settings)
	if text == string(old) {
		return nil
	}
	return s.write(a, path, text)
}

// mergeConf replaces the lines of some settings, and keeps the others with the remarks between them.
func mergeConf(old string, settings map[string]string) string {
	var b strings.Builder
	for line := range strings.Lines(old) {
		name := strings.TrimSpace(line)
		if i := strings.IndexAny(name, " \t="); i >= 0 {
			name = name[:i]
		}
		if _, ours := settings[strings.ToLower(name)]; !ours {
			b.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		}
	}
	quote := strings.NewReplacer(`\`, `\\`, `'`, `''`)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, quote.Replace(settings[name]))
	}
	return b.String()
}

// HasCluster says whether there is anything in the data directory.
func (s *Server) HasCluster() bool { return isFile(s.in("PG_VERSION")) }
