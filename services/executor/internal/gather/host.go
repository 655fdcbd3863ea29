package gather

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// host is how the own host is: its load, memory, disks and clock.
func (g *Gatherer) host(own []spec.Member) Clue {
	paths := []string{"/", g.o.StateDir}
	for _, m := range own {
		if m.Postgres != nil && m.Postgres.Data != "" && m.Executor == g.o.Name {
			paths = append(paths, m.Postgres.Data, filepath.Join(m.Postgres.Data, "pg_wal"))
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	return Clue{Name: "host", What: "load, memory, disks, clock", Look: func(ctx context.Context) (string, error) {
		var b strings.Builder
		err := system(&b)
		for _, p := range paths {
			if p == "" {
				continue
			}
			full, diskErr := disk(p)
			if diskErr != nil {
				err = errors.Join(err, fmt.Errorf("disk of %s: %w", p, diskErr))
				continue
			}
			fmt.Fprintf(&b, "disk of %s: %s\n", p, full)
		}
		fmt.Fprintf(&b, "clock: %s\n", time.Now().UTC().Format(time.RFC3339Nano))
		if g.o.Clock != nil {
			if at, ok := g.o.Clock(); ok {
				fmt.Fprintf(&b, "clock is ahead of the bus's by %s\n", time.Since(at).Round(time.Millisecond))
			}
		}
		return b.String(), err
	}}
}
