package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// markRewinding stands from before pg_rewind changes the first file until the cluster is a standby again.
const markRewinding = "rewinding"

// markEmptied stands while the old cluster was removed to make room and the new one is not complete.
const markEmptied = "emptied"

// Unfinished says whether the data directory is half changed (ErrHalf): a rewind or base backup was begun and did not come to its end. Only
// [Server.BaseBackup] helps then.
func (s *Server) Unfinished() error {
	switch {
	case exists(s.beside(markRewinding)):
		return fmt.Errorf("%w: a rewind of %s did not come to its end; it needs a base backup", ErrHalf, s.o.Data)
	case exists(s.beside(markEmptied)), !isFile(s.in("PG_VERSION")) && exists(s.beside()):
		return fmt.Errorf("%w: a base backup into %s did not come to its end; it has to be taken again", ErrHalf, s.o.Data)
	}
	return nil
}

// quiet begins work that needs the server stopped, and refuses where it is not.
func (s *Server) quiet(ctx context.Context) (context.Context, func(), account, error) {
	work, done, err := s.ops.begin(ctx)
	if err != nil {
		return nil, nil, account{}, err
	}
	if _, err := s.Gone(); err != nil {
		done()
		return nil, nil, account{}, err
	}
	a, err := s.account()
	if err == nil {
		err = s.makeBeside(a)
	}
	if err != nil {
		done()
		return nil, nil, account{}, err
	}
	return work, done, a, nil
}

// Rewind makes a stopped cluster that has gone its own way a standby of f: pg_rewind replaces what differs, then it is made a standby. It does not
// start it. The upstream must act as primary and have written a checkpoint on its own timeline. did says what was done, or that
// nothing had to be.
//
// A cluster that crashed is brought to a clean end first (single-user mode, no connections), as pg_rewind would.
// ErrCannotRewind: pg_rewind looked, said no, and changed nothing; a base backup helps. ErrHalf: it failed on the way; only a base backup helps.
// Any other error: nothing was changed; try again.
func (s *Server) Rewind(ctx context.Context, f Follow, progress func(string)) (did string, err error) {
	work, done, a, err := s.quiet(ctx)
	if err != nil {
		return "", fmt.Errorf("rewind: %w", err)
	}
	defer done()
	if err := s.Unfinished(); err != nil {
		return "", fmt.Errorf("rewind: %w", err)
	}
	if err := s.Passfile(f); err != nil {
		return "", fmt.Errorf("rewind: %w", err)
	}
	if err := s.recover(work, progress); err != nil {
		return "", fmt.Errorf("rewind: %w", err)
	}
	program, err := s.bin("pg_rewind")
	if err != nil {
		return "", err
	}
	from := f.Upstream.With("password", "", "passfile", s.passfilePath(), "dbname", orElse(f.Upstream["dbname"], "postgres"), "connect_timeout", "5")
	argv := []string{program, "--target-pgdata=" + s.o.Data, "--source-server=" + from.String(), "--no-ensure-shutdown"}
	if config := s.configFile(); config != "" {
		argv = append(argv, "--config-file="+config)
	}
	// First without changing anything: whatever may be wrong shows here, and the old cluster stays whole.
	var said []string
	note := func(line string) { said = append(said, line) }
	out, err := s.tool(work, note, append(argv, "--dry-run")...)
	switch {
	case err != nil && work.Err() != nil:
		return "", context.Cause(work)
	case err != nil && unreachable.MatchString(err.Error()) && !barred.MatchString(err.Error()):
		return "", fmt.Errorf("rewind: %w", err)
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrCannotRewind, err)
	case strings.Contains(out+strings.Join(said, "\n"), "no rewind required"):
		return "no rewind was required", s.makeStandby(f, s.o.Data)
	}
	if err := s.keepSettings(a); err != nil {
		return "", fmt.Errorf("rewind: %w", err)
	}
	if err := s.write(a, s.beside(markRewinding), "begun\n"); err != nil {
		return "", fmt.Errorf("rewind: %w", err)
	}
	did = "rewound to " + f.Upstream.Where()
	_, err = s.tool(work, func(line string) {
		if m := percent.FindStringSubmatch(line); m != nil {
			progress(fmt.Sprintf("rewind to %s: %s %%", f.Upstream.Where(), m[1]))
		} else if strings.Contains(line, "rewinding from") {
			did += ": " + strings.TrimPrefix(line, "pg_rewind: ")
		}
	}, append(argv, "--progress")...)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrHalf, err)
	}
	err = s.restoreSettings(a, s.o.Data)
	if err == nil {
		err = s.makeStandby(f, s.o.Data)
	}
	if err == nil {
		err = remove(s.beside(markRewinding))
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrHalf, err)
	}
	return did, s.forgetSettings()
}

// Why pg_rewind had no connection: for now, or because it is not let in, which a base backup, that only streams, may be.
var (
	unreachable = regexp.MustCompile(`connection to server|server closed the connection|could not send query|no connection to the server|SSL SYSCALL`)
	barred      = regexp.MustCompile(`FATAL: .*(pg_hba\.conf|authentication failed|does not exist|permission denied|not permitted)`)
)

// percent finds the progress in what pg_rewind and pg_basebackup print: "12345/67890 kB (18%) copied".
var percent = regexp.MustCompile(`\((\d+)%\)`)

// recover brings a cluster that crashed to a clean end. A standby that crashed cannot be: it is started and stopped by the caller.
func (s *Server) recover(ctx context.Context, progress func(string)) error {
	c, err := s.Control(ctx)
	switch {
	case err != nil:
		return err
	case c.Clean():
		return nil
	case c.WasStandby(), exists(s.in("standby.signal")) && c.State != InProduction && c.State != ShuttingDown:
		return fmt.Errorf("%w: it crashed as a standby (%s), and must be started and stopped as one first", ErrSignal, c.State)
	}
	// In single-user mode a signal is refused. It stands beside meanwhile, and the mark that it was there comes before.
	program, err := s.bin("postgres")
	if err != nil {
		return err
	}
	if exists(s.in("standby.signal")) {
		// It was a primary, crashed, and was made a standby since without ever having run as one. It is made one again after the rewind;
		// until then nothing here starts it as a primary, because only the holder of the lease asks for that.
		if err := remove(s.in("standby.signal")); err != nil {
			return err
		}
	}
	progress("crash recovery of " + s.o.Data + " before the rewind")
	argv := []string{program, "--single", "-F", "-D", s.o.Data}
	if config := s.configFile(); config != "" {
		argv = append(argv, "-c", "config_file="+config)
	}
	if _, err := s.tool(ctx, nil, append(argv, "-c", "archive_mode=off", "-c", "shared_preload_libraries=", "template1")...); err != nil {
		return fmt.Errorf("crash recovery: %w", err)
	}
	if c, err = s.Control(ctx); err == nil && !c.Clean() {
		err = fmt.Errorf("crash recovery: the cluster is %q after it", c.State)
	}
	return err
}

// BaseBackup replaces a stopped cluster, whatever is left of it, by a copy of f's, made a standby. It does not start it. The copy is made
// beside and takes the place when it is complete; the old one stays until then, unless the disk has no room for both. did says what was done.
func (s *Server) BaseBackup(ctx context.Context, f Follow, progress func(string)) (did string, err error) {
	work, done, a, err := s.quiet(ctx)
	if err != nil {
		return "", fmt.Errorf("base backup: %w", err)
	}
	defer done()
	if err := s.layout(); err != nil {
		return "", fmt.Errorf("base backup: %w", err)
	}
	if err := s.Passfile(f); err != nil {
		return "", fmt.Errorf("base backup: %w", err)
	}
	if isFile(s.in("PG_VERSION")) {
		if err := s.keepSettings(a); err != nil {
			return "", fmt.Errorf("base backup: %w", err)
		}
	}
	fresh, complete := s.beside("new"), s.beside("new", "ham.complete")
	if info, err := os.Stat(complete); err != nil || time.Since(info.ModTime()) > staleCopy {
		if err := s.copyFrom(work, a, f, fresh, progress); err != nil {
			return "", fmt.Errorf("base backup: %w", err)
		}
		err := s.restoreSettings(a, fresh)
		if err == nil {
			err = s.makeStandby(f, fresh)
		}
		if err == nil {
			err = s.write(a, complete, "")
		}
		if err != nil {
			return "", fmt.Errorf("base backup: %w", err)
		}
	}
	if err := s.swap(); err != nil {
		return "", fmt.Errorf("base backup: put it in its place: %w", err)
	}
	// From here on the data directory is whole. The marks go, in the order in which each is no longer true.
	for _, path := range []string{s.beside(markRewinding), s.beside(markEmptied), s.in("ham.complete")} {
		if err := remove(path); err != nil {
			return "", fmt.Errorf("base backup: %w", err)
		}
	}
	// The settings may be of an attempt of long ago that followed somebody else.
	if err := s.makeStandby(f, s.o.Data); err != nil {
		return "", fmt.Errorf("base backup: %w", err)
	}
	old, _ := filepath.Glob(s.beside("old.*")) // the pattern is well-formed
	for _, path := range append(old, fresh) {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err = errors.Join(err, s.forgetSettings()); err != nil {
		return "", fmt.Errorf("base backup: clear away the old cluster: %w", err)
	}
	return "base backup of " + f.Upstream.Where(), nil
}

// staleCopy is how old a complete copy may be that an earlier attempt left behind. It could be followed later too, as long as the
// upstream has the log since then; a new one is surer.
const staleCopy = time.Hour

// layout refuses what a base backup here would not bring back as it was.
func (s *Server) layout() error {
	for _, name := range []string{"", "pg_wal"} {
		if info, err := os.Lstat(s.in(name)); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%w: %s is a link to another place; ham replaces the data directory as a whole and would lose it: take the base backup by hand", ErrLayout, s.in(name))
		}
	}
	entries, err := os.ReadDir(s.in("pg_tblspc"))
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("%w: the cluster has tablespaces outside of %s; take the base backup by hand", ErrLayout, s.o.Data)
	}
	return nil
}

// copyFrom takes the backup into fresh.
func (s *Server) copyFrom(ctx context.Context, a account, f Follow, fresh string, progress func(string)) error {
	if err := os.RemoveAll(fresh); err != nil { // of an attempt that did not come to its end
		return err
	}
	from := f.Upstream.With("password", "", "passfile", s.passfilePath(), "dbname", "", "connect_timeout", "5", "application_name", "ham_base_backup")
	if err := s.makeRoom(a, progress); err != nil {
		return err
	}
	program, err := s.bin("pg_basebackup")
	if err != nil {
		return err
	}
	last := ""
	_, err = s.tool(ctx, func(line string) {
		if m := percent.FindStringSubmatch(line); m != nil && m[1] != last {
			last = m[1]
			progress(fmt.Sprintf("base backup of %s: %s %%", f.Upstream.Where(), last))
		}
	}, program, "--dbname="+from.String(), "--pgdata="+fresh, "--format=plain", "--wal-method=stream", "--checkpoint=fast", "--progress", "--no-password")
	return err
}

// makeRoom removes the old cluster where the disk cannot hold both. What is needed is taken to be what the old one takes.
func (s *Server) makeRoom(a account, progress func(string)) error {
	size, err := usage(s.o.Data)
	if errors.Is(err, fs.ErrNotExist) || size == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	free, err := available(filepath.Dir(s.o.Data))
	if err != nil {
		return err
	}
	need := size + size/10 + 64<<20
	if free >= need {
		return nil
	}
	progress(fmt.Sprintf("base backup: %d MB are free and %d MB may be needed, so the old cluster is removed first", free>>20, need>>20))
	if err := s.write(a, s.beside(markEmptied), ""); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.o.Data)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(s.in(e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// usage is how many bytes a directory takes on disk.
func usage(dir string) (uint64, error) {
	var sum uint64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && info.Mode().IsRegular() {
			sum += uint64(info.Size())
		}
		return err
	})
	return sum, err
}

// swap puts the complete copy into its place, in one step where the file system can exchange two names.
func (s *Server) swap() error {
	fresh := s.beside("new")
	if isFile(s.in("ham.complete")) {
		return nil // done before
	}
	if !exists(s.o.Data) {
		return errors.Join(os.Rename(fresh, s.o.Data), syncDir(filepath.Dir(s.o.Data)))
	}
	err := exchange(fresh, s.o.Data)
	if errors.Is(err, errors.ErrUnsupported) {
		// In two steps; in between the place is empty, and the next attempt goes on from there.
		old := s.beside("old." + strconv.Itoa(os.Getpid()))
		if err = os.Rename(s.o.Data, old); err == nil {
			err = os.Rename(fresh, s.o.Data)
		}
		if err == nil {
			err = os.Rename(old, fresh)
		}
	}
	if err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(s.o.Data)), syncDir(s.beside()))
}
