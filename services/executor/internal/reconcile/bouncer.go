package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/pgbouncer"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	pooled "github.com/isacloud/ha-manager/services/executor/driver/pgbouncer"
)

// bouncer is one route of one group on one PgBouncer, watched over one standing console by the executor beside it, which alone can write its file.
// Its methods are called by its own goroutine, but for wake.
//
// A swap that was given up by everybody between its pause and its route, or that an epoch without steps took the place of, leaves clients held
// back with nobody to let them go. So the pause is looked for all the time, and lifted as soon as no swap is under way.
type bouncer struct {
	teller
	route spec.PgBouncerRoute
	admin spec.Secret
	stop  context.CancelFunc
	look  chan struct{} // holds one token: look now
}

// consoleTalk bounds one conversation with a console.
const consoleTalk = 2 * time.Second

// followBouncers starts what is to be watched and is not, ends what is not to be watched any more, and has the others look now.
func (r *Reconciler) followBouncers(ctx context.Context, all map[string]*bouncer, running *sync.WaitGroup) {
	wanted := r.bouncers()
	for key, b := range all {
		if w := wanted[key]; w == nil || !reflect.DeepEqual(w.route, b.route) {
			b.stop()
			delete(all, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		b := all[key]
		if b == nil {
			b = wanted[key]
			all[key] = b
			var own context.Context
			own, b.stop = context.WithCancel(ctx)
			running.Go(func() { defer b.stop(); b.run(own) })
		}
		select {
		case b.look <- struct{}{}:
		default:
		}
	}
}

func (r *Reconciler) bouncers() map[string]*bouncer {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]*bouncer{}
	for name, desk := range r.desks {
		t := desk.Target()
		if t.Spec == nil {
			continue
		}
		for _, route := range t.Spec.Routes {
			if route.PgBouncer == nil || route.PgBouncer.On != r.opts.Name {
				continue
			}
			for i, admin := range route.PgBouncer.Admins {
				out[strings.Join([]string{name, route.Name, string(admin)}, "\x00")] = &bouncer{
					teller: teller{r: r, desk: desk, group: name, name: route.Name, proxy: fmt.Sprintf("PgBouncer %d", i+1)},
					route:  *route.PgBouncer, admin: admin, look: make(chan struct{}, 1),
				}
			}
		}
	}
	return out
}

func (b *bouncer) run(ctx context.Context) { keepUp(ctx, b.r.opts.Every, b.session, b.lost) }

// session looks over one console until it is lost, and says why.
func (b *bouncer) session(ctx context.Context) error {
	dsn, err := driver.NewSecrets(b.r.opts.Secrets).Resolve(b.admin)
	if err != nil {
		return err
	}
	dial, cancel := context.WithTimeout(ctx, consoleTalk)
	console, err := pgbouncer.Dial(dial, dsn)
	cancel()
	if err != nil {
		return err
	}
	defer console.Close()
	b.proxy = console.Addr()
	ticker := time.NewTicker(b.r.opts.Every)
	defer ticker.Stop()
	for fresh := true; ; fresh = false {
		state, err := b.state(ctx, console)
		if errors.Is(err, pgbouncer.ErrUnreachable) {
			return err
		}
		b.saw(ctx, console, state, err, fresh)
		select {
		case <-ticker.C:
		case <-b.look:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *bouncer) state(ctx context.Context, console *pgbouncer.Console) (pgbouncer.State, error) {
	ctx, cancel := context.WithTimeout(ctx, consoleTalk)
	defer cancel()
	return console.State(ctx, b.route.Database)
}

// saw takes in one look, and sets right what may be set right.
func (b *bouncer) saw(ctx context.Context, console *pgbouncer.Console, s pgbouncer.State, err error, fresh bool) {
	b.away = time.Time{}
	t := b.desk.Target()
	if err != nil {
		b.tellUnreadable(t, err)
		return
	}
	b.observe(s)
	if t.Epoch == 0 || t.Spec == nil {
		return
	}
	want, ok := b.route.Servers[t.Primary]
	if !ok {
		b.raiseGoal(t, fmt.Errorf("it has no server for %s", t.Primary))
		return
	}
	wrong, err := b.wrong(s, want)
	switch {
	case err != nil:
		b.raiseRefused(t, err)
		return
	case wrong == "":
		b.rightOf = t.Epoch
		b.clear(t)
		return
	case t.Wait != "" || !b.desk.Confirm(ctx, t.Order):
		return
	}
	// What is wrong is read anew: since the last look a swap may have begun and ended.
	if s, err = b.state(ctx, console); err != nil {
		return // the next look says so
	}
	if wrong, err = b.wrong(s, want); err != nil || wrong == "" {
		return
	}
	if now := b.desk.Target(); now.Wait != "" || now.Epoch != t.Epoch {
		return
	}
	if err := b.mend(ctx, want); err != nil {
		b.raiseRefused(t, err)
		return
	}
	if s, err = b.state(ctx, console); err == nil {
		b.corrected(t, wrong, fresh)
		b.observe(s)
		b.rightOf = t.Epoch
	}
}

// wrong says what is not as it should be; "": nothing.
func (b *bouncer) wrong(s pgbouncer.State, want string) (string, error) {
	var words []string
	if s.Paused {
		words = append(words, "clients of "+b.route.Database+" are held back")
	}
	if s.Server != want {
		words = append(words, fmt.Sprintf("they are led to %s, not to %s", s.Server, want))
	}
	written, err := pgbouncer.ServerIn(b.route.File, b.route.Database)
	if err != nil {
		return "", err
	}
	if written != want {
		words = append(words, fmt.Sprintf("%s says %s, not %s", b.route.File, written, want))
	}
	return strings.Join(words, ", "), nil
}

// mend is what a plan does to the route, on this PgBouncer alone.
func (b *bouncer) mend(ctx context.Context, want string) error {
	with, err := json.Marshal(spec.PgBouncerArgs{
		Route: b.name, Admins: []spec.Secret{b.admin}, Database: b.route.Database, Action: "resume", Server: want, File: b.route.File, Timeout: consoleTalk,
	})
	if err != nil {
		return err
	}
	d, err := pooled.Kind().New(with)
	if err != nil {
		return err
	}
	_, err = d.Do(ctx, driver.Input{Executor: b.r.opts.Name, Secrets: driver.NewSecrets(b.r.opts.Secrets), Now: b.r.opts.Wall, Log: b.r.opts.Log})
	return err
}

// observe tells where clients are led, if that is new. Clients that are held back are led nowhere.
func (b *bouncer) observe(s pgbouncer.State) {
	var serves []string
	for member, server := range b.route.Servers {
		if server == s.Server && !s.Paused {
			serves = append(serves, member)
		}
	}
	problem := ""
	if s.Paused {
		problem = "clients of " + b.route.Database + " are held back"
	}
	b.serves(serves, problem)
}
