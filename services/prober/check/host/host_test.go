package host

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

const ample = 20 * time.Second

func all(disks ...string) spec.Check {
	b := func(figure string) *spec.Bound { return &spec.Bound{Figure: figure, Unit: spec.Percent} }
	h := &spec.HostCheck{CPU: b(spec.FigureCPU), Memory: b(spec.FigureMemory), Load: b(spec.FigureLoad), Disks: map[string]spec.Bound{}}
	for _, d := range disks {
		h.Disks[d] = *b(spec.FigureDisk(d))
	}
	return spec.Check{Name: "machine", Timeout: ample, Host: h}
}

func TestSuite(t *testing.T) {
	checktest.Run(t, checktest.Suite{
		Kind: Kind, Measures: true,
		Up:        func(*testing.T) spec.Check { return all("/") },
		CannotAsk: func(t *testing.T) spec.Check { return all(filepath.Join(t.TempDir(), "none")) },
	})
}

// This very machine, measured. The processors' share needs two looks, and a tick of the system's clock between them.
func TestThisMachine(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "none")
	l, err := Kind.Open(check.Target{Check: all("/", dir)})
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), ample)
	defer cancel()
	r := l.Look(ctx)
	require.NotContains(t, r.Perf, spec.FigureCPU)
	for ; r.Perf[spec.FigureCPU] == 0 && ctx.Err() == nil; r = l.Look(ctx) {
		require.Equal(t, message.Up, r.Answer, r.Evidence) // looking is work
	}
	for _, figure := range []string{spec.FigureCPU, spec.FigureMemory, spec.FigureDisk("/"), spec.FigureDisk(dir)} {
		require.Contains(t, r.Perf, figure)
		require.GreaterOrEqual(t, r.Perf[figure], 0.0, figure)
		require.LessOrEqual(t, r.Perf[figure], 100.0, figure)
	}
	require.Greater(t, r.Perf[spec.FigureMemory], 0.0)
	require.Contains(t, r.Perf, spec.FigureLoad)
	require.Contains(t, r.Evidence, "memory ")

	// A disk that is not there is named, and the other figures are told all the same.
	l, err = Kind.Open(check.Target{Check: all("/", none)})
	require.NoError(t, err)
	r = l.Look(ctx)
	require.Equal(t, message.Unknown, r.Answer)
	require.Equal(t, "cannot measure disk "+none+": no such file or directory", r.Evidence)
	require.Contains(t, r.Perf, spec.FigureMemory)
	require.Contains(t, r.Perf, spec.FigureDisk("/"))
	require.NotContains(t, r.Perf, spec.FigureDisk(none))
}
