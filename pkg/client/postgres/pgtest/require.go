package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Programs is a PostgreSQL installation, and who may run it.
type Programs struct {
	// Bin is the folder of postgres, initdb, pg_ctl, pg_basebackup, pg_rewind; Major is the server's major version.
	Bin   string
	Major int
	// User runs the servers: "postgres" for root, else whoever runs the test.
	User string

	credential *syscall.Credential // nil: the test's own user
}

// Path is where the program lies.
func (p Programs) Path(name string) string { return filepath.Join(p.Bin, name) }

// Command prepares a program of the installation to be run as the servers' user. It is killed when the test's process dies.
func (p Programs) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(p.Path(name), args...)
	cmd.SysProcAttr = childAttributes(p.credential)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGOPTIONS=", "PGPASSFILE=/dev/null", "PGSERVICEFILE=/dev/null")
	cmd.Dir = "/" // the test's own folder may be closed to that user
	return cmd
}

// give makes the servers' user the owner of paths.
func (p Programs) give(paths ...string) error {
	if p.credential == nil {
		return nil
	}
	for _, path := range paths {
		if err := os.Chown(path, int(p.credential.Uid), int(p.credential.Gid)); err != nil {
			return err
		}
	}
	return nil
}

var find = sync.OnceValues(findPrograms)

// Require returns the newest installation that was found. Where there is none it skips the test, or, with HAM_REQUIRE=1, fails it.
func Require(t testing.TB) Programs {
	t.Helper()
	p, err := find()
	if err == nil {
		return p
	}
	const missing = "this test needs a PostgreSQL server (Debian: apt-get install postgresql)"
	if os.Getenv("HAM_REQUIRE") == "1" {
		t.Fatalf("%s, and HAM_REQUIRE=1 is set: %v", missing, err)
	}
	t.Skipf("%s: %v", missing, err)
	return p
}

func findPrograms() (Programs, error) {
	var p Programs
	if runtime.GOOS != "linux" {
		return p, errors.New("its processes are found by way of /proc, which only Linux has")
	}
	// Debian keeps servers out of PATH, one folder a major version.
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(bins, func(a, b string) int { return version(b) - version(a) })
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		bins = append(bins, strings.TrimSpace(string(out)))
	}
	for _, bin := range bins {
		out, err := exec.Command(filepath.Join(bin, "postgres"), "--version").Output()
		if err != nil {
			continue
		}
		// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
		if _, err := fmt.Sscanf(string(out), "postgres (PostgreSQL) %d", &p.Major); err == nil {
			p.Bin = bin
			break
		}
	}
	if p.Bin == "" {
		return p, errors.New("no program postgres in /usr/lib/postgresql/*/bin nor where pg_config says")
	}
	if os.Geteuid() != 0 {
		me, err := user.Current()
		if err != nil {
			return p, fmt.Errorf("who runs this: %w", err)
		}
		p.User = me.Username
		return p, nil
	}
	other, err := user.Lookup("postgres")
	if err != nil {
		return p, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, uidErr := strconv.ParseUint(other.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(other.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return p, err
	}
	p.User, p.credential = other.Username, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return p, nil
}

// version is the major version in the path of a folder of Debian's.
func version(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}
