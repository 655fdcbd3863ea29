package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// makeBeside makes the folder for what ham keeps, for nobody but the server's user.
func (s *Server) makeBeside(a account) error {
	dir := s.beside()
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		info, err := os.Lstat(dir)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%s is where ham keeps its own files, and it is no directory", dir)
		}
		return nil
	case err != nil:
		return fmt.Errorf("ham keeps its own files beside the data directory, and may not make their folder: %w", err)
	}
	if err := a.own(dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// write puts a file in its place as a whole, for the server's user alone, and returns when it is on disk.
func (s *Server) write(a account, path, text string) error {
	return s.place(a, path, 0o600, func(f *os.File) error { _, err := f.WriteString(text); return err })
}

func (s *Server) place(a account, path string, mode fs.FileMode, fill func(*os.File) error) error {
	tmp := path + ".ham-new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY|noFollow, mode)
	if err != nil {
		return err
	}
	err = errors.Join(fill(f), f.Chmod(mode), a.own(tmp), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp) // the error that matters is told
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// remove takes a file away and returns when that is on disk.
func remove(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// copyFile copies a regular file with its mode.
func (s *Server) copyFile(a account, from, to string) error {
	in, err := os.OpenFile(from, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	return s.place(a, to, info.Mode().Perm(), func(f *os.File) error { _, err := io.Copy(f, in); return err })
}

// settings are the files of the data directory that say how this server is run: pg_rewind and a base backup bring those of the other server
// in their place. Certificates and keys belong to the host, too.
func isSettings(name string) bool {
	switch filepath.Ext(name) {
	case ".conf", ".crt", ".key", ".pem", ".crl":
		return true
	}
	return name == "PG_VERSION" || name == "postmaster.opts"
}

// keepSettings copies them beside, once: what was kept stays until forgetSettings, whatever was begun in between.
func (s *Server) keepSettings(a account) error {
	kept, making := s.beside("settings"), s.beside("settings.making")
	if exists(kept) {
		return nil
	}
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir(making, 0o700), a.own(making)); err != nil {
		return err
	}
	names, err := s.settingsIn(s.o.Data)
	if err != nil {
		return fmt.Errorf("keep the settings: %w", err)
	}
	for _, name := range names {
		to := filepath.Join(making, name)
		if dir := filepath.Dir(to); dir != making && !exists(dir) {
			if err := errors.Join(os.Mkdir(dir, 0o700), a.own(dir)); err != nil {
				return err
			}
		}
		if err := s.copyFile(a, s.in(name), to); err != nil {
			return fmt.Errorf("keep the settings: %w", err)
		}
	}
	if err := os.Rename(making, kept); err != nil {
		return err
	}
	return syncDir(s.beside())
}

// settingsIn lists them, relative to dir: those at the top and those in conf.d.
func (s *Server) settingsIn(dir string) ([]string, error) {
	var names []string
	for _, sub := range []string{"", "conf.d"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if e.Type().IsRegular() && isSettings(e.Name()) && !strings.HasSuffix(e.Name(), ".ham-new") {
				names = append(names, filepath.Join(sub, e.Name()))
			}
		}
	}
	return names, nil
}

// restoreSettings copies what was kept into a data directory, and takes away what came from the other server and was not here.
func (s *Server) restoreSettings(a account, into string) error {
	kept, err := s.settingsIn(s.beside("settings"))
	if err != nil || len(kept) == 0 {
		return err
	}
	have := map[string]bool{}
	for _, name := range kept {
		have[name] = true
	}
	theirs, err := s.settingsIn(into)
	if err != nil {
		return err
	}
	for _, name := range theirs {
		if !have[name] && name != "PG_VERSION" {
			if err := remove(filepath.Join(into, name)); err != nil {
				return err
			}
		}
	}
	for _, name := range kept {
		if name == "PG_VERSION" {
			continue // that of the new contents counts
		}
		to := filepath.Join(into, name)
		if dir := filepath.Dir(to); !exists(dir) {
			if err := errors.Join(os.Mkdir(dir, 0o700), a.own(dir)); err != nil {
				return err
			}
		}
		if err := s.copyFile(a, s.beside("settings", name), to); err != nil {
			return fmt.Errorf("restore the settings: %w", err)
		}
	}
	return nil
}

func (s *Server) forgetSettings() error { return os.RemoveAll(s.beside("settings")) }
