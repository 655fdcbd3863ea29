package server

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Options of a server.
type Options struct {
	// Service is who runs the process: "pg_ctl" (this package starts postgres as pg_ctl does), "systemd:<unit>", or
	// "cluster:<version>/<name>" for Debian's pg_ctlcluster.
	Service string
	// Data is the data directory, absolute. Bin is where postgres, pg_rewind and pg_basebackup lie; empty: Debian's place for the
	// version in Data, else PATH.
	Data, Bin string
	// RunAs is the user that owns Data and runs the server. Empty: the own user; as root, the owner of Data.
	RunAs string
	// Log may be nil.
	Log *slog.Logger
}

// Server is one cluster. Safe for concurrent use; [Server.Kill] may come at any time and ends the others, also those of another Server
// of the same data directory in this process.
type Server struct {
	o       Options
	service service
	ops     *ops
}

type service struct {
	kind          string // pg_ctl, systemd, cluster
	unit          string
	version, name string
}

// New checks the options and does no I/O.
func New(o Options) (*Server, error) {
	s := &Server{o: o}
	if !filepath.IsAbs(o.Data) || filepath.Clean(o.Data) == "/" {
		return nil, fmt.Errorf("data: want the absolute path of a data directory, not %q", o.Data)
	}
	s.o.Data = filepath.Clean(o.Data)
	if o.Bin != "" && !filepath.IsAbs(o.Bin) {
		return nil, fmt.Errorf("bin: want the absolute path of the directory of pg_ctl and its like, not %q", o.Bin)
	}
	if o.Log == nil {
		s.o.Log = slog.New(slog.DiscardHandler)
	}
	kind, rest, _ := strings.Cut(o.Service, ":")
	switch {
	case o.Service == "pg_ctl":
		s.service = service{kind: "pg_ctl"}
	case kind == "systemd" && isWord(rest, "@.-_\\:"):
		s.service = service{kind: kind, unit: rest}
	case kind == "cluster":
		version, name, ok := strings.Cut(rest, "/")
		if _, err := strconv.ParseFloat(version, 64); err != nil || !ok || !isWord(name, "._-") {
			return nil, fmt.Errorf("service: want cluster:<version>/<name> such as cluster:15/main, not %q", o.Service)
		}
		s.service = service{kind: kind, version: version, name: name}
	default:
		return nil, fmt.Errorf("service: want pg_ctl, systemd:<unit> or cluster:<version>/<name>, not %q", o.Service)
	}
	s.ops = opsOf(s.o.Data)
	return s, nil
}

// isWord keeps what ends up as an argument from being an option or a path.
func isWord(s, also string) bool {
	if s == "" || s[0] == '-' || s[0] == '.' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(also, r)
	})
}

// Data is the data directory.
func (s *Server) Data() string { return s.o.Data }

func (s *Server) in(name ...string) string {
	return filepath.Join(append([]string{s.o.Data}, name...)...)
}

// beside is where ham keeps what is its own: <data>.ham.
func (s *Server) beside(name ...string) string {
	return filepath.Join(append([]string{s.o.Data + ".ham"}, name...)...)
}

// account is whom the server runs as.
type account struct {
	uid, gid uint32
	groups   []uint32
	name     string
	other    bool // not this process's own user
}

func (s *Server) account() (account, error) {
	own := account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	name := s.o.RunAs
	if name == "" {
		if own.uid != 0 {
			return own, nil
		}
		info, err := os.Stat(s.o.Data)
		if errors.Is(err, fs.ErrNotExist) {
			info, err = os.Stat(s.beside())
		}
		if err != nil {
			return account{}, fmt.Errorf("whose data directory it is: %w", err)
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if !ok || owner.Uid == 0 {
			return account{}, fmt.Errorf("%s belongs to root, as whom PostgreSQL does not run: say run_as", s.o.Data)
		}
		u, err := user.LookupId(strconv.Itoa(int(owner.Uid)))
		if err != nil { // an owner without a name is good enough
			return account{uid: owner.Uid, gid: owner.Gid, other: true}, nil
		}
		name = u.Username
	}
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("run_as: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("run_as %s: user number %q", name, u.Uid)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("run_as %s: group number %q", name, u.Gid)
	}
	a := account{uid: uint32(uid), gid: uint32(gid), name: name, other: uint32(uid) != own.uid}
	if a.other && own.uid != 0 {
		return account{}, fmt.Errorf("run_as %s: this process is user %d, and only root may run a server as another user", name, own.uid)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return a, nil // the main group is enough for a server; ssl-cert and its like are then missing
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.groups = append(a.groups, uint32(n))
		}
	}
	return a, nil
}

// own gives a file to the account.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// bin finds a program of PostgreSQL.
func (s *Server) bin(program string) (string, error) {
	dir := s.o.Bin
	if dir == "" {
		if version, err := s.version(); err == nil {
			if d := "/usr/lib/postgresql/" + version + "/bin"; isFile(filepath.Join(d, program)) {
				dir = d
			}
		}
	}
	if dir == "" {
		for _, d := range filepath.SplitList(os.Getenv("PATH")) {
			if filepath.IsAbs(d) && isFile(filepath.Join(d, program)) {
				return filepath.Join(d, program), nil
			}
		}
		return "", fmt.Errorf("%s is not found: say bin, the directory where PostgreSQL's programs lie", program)
	}
	path := filepath.Join(dir, program)
	if !isFile(path) {
		return "", fmt.Errorf("bin: %s has no %s", dir, program)
	}
	return path, nil
}

// version is the major version in PG_VERSION, of the data directory or, while that is away, of what was kept of it.
func (s *Server) version() (string, error) {
	if s.service.version != "" {
		return s.service.version, nil
	}
	b, err := os.ReadFile(s.in("PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		b, err = os.ReadFile(s.beside("settings", "PG_VERSION"))
	}
	return strings.TrimSpace(string(b)), err
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// exists says whether there is something at path; an error other than its absence counts as there being something.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// configFile is the main configuration file where it does not lie in the data directory, as the last start said; else "".
func (s *Server) configFile() string {
	if s.service.kind == "cluster" {
		root := os.Getenv("PG_CLUSTER_CONF_ROOT")
		if root == "" {
			root = "/etc/postgresql"
		}
		return filepath.Join(root, s.service.version, s.service.name, "postgresql.conf")
	}
	for _, dir := range []string{s.in("postmaster.opts"), s.beside("settings", "postmaster.opts")} {
		f, err := os.Open(dir)
		if err != nil {
			continue
		}
		line, _ := bufio.NewReader(f).ReadString('\n')
		_ = f.Close() // it was only read
		for _, word := range strings.Split(line, `"`) {
			if path, ok := strings.CutPrefix(word, "config_file="); ok && filepath.IsAbs(path) {
				return path
			}
		}
		return ""
	}
	return ""
}
