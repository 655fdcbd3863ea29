//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// path is where programs are looked for.
	path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// stateDir holds a file for each bed, so that what a crashed program left can be found.
	stateDir = "/run/ham-testbed"
)

// names of the hosts, and their last byte in 10.99.0.0/24.
var hostNames = []string{"sp", "rj", "witness", "router"}

// bed is a set of hosts joined by a bridge.
type bed struct {
	id    string
	dir   string // of all files of the bed
	logs  string // of all logs
	net   string // the bridge's namespace
	hosts map[string]*host
	sp, rj, witness,
	router *host
	db     database // what the data hosts hold
	mounts []string
	// fakeClock: the databases run under libfaketime.
	fakeClock bool
	mu        sync.Mutex
	stalled   map[string]bool // hosts whose disk takes no write
}

// bedState is what is written down before anything is made.
type bedState struct {
	ID     string   `json:"id"`
	PID    int      `json:"pid"`
	Start  string   `json:"start"` // of the process, from /proc: an id may be used again
	Dir    string   `json:"dir"`
	Names  []string `json:"namespaces"`
	Mounts []string `json:"mounts"`
}

// newBed makes the hosts and their network. Logs go to the directory logs, which outlives the bed.
func newBed(ctx context.Context, logs string) (_ *bed, err error) {
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, err
	}
	if logs, err = filepath.Abs(logs); err != nil {
		return nil, err
	}
	b := &bed{id: strings.ToLower(rand.Text()[:5]), logs: logs, hosts: map[string]*host{}, db: postgres{}, stalled: map[string]bool{}}
	if b.dir, err = os.MkdirTemp("/var/tmp", "ham-testbed-"); err != nil {
		return nil, err
	}
	b.net = "hb" + b.id + "-net"
	for i, name := range hostNames {
		b.hosts[name] = &host{name: name, addr: fmt.Sprintf("10.99.0.%d", i+1), dir: filepath.Join(b.dir, name), ns: "hb" + b.id + "-" + name, bed: b, fd: -1, ipc: -1}
	}
	b.sp, b.rj, b.witness, b.router = b.hosts["sp"], b.hosts["rj"], b.hosts["witness"], b.hosts["router"]
	if err := b.save(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return nil, err
	}
	if err := b.script(ctx, "ip", []string{
		"netns add " + b.net,
		"-n " + b.net + " link set lo up",
		"-n " + b.net + " link add br0 type bridge forward_delay 0 stp_state 0",
		"-n " + b.net + " link set br0 up",
	}); err != nil {
		return nil, err
	}
	for _, name := range hostNames {
		h := b.hosts[name]
		if err := os.MkdirAll(h.dir, 0o755); err != nil {
			return nil, err
		}
		if err := b.script(ctx, "ip", []string{
			"netns add " + h.ns,
			"link add " + h.name + " netns " + b.net + " type veth peer name eth0 netns " + h.ns,
			"-n " + b.net + " link set " + h.name + " master br0 up",
			"-n " + h.ns + " link set lo up",
			"-n " + h.ns + " addr add " + h.addr + "/24 dev eth0",
			"-n " + h.ns + " link set eth0 up",
		}); err != nil {
			return nil, err
		}
		if h.fd, err = unix.Open("/run/netns/"+h.ns, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return nil, err
		}
		if h.ipc, err = newIPC(); err != nil {
			return nil, err
		}
		var st unix.Stat_t
		if err := unix.Fstat(h.fd, &st); err != nil {
			return nil, err
		}
		h.inode = st.Ino
	}
	return b, errors.Join(b.nft(ctx, "add table bridge faults"), b.nft(ctx, "add chain bridge faults forward { type filter hook forward priority 0; }"))
}

// script runs lines of one command.
func (b *bed) script(ctx context.Context, name string, lines []string) error {
	for _, l := range lines {
		if err := tool(ctx, append([]string{name}, strings.Fields(l)...)...); err != nil {
			return err
		}
	}
	return nil
}

// tool runs a command of the system to its end.
func tool(ctx context.Context, argv ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+path)
	if out, err := printed(cmd); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, tail(out, 300))
	}
	return nil
}

// note keeps a text beside the logs.
func (b *bed) note(text string) {
	_ = os.WriteFile(filepath.Join(b.logs, "diagnosis.txt"), []byte(text), 0o644) // only for a person who looks later
}

func (b *bed) statePath() string { return filepath.Join(stateDir, b.id+".json") }

func (b *bed) save() error {
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return err
	}
	s := bedState{ID: b.id, PID: os.Getpid(), Start: startOf(os.Getpid()), Dir: b.dir, Names: []string{b.net}, Mounts: b.mounts}
	for _, name := range hostNames {
		s.Names = append(s.Names, b.hosts[name].ns)
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(b.statePath(), text, 0o644)
}

// mount mounts something below the bed's directory, and writes it down first.
func (b *bed) mount(ctx context.Context, at string, argv ...string) error {
	b.mu.Lock()
	b.mounts = append(b.mounts, at)
	err := b.save()
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return tool(ctx, append([]string{"mount"}, append(argv, at)...)...)
}

// Close takes everything away. It may be called twice.
func (b *bed) Close() error {
	for _, h := range b.hosts {
		for _, fd := range []*int{&h.fd, &h.ipc} {
			if *fd >= 0 {
				_ = unix.Close(*fd)
				*fd = -1
			}
		}
	}
	s := bedState{ID: b.id, Dir: b.dir, Names: []string{b.net}, Mounts: b.mounts}
	for _, name := range hostNames {
		s.Names = append(s.Names, b.hosts[name].ns)
	}
	return s.remove()
}

// remove takes away what the state names: processes first, so that nothing holds a mount or a namespace. What is gone already is passed over.
func (s bedState) remove() error {
	inodes := map[uint64]bool{}
	for _, n := range s.Names {
		var st unix.Stat_t
		if unix.Stat("/run/netns/"+n, &st) == nil {
			inodes[st.Ino] = true
		}
	}
	var errs []error
	for _, m := range s.Mounts { // of a disk that was left stalled: a process that waits for it would not end
		_, _ = printed(exec.Command("fsfreeze", "-u", m))
	}
	deadline := time.Now().Add(15 * time.Second)
	for {
		left := slices.DeleteFunc(pidsIn(func(i uint64) bool { return inodes[i] }), func(pid int) bool { return state(pid) == 'Z' })
		if len(left) == 0 {
			break
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if time.Now().After(deadline) {
			errs = append(errs, fmt.Errorf("processes %v do not end", left))
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, m := range slices.Backward(s.Mounts) {
		err := unix.Unmount(m, 0)
		for errors.Is(err, unix.EBUSY) && time.Now().Before(deadline) { // the kernel lets go of what was killed a moment later
			time.Sleep(20 * time.Millisecond)
			err = unix.Unmount(m, 0)
		}
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", m, err))
		}
	}
	for _, n := range s.Names {
		if _, err := os.Stat("/run/netns/" + n); err == nil {
			errs = append(errs, tool(context.Background(), "ip", "netns", "del", n))
		}
	}
	if strings.HasPrefix(s.Dir, "/var/tmp/ham-testbed-") {
		errs = append(errs, os.RemoveAll(s.Dir))
	}
	errs = append(errs, forgetClocks())
	if g := "/sys/fs/cgroup/blkio/ham-testbed-" + s.ID; exists(g) {
		errs = append(errs, os.Remove(g))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("bed %s: %w (the next `testbed down` tries again)", s.ID, err)
	}
	return os.RemoveAll(filepath.Join(stateDir, s.ID+".json"))
}

// forgetClocks removes what libfaketime left of processes that are no more: it has a file for each, which a killed one cannot remove, and a process that
// gets the same id would fail over it.
func forgetClocks() error {
	files, err := filepath.Glob("/dev/shm/*faketime_s*_*")
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		pid := f[strings.LastIndexByte(f, '_')+1:]
		if _, err := strconv.Atoi(pid); err == nil && !exists("/proc/"+pid) {
			if err := os.Remove(f); !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// down removes the beds that no living program owns; with all, every one. It returns how many there were.
func down(all bool) (int, error) {
	files, err := filepath.Glob(filepath.Join(stateDir, "*.json"))
	if err != nil {
		return 0, err
	}
	n := 0
	var errs []error
	for _, f := range files {
		var s bedState
		text, err := os.ReadFile(f)
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err != nil || s.ID == "" {
			errs = append(errs, fmt.Errorf("%s: cannot be read: %w", f, err))
			continue
		}
		if !all && startOf(s.PID) == s.Start {
			continue
		}
		n++
		errs = append(errs, s.remove())
	}
	return n, errors.Join(errs...)
}

// startOf is when a process was started, in ticks since the machine booted; "" where there is none.
func startOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	s := string(stat)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 20 || f[0] == "Z" {
		return ""
	}
	return f[19]
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

// credential is a user's, with its groups.
func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	groups, err3 := u.GroupIds()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("user %s: %w", name, err)
	}
	c := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, g := range groups {
		if n, err := strconv.ParseUint(g, 10, 32); err == nil {
			c.Groups = append(c.Groups, uint32(n))
		}
	}
	return c, nil
}

func chown(p, name string) error {
	if name == "" {
		return nil
	}
	c, err := credential(name)
	if err != nil {
		return err
	}
	return os.Chown(p, int(c.Uid), int(c.Gid))
}
