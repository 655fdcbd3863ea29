// Package redis keeps a member's Redis server in its role.
//
// A server that is not the primary is barred from taking writes, as a master and as a replica: whoever promotes it by hand gets a master that
// refuses every write with NOREPLICAS. Bar and role are written into its configuration file, so that it begins barred after a restart, too. Only
// the promotion of a plan lifts the bar, and never in the file.
//
// Ending one is barring it and cutting its clients: Redis runs one command at a time, so that nothing is acknowledged after the bar. The
// process stays, and with it what is only in memory: killed, it would lose what it has acknowledged, and the same member may be the next
// primary. The process is killed only where it does not answer and ham runs its service.
package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/redis"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

// Kind is this package's entry in the executor's list.
func Kind() resource.Kind {
	return resource.Kind{Name: "redis", Holds: func(m spec.Member) bool { return m.Redis != nil }, New: New}
}

const (
	// talk bounds one conversation with the server.
	talk = time.Second
	// patience is how long a standby may be away before it is lost.
	patience = 3 * time.Second
	// closeEnough is how far behind a standby that follows may be, in bytes: more is catching up.
	closeEnough = 1 << 20
)

// kept is one member's server.
type kept struct {
	o      resource.Options
	server spec.Redis

	mu       sync.Mutex
	standbys []spec.Member        // of the last role
	seen     map[string]time.Time // when each followed last
}

var _ resource.Resource = (*kept)(nil)

// New makes it.
func New(o resource.Options) (resource.Resource, error) {
	if o.Member.Redis == nil {
		return nil, fmt.Errorf("member %s holds no Redis", o.Member.Name)
	}
	if err := CheckService(o.Member.Redis.Service); err != nil {
		return nil, fmt.Errorf("member %s: %w", o.Member.Name, err)
	}
	return &kept{o: o, server: *o.Member.Redis, seen: map[string]time.Time{}}, nil
}

// Dial connects to a server that is declared.
func Dial(ctx context.Context, s spec.Redis, secrets spec.Lookup) (*redis.Conn, error) {
	password, err := s.Password.Resolve(secrets)
	if err != nil {
		return nil, fmt.Errorf("password of redis %s: %w", s.Address, err)
	}
	return redis.Dial(ctx, s.Address, password)
}

func (k *kept) dial(ctx context.Context) (*redis.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, talk)
	defer cancel()
	return Dial(ctx, k.server, k.o.Secrets)
}

// Gone says that no process listens there.
func Gone(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// Look says what it is now.
func (k *kept) Look(ctx context.Context) (resource.Sight, error) {
	sight := resource.Sight{Behind: -1}
	c, err := k.dial(ctx)
	if Gone(err) {
		sight.Says = "not running: nobody listens at " + k.server.Address
		return sight, nil
	}
	if err != nil {
		return sight, err
	}
	defer c.Close()
	info, err := c.Info(ctx)
	if err != nil {
		return sight, err
	}
	barred, err := c.Barred(ctx)
	if err != nil {
		return sight, err
	}
	sight.Running = true
	sight.Acting = info.Master && !barred
	sight.Says = says(info, barred)
	switch {
	case info.Master:
		sight.Behind = 0
	case info.LinkUp:
		sight.Behind = info.Received - info.Offset
	}
	if sight.Acting {
		sight.Standbys = k.followers(ctx, info)
	}
	return sight, nil
}

func says(i redis.Info, barred bool) string {
	bar := ""
	if barred {
		bar = ", barred from writes"
	}
	switch {
	case i.Loading:
		return fmt.Sprintf("loading its files: %.0f %%%s", i.Loaded, bar)
	case i.Master:
		return fmt.Sprintf("master at offset %d with %d replicas%s", i.Offset, len(i.Replicas), bar)
	case i.Syncing:
		return fmt.Sprintf("replica of %s, gets a whole copy: %.0f %%%s", i.Upstream, i.Synced, bar)
	case !i.LinkUp:
		return fmt.Sprintf("replica of %s, link down%s", i.Upstream, bar)
	}
	return fmt.Sprintf("replica of %s, %d bytes behind%s", i.Upstream, i.Received-i.Offset, bar)
}

// followers says what each declared standby is. None is ever synchronous: Redis acknowledges before it replicates.
func (k *kept) followers(ctx context.Context, i redis.Info) []message.Standby {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	var out []message.Standby
	for _, m := range k.standbys {
		s := message.Standby{Member: m.Name, State: message.StandbyLost, Why: "it does not follow"}
		for _, r := range i.Replicas {
			if m.Redis == nil || !same(ctx, m.Redis.Address, r.Addr) {
				continue
			}
			s.LagBytes, s.LagMicros, s.Why = max(0, i.Offset-r.Offset), r.Lag*1_000_000, ""
			switch {
			case !r.Online:
				s.State, s.Why = message.StandbyCatchingUp, "it gets a whole copy"
			case time.Duration(r.Lag)*time.Second > patience:
				s.Why = fmt.Sprintf("not heard for %d s", r.Lag)
			case s.LagBytes > closeEnough:
				s.State = message.StandbyCatchingUp
			default:
				s.State = message.StandbyStreaming
			}
		}
		if s.State != message.StandbyLost {
			k.seen[m.Name] = now
		} else if _, ok := k.seen[m.Name]; !ok {
			k.seen[m.Name] = now // patience begins with the first look
		}
		if away := now.Sub(k.seen[m.Name]); s.State == message.StandbyLost && away < patience {
			s.State = message.StandbyCatchingUp
		}
		out = append(out, s)
	}
	return out
}

// same says whether a replica, by the address that its master knows it by, is the one declared at an address that may be a name.
func same(ctx context.Context, declared, seen string) bool {
	if declared == seen {
		return true
	}
	host, port, err := net.SplitHostPort(declared)
	ip, seenPort, err2 := net.SplitHostPort(seen)
	if err != nil || err2 != nil || port != seenPort || net.ParseIP(host) != nil {
		return false
	}
	addrs, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if a == ip {
			return true
		}
	}
	return false
}

// Settle bars it unless it is the primary, and makes it follow.
func (k *kept) Settle(ctx context.Context, role resource.Role) (string, error) {
	k.mu.Lock()
	k.standbys = role.Standbys
	k.mu.Unlock()
	c, err := k.dial(ctx)
	if Gone(err) {
		if k.server.Service == "" {
			return "", fmt.Errorf("%w; ham starts nothing where no service is declared", err)
		}
		if role.Upstream == nil {
			// A dead primary stays dead until another one is held, or a step of the plan starts it: its files are older than what its replicas have, and
			// they would take that for theirs as soon as it answers.
			return "", nil
		}
		if err := Start(ctx, k.server.Service); err != nil {
			return "", err
		}
		return "started " + k.server.Service, nil
	}
	if err != nil {
		return "", err
	}
	defer c.Close()
	if role.Primary {
		return "", nil // the promotion is a step of the plan
	}
	ctx, cancel := context.WithTimeout(ctx, 5*talk)
	defer cancel()
	did, err := k.standDown(ctx, c, role.Upstream)
	return strings.Join(did, ", "), err
}

// standDown: first what keeps it from taking writes, then whom it follows.
func (k *kept) standDown(ctx context.Context, c *redis.Conn, upstream *spec.Member) (did []string, err error) {
	info, err := c.Info(ctx)
	if err != nil || info.Loading {
		return nil, err // it takes no writes while it loads
	}
	barred, err := c.Bar(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case barred && info.Master:
		n, err := c.Cut(ctx)
		did = append(did, fmt.Sprintf("it was a master without the role: barred from writes, %d clients cut", n))
		if err != nil {
			return did, err
		}
	case barred:
		did = append(did, "barred from writes, for whoever promotes it by hand")
	}
	if made, err := c.ReadOnly(ctx); err != nil {
		return did, err
	} else if made {
		did = append(did, "replica-read-only is yes again")
	}
	if upstream == nil || upstream.Redis == nil {
		return did, k.remember(ctx, c, did)
	}
	if upstream.Name == k.o.Member.Name {
		return did, fmt.Errorf("%s is to follow itself", upstream.Name)
	}
	if info.Master || info.Upstream != upstream.Redis.Address {
		followed, err := k.follow(ctx, c, upstream)
		if err != nil {
			return did, errors.Join(k.remember(ctx, c, did), err)
		}
		if followed {
			did = append(did, "follows "+upstream.Name)
		}
	}
	if info.Syncing && k.o.Progress != nil {
		k.o.Progress(fmt.Sprintf("whole copy of %s for %s: %.0f %%", upstream.Name, k.o.Member.Name, info.Synced))
	}
	return did, k.remember(ctx, c, did)
}

// follow makes it a replica of upstream, once that is master: what it has itself is gone then, and two that follow each other have no data
// but what is left. False: it is not master yet.
func (k *kept) follow(ctx context.Context, c *redis.Conn, upstream *spec.Member) (bool, error) {
	password, err := upstream.Redis.Password.Resolve(k.o.Secrets)
	if err != nil {
		return false, fmt.Errorf("password of redis %s: %w", upstream.Redis.Address, err)
	}
	ask, cancel := context.WithTimeout(ctx, talk)
	defer cancel()
	u, err := redis.Dial(ask, upstream.Redis.Address, password)
	if err != nil {
		return false, fmt.Errorf("%s cannot be asked whether it is master: %w", upstream.Name, err)
	}
	defer u.Close()
	info, err := u.Info(ask)
	if err != nil {
		return false, fmt.Errorf("%s cannot be asked whether it is master: %w", upstream.Name, err)
	}
	if !info.Master || info.Loading {
		return false, nil
	}
	return true, c.Follow(ctx, upstream.Redis.Address, password)
}

// remember writes what was done into the configuration file. Where it cannot be written the guard alone keeps clients away after a restart.
func (k *kept) remember(ctx context.Context, c *redis.Conn, did []string) error {
	if len(did) == 0 {
		return nil
	}
	if err := c.Rewrite(ctx); err != nil {
		if !redis.IsServerError(err) {
			return err
		}
		k.o.Log.Warn("Redis cannot write its configuration file: after a restart it begins as it says there", "member", k.o.Member.Name, "error", err)
	}
	return nil
}

// Kill bars it and cuts its clients. See the package.
func (k *kept) Kill(ctx context.Context) (string, error) {
	proof, err := k.shut(ctx)
	if err == nil || Gone(err) {
		if err != nil {
			proof = "nobody listens at " + k.server.Address
		}
		return proof, nil
	}
	if k.server.Service == "" {
		return "", fmt.Errorf("it cannot be kept from writes, and no service is declared that could be killed: %w", err)
	}
	if err := kill(ctx, k.server.Service); err != nil {
		return "", err
	}
	for {
		c, err := k.dial(ctx)
		if Gone(err) {
			return k.server.Service + " was killed: nobody listens at " + k.server.Address, nil
		}
		if err == nil {
			c.Close()
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return "", fmt.Errorf("%s was killed, and somebody still listens at %s: %w", k.server.Service, k.server.Address, context.Cause(ctx))
		}
	}
}

func (k *kept) shut(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*talk)
	defer cancel()
	c, err := k.dial(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := c.Bar(ctx); err != nil {
		return "", err
	}
	n, err := c.Cut(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("it refuses every write (min-replicas-to-write), and %d clients were cut", n), nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
