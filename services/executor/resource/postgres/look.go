package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

// Look is part of resource.Resource.
func (d *database) Look(ctx context.Context) (resource.Sight, error) {
	down := resource.Sight{Behind: -1}
	p, err := d.server.Running()
	if errors.Is(err, server.ErrNotRunning) {
		d.hangUp()
		down.Says = "stopped"
		if half := d.server.Unfinished(); half != nil {
			down.Says = half.Error()
		}
		return down, nil
	}
	if err != nil {
		return down, err
	}
	d.life = p.Life()
	s, err := d.standing(ctx)
	if err != nil {
		if kind, says := postgres.Explain(err); kind == postgres.NotReady {
			down.Says = "does not take connections: " + says
			return down, nil
		}
		if p.Status == server.StatusStarting || p.Status == server.StatusStopping {
			down.Says = p.Status
			return down, nil
		}
		return down, fmt.Errorf("postmaster %d runs, and does not answer: %w", p.PID, err)
	}
	return d.sight(s), nil
}

func (d *database) sight(s postgres.Standing) resource.Sight {
	sight := resource.Sight{Running: true, Acting: !s.Recovery}
	if !sight.Acting {
		d.forget()
	}
	if sight.Acting {
		sight.Standbys = d.standbys(s)
		sight.Says = fmt.Sprintf("primary, timeline %d", s.Timeline)
		if names := s.Settings["synchronous_standby_names"]; names != "" {
			sight.Says += ", waits for " + names
		}
		return sight
	}
	sight.Behind = -1
	whom := "nobody"
	if d.role.Upstream != nil {
		whom = d.role.Upstream.Name
	}
	switch {
	case s.Streaming:
		sight.Behind = s.LSN.Behind(max(s.Told, s.Received))
		sight.Says = fmt.Sprintf("standby of %s, timeline %d, %d bytes behind", whom, s.Timeline, sight.Behind)
	default:
		sight.Says = fmt.Sprintf("standby of %s, timeline %d, does not stream", whom, s.Timeline)
	}
	return sight
}

// forget drops what only a primary remembers.
func (d *database) forget() {
	clear(d.followers)
	clear(d.dropped)
}
