package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
)

// rejoin makes a stopped server a standby of the upstream again.
func (d *database) rejoin(ctx context.Context) (did string, err error) {
	d.hangUp()
	f, err := d.upstream()
	if err != nil {
		return "", err
	}
	if !d.rebuild.may(d.now()) {
		return "", d.trouble
	}
	d.changed = false
	defer func() {
		if ctx.Err() == nil {
			d.trouble = err
			d.rebuild.over(d.now(), !d.changed, err)
		}
	}()
	if _, err := d.server.Gone(); err != nil {
		// Backends of a postmaster that was killed: they leave by themselves, or wait for ever on a broken disk.
		if _, err := d.server.Kill(ctx); err != nil {
			return "", err
		}
	}
	if half := d.server.Unfinished(); half != nil {
		return d.after(ctx, f, half.Error(), d.replace)
	}
	if !d.server.HasCluster() {
		return d.after(ctx, f, d.me.Data+" is empty", d.replace)
	}
	control, err := d.server.Control(ctx)
	if err != nil {
		return "", err
	}
	if control.WasStandby() {
		return d.start(ctx, f, "")
	}
	return d.bringBack(ctx, f)
}

func (d *database) after(ctx context.Context, f server.Follow, why string, then func(context.Context, server.Follow) (string, error)) (string, error) {
	did, err := then(ctx, f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", why, err)
	}
	return why + "; " + did, nil
}

// start starts a cluster that is fit to be a standby as one.
func (d *database) start(ctx context.Context, f server.Follow, did string) (string, error) {
	if err := d.server.MakeStandby(ctx, f); err != nil {
		return "", err
	}
	d.still = d.now()
	limit, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	err := d.server.StartStandby(limit)
	if err != nil && (limit.Err() == nil || ctx.Err() != nil) {
		return "", err
	}
	if did != "" {
		did += "; "
	}
	did += "started as a standby of " + d.role.Upstream.Name
	if err != nil {
		did += ", and does not take connections yet"
	}
	return did, nil
}

// bringBack makes a stopped cluster that may have gone its own way a standby: by pg_rewind, or where that cannot be, by a base backup.
func (d *database) bringBack(ctx context.Context, f server.Follow) (string, error) {
	control, err := d.server.Control(ctx)
	if err != nil {
		return "", err
	}
	asked, cancel := context.WithTimeout(ctx, talk)
	up, err := d.ask(asked, f, control.SystemID)
	cancel()
	if err != nil {
		return "", err
	}
	if err := d.guarded(); err != nil {
		return "", err
	}
	if written, err := d.writtenDown(ctx, f, up.Timeline); err != nil {
		return "", err
	} else if written < up.Timeline {
		return "", fmt.Errorf("%s has not written a checkpoint on timeline %d yet, without which it cannot be rewound to", up.name, up.Timeline)
	}
	d.changed = true
	did, err := d.server.Rewind(ctx, f, d.o.Progress)
	switch {
	case errors.Is(err, server.ErrCannotRewind), errors.Is(err, server.ErrHalf):
		return d.after(ctx, f, err.Error(), d.replace)
	case errors.Is(err, server.ErrSignal):
		// It crashed as a standby: only a start as a standby, and a stop, make it clean.
		did, err := d.start(ctx, f, "")
		if err != nil {
			return "", err
		}
		return did + ", to be stopped cleanly before it is rewound", d.halt(ctx)
	case err != nil:
		return "", err
	}
	return d.start(ctx, f, did)
}

// writtenDown is the timeline of the upstream's last checkpoint: pg_rewind takes that for the upstream's own.
func (d *database) writtenDown(ctx context.Context, f server.Follow, own uint32) (uint32, error) {
	target, err := postgres.Parse(known(f).With("dbname", rewindDatabase(f)).String())
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, talk)
	defer cancel()
	conn, err := target.Connect(ctx, postgres.Options{Name: "ham_look"})
	if err == nil {
		defer conn.Close()
		var timeline uint32
		if timeline, err = conn.CheckpointTimeline(ctx); err == nil {
			return timeline, nil
		}
	}
	if kind, _ := postgres.Explain(err); kind == postgres.NotLetIn || kind == postgres.NoProbe {
		return own, nil // it may stream and nothing else: pg_rewind will say so
	}
	return 0, fmt.Errorf("%s (%s) cannot be asked: %w", d.role.Upstream.Name, f.Upstream.Where(), err)
}

func rewindDatabase(f server.Follow) string {
	if name := f.Upstream["dbname"]; name != "" {
		return name
	}
	return "postgres"
}

// replace puts a base backup of the upstream in the place of a stopped cluster.
func (d *database) replace(ctx context.Context, f server.Follow) (string, error) {
	system := ""
	if d.server.HasCluster() {
		control, err := d.server.Control(ctx)
		if err == nil {
			system = control.SystemID
		} else if d.server.Unfinished() == nil {
			return "", err
		}
	}
	asked, cancel := context.WithTimeout(ctx, talk)
	_, err := d.ask(asked, f, system)
	cancel()
	if err != nil {
		return "", err
	}
	if err := d.guarded(); err != nil {
		return "", err
	}
	d.changed = true
	did, err := d.server.BaseBackup(ctx, f, d.o.Progress)
	if err != nil {
		return "", err
	}
	return d.start(ctx, f, did)
}
