package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
)

// proof is what is known of a setting of synchronous_standby_names: since when every commit waits for all that it names.
//
// ALTER SYSTEM and a reload return before the processes of the server have read the setting, and a standby that is called synchronous too early is
// one whose promotion loses writes. What is shown, in this order:
//
//  1. A session that was opened after the reload has the new value. The postmaster reads a setting, signals all its children, and only then
//     takes the next connection: so all have been signalled.
//  2. Where nobody was waited for before, commits wait only when the checkpointer has read it, and that may be in the middle of a long
//     checkpoint. A checkpoint that was asked for now is begun only after it has: so one is asked for.
//  3. A record is written, and flushed: the mark. A sender looks for a new setting each time before it takes what its standby says. A standby that
//     has flushed the mark was sent it, and heard after that: so its sender has read the setting.
//
// A standby has every acknowledged write when it has flushed the mark: writes acknowledged before lie below it, later ones waited for it.
// What ham cannot see: a session that sets synchronous_commit to off or local waits for nobody, which is its own choice.
type proof struct {
	mu      sync.Mutex
	names   string // for which it was shown last; "": never
	mark    postgres.LSN
	life    string // of the server in which it was shown
	nobody  bool   // nobody was waited for at some time since
	changes int    // grows with each change: what was begun before one shows nothing of what is after it
}

// changed says that the setting was changed, and from what.
func (p *proof) changed(from string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark, p.nobody, p.changes = 0, p.nobody || from == "", p.changes+1
}

// of says whether it was shown for that setting, in that life of the server.
func (p *proof) of(names, life string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mark != 0 && p.names == names && p.life == life
}

// shown says whether the follower has every acknowledged write.
func (p *proof) shown(names, life string, f *postgres.Follower) bool {
	return p.of(names, life) && f.Flush >= p.mark
}

// propagation bounds the wait for a reload.
const propagation = 10 * time.Second

// prove shows it for the setting as it is.
func (d *database) prove(ctx context.Context, names, life string) error {
	p := &d.proof
	p.mu.Lock()
	checkpoint, changes := p.nobody || p.names == "" || p.life != life, p.changes
	p.mu.Unlock()
	conn, err := d.reloaded(ctx, names)
	if err != nil {
		return err
	}
	defer conn.Close()
	if checkpoint {
		if err := conn.Checkpoint(ctx); err != nil {
			return err
		}
	}
	mark, err := conn.Mark(ctx, "synchronous "+names)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changes == changes {
		p.names, p.mark, p.life, p.nobody = names, mark, life, false
	}
	return nil
}

// reloaded opens connections until one has the setting.
func (d *database) reloaded(ctx context.Context, names string) (*postgres.Conn, error) {
	limit, cancel := context.WithTimeout(ctx, propagation)
	defer cancel()
	for {
		conn, err := d.connect(limit)
		if err != nil {
			return nil, err
		}
		is, err := conn.Setting(limit, "synchronous_standby_names")
		if err == nil && is == names {
			return conn, nil
		}
		conn.Close()
		if err != nil {
			return nil, err
		}
		if wait(limit, 5*time.Millisecond); limit.Err() != nil {
			return nil, fmt.Errorf("synchronous_standby_names is %q after %s, and was set to %q", is, propagation, names)
		}
	}
}

// job is the one thing that goes on beside, for a server that acts as primary.
type job struct {
	mu     sync.Mutex
	busy   bool
	closed bool
	err    error
	pace   attempts
	cancel context.CancelFunc // of what goes on
	all    sync.WaitGroup
}

// jobLimit bounds it: a checkpoint of a large server on a slow disk.
const jobLimit = 10 * time.Minute

// start begins it, unless one goes on or the last one has just failed; then it says how. It ends with the server, since its connection does, or
// when the job is closed.
func (j *job) start(f func(context.Context) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.busy || j.closed || !j.pace.may(time.Now()) {
		return j.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), jobLimit)
	j.busy, j.cancel = true, cancel
	j.all.Go(func() {
		defer cancel()
		err := f(ctx)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.busy, j.err = false, err
		j.pace.over(time.Now(), false, err)
	})
	return nil
}

// close ends what goes on and waits for it. Nothing is begun after it.
func (j *job) close() {
	j.mu.Lock()
	j.closed = true
	if j.cancel != nil {
		j.cancel()
	}
	j.mu.Unlock()
	j.all.Wait()
}
