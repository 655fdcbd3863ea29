//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/redis"
)

const redisPort = 6379

// redisConfig is as Debian ships it (snapshots, no append-only file), but for what a bed needs. The password is left out, as in PostgreSQL's pair.
const redisConfig = `bind %[1]s 127.0.0.1
port %[2]d
protected-mode no
unixsocket %[3]s
pidfile %[4]s
dir %[5]s
logfile %[6]s
save 3600 1 300 100 60 10000
`

// redisUnit is what the host's init system runs: the server once, or again 100 ms after each end.
func redisUnit(config string, again bool) string {
	if again {
		return "#!/bin/sh\nwhile :; do /usr/bin/redis-server " + config + "; sleep 0.1; done\n"
	}
	return "#!/bin/sh\nexec /usr/bin/redis-server " + config + "\n"
}

// systemctl stands for systemd's on a host: it knows one unit, and the two things that ham asks of it.
const systemctl = `#!/bin/sh
case "$*" in
"start redis-server")
	[ -e %[2]s ] && kill -0 "$(cat %[2]s)" 2>/dev/null && exit 0
	setsid %[1]s </dev/null >/dev/null 2>&1 &
	echo $! >%[2]s ;;
"kill --signal=SIGKILL redis-server")
	kill -KILL "$(cat %[3]s)" ;;
*)
	echo "this stand-in knows no: $*" >&2
	exit 1 ;;
esac
`

// redisPair is the bed's second kind of database. With wait its clients ask with each write whether the standby has it, too. Again: the init system starts a
// server that ended by itself, as Debian's unit does (Restart=always), against what ham asks for.
type redisPair struct{ wait, again bool }

var _ database = redisPair{}

func (redisPair) port() int { return redisPort }

func (h *host) redisSocket() string { return h.path("disk", "redis.sock") }
func (h *host) redisPID() string    { return h.path("disk", "redis.pid") }

// systemctlPath is a directory for the manager's PATH.
func (h *host) systemctlPath() string { return h.path("systemd") }

func (p redisPair) makePair(ctx context.Context, b *bed, _ string) error {
	for _, h := range []*host{b.sp, b.rj} {
		disk, err := h.mkdir("disk", "", 0o755)
		if err != nil {
			return err
		}
		log, err := filepath.Abs(filepath.Join(b.logs, h.name+"-redis.log"))
		if err != nil {
			return err
		}
		text := fmt.Sprintf(redisConfig, h.addr, redisPort, h.redisSocket(), h.redisPID(), disk, log)
		if h == b.rj {
			text += fmt.Sprintf("replicaof %s %d\n", b.sp.addr, redisPort)
		}
		config, err := h.write("disk/redis.conf", text, "", 0o644)
		if err != nil {
			return err
		}
		unit, err := h.write("systemd/redis-server", redisUnit(config, p.again), "", 0o755)
		if err != nil {
			return err
		}
		ctl, err := h.write("systemd/systemctl", fmt.Sprintf(systemctl, unit, h.path("systemd", "unit.pid"), h.redisPID()), "", 0o755)
		if err != nil {
			return err
		}
		if _, err := h.run(ctx, command{argv: []string{ctl, "start", "redis-server"}}); err != nil {
			return err
		}
	}
	return until(ctx, 20*time.Second, "the standby follows", func() error {
		_, err := p.follows(ctx, b.sp)
		return err
	})
}

// redis opens a connection to the host's server over its unix socket, whatever stands between it and its clients.
func (h *host) redis(ctx context.Context) (*redis.Conn, error) {
	nc, err := h.dial(ctx, "unix", h.redisSocket())
	if err != nil {
		return nil, err
	}
	return redis.NewConn(nc), nil
}

func (redisPair) info(ctx context.Context, h *host) (i redis.Info, barred bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := h.redis(ctx)
	if err != nil {
		return i, false, err
	}
	defer c.Close()
	if i, err = c.Info(ctx); err != nil {
		return i, false, err
	}
	barred, err = c.Barred(ctx)
	return i, barred, err
}

func (redisPair) kill(h *host) error {
	text, err := os.ReadFile(h.redisPID())
	if err != nil {
		return fmt.Errorf("%s: no Redis to kill: %w", h.name, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", h.redisPID(), err)
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// owns: the server calls itself by its name and address; the rest is its unit.
func (redisPair) owns(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && (strings.Contains(string(text), "redis-server") || strings.HasPrefix(string(text), "sleep\x00"))
}

func (p redisPair) acts(ctx context.Context, h *host) (bool, error) {
	i, barred, err := p.info(ctx, h)
	return err == nil && i.Master && !barred, err
}

// redisClose is how many bytes behind a standby that follows may be.
const redisClose = 64 << 10

func (p redisPair) follows(ctx context.Context, primary *host) (bool, error) {
	i, barred, err := p.info(ctx, primary)
	switch {
	case err != nil:
		return false, err
	case !i.Master || barred:
		return false, errors.New(primary.name + " is no master that takes writes")
	case len(i.Replicas) != 1 || !i.Replicas[0].Online:
		return false, errors.New("nobody follows " + primary.name)
	case i.Offset-i.Replicas[0].Offset > redisClose:
		return false, errors.New("the standby of " + primary.name + " is far behind")
	}
	return false, nil
}

// Keys of the clients: a write is a key of its own.
const redisKey = "w:"

func (redisPair) writes(ctx context.Context, h *host) (map[int64]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := h.redis(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	have := map[int64]bool{}
	for cursor := "0"; ; {
		r, err := c.Do(ctx, "SCAN", cursor, "MATCH", redisKey+"*", "COUNT", "1000")
		if err != nil {
			return nil, err
		}
		if len(r.Array) != 2 {
			return nil, fmt.Errorf("SCAN was answered with %d parts, want 2", len(r.Array))
		}
		for _, k := range r.Array[1].Array {
			id, err := strconv.ParseInt(strings.TrimPrefix(k.Text, redisKey), 10, 64)
			if err != nil {
				return nil, err
			}
			have[id] = true
		}
		if cursor = r.Array[0].Text; cursor == "0" {
			return have, nil
		}
	}
}

// redisSession is a client's connection. All of it ends at one server: HAProxy chooses one when it is opened.
type redisSession struct {
	c    *redis.Conn
	node string
	wait bool
}

func (p redisPair) connect(ctx context.Context, from *host, addr string) (session, error) {
	ctx, cancel := context.WithTimeout(ctx, clientPatience)
	defer cancel()
	nc, err := from.dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &redisSession{c: redis.NewConn(nc), wait: p.wait}
	r, err := s.c.Do(ctx, "CLIENT", "INFO")
	if err != nil {
		s.close()
		return nil, err
	}
	for _, word := range strings.Fields(r.Text) {
		if at, ok := strings.CutPrefix(word, "laddr="); ok {
			s.node = from.bed.byAddr(strings.TrimSuffix(at, fmt.Sprintf(":%d", redisPort)))
		}
	}
	if s.node == "" {
		s.close()
		return nil, errors.New("the server did not say who it is")
	}
	return s, nil
}

// waitFor is how long a client waits for the standby with a write that its server has taken.
const waitFor = 50 * time.Millisecond

func (s *redisSession) write(ctx context.Context, id int64, beside string) (node string, alone bool, err error) {
	if beside != "" {
		_, err := s.c.Do(ctx, "SET", fmt.Sprintf("beside:%s:%d", beside, id), "x")
		return beside, false, err
	}
	set := []string{"SET", fmt.Sprintf("%s%d", redisKey, id), s.node}
	if !s.wait {
		_, err := s.c.Do(ctx, set...)
		return s.node, false, err
	}
	replies, err := s.c.Pipe(ctx, set, []string{"WAIT", "1", strconv.FormatInt(waitFor.Milliseconds(), 10)})
	if err == nil {
		err = errors.Join(replies[0].Err, replies[1].Err)
	}
	if err != nil {
		return "", false, err
	}
	return s.node, replies[1].Int < 1, nil
}

func (s *redisSession) good(err error) bool { return redis.IsServerError(err) }

func (s *redisSession) close() { s.c.Close() }
