// Package host measures the machine that the prober runs on: processors, memory, load, disks.
//
// It only measures. Whether a figure is too high is the deciders' part, and nothing of it ever swaps roles.
package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/measure"
)

// Kind is this package's entry in the prober's list.
var Kind = check.Kind{
	Name:    spec.CheckHost,
	Summary: "measures the machine of the prober: processors, memory, load, disks",
	Open: func(t check.Target) (check.Looker, error) {
		if t.Check.Host == nil {
			return nil, errors.New("the check declares no host")
		}
		return &looker{declared: t.Check.Host, bounds: t.Check.Bounds(), asked: map[string]chan answer{}}, nil
	},
}

type looker struct {
	declared *spec.HostCheck
	bounds   []spec.Bound
	// before are the processors' times of the look before; nil: there was none.
	before *cpu.TimesStat
	// asked are the questions to file systems that have no answer yet, by path.
	asked map[string]chan answer
}

func (*looker) Close() {}

// Look measures every figure that is declared. One that could not be measured makes the answer unknown, and the others are told all the same. The
// processors' share is of the time since the look before: the first look has none.
func (l *looker) Look(ctx context.Context) check.Result {
	perf := map[string]float64{}
	var problems []string
	note := func(figure string, v float64, err error) {
		switch {
		case err != nil:
			problems = append(problems, figure+": "+measure.Bare(err))
		case math.IsNaN(v) || math.IsInf(v, 0) || v < 0:
			problems = append(problems, fmt.Sprintf("%s: the system says %g", figure, v))
		default:
			perf[figure] = v
		}
	}
	if l.declared.CPU != nil {
		if busy, known, err := l.busy(ctx); known || err != nil {
			note(spec.FigureCPU, busy, err)
		}
	}
	if l.declared.Memory != nil {
		m, err := mem.VirtualMemoryWithContext(ctx)
		if err == nil && m.Total == 0 {
			err = errors.New("the system says that there is none")
		}
		v := 0.0
		if err == nil {
			v = 100 * (1 - float64(m.Available)/float64(m.Total))
		}
		note(spec.FigureMemory, v, err)
	}
	if l.declared.Load != nil {
		a, err := load.AvgWithContext(ctx)
		v := 0.0
		if err == nil {
			v = a.Load1
		}
		note(spec.FigureLoad, v, err)
	}
	for _, path := range slices.Sorted(paths(l.declared.Disks)) {
		v, err := l.used(ctx, path)
		note(spec.FigureDisk(path), v, err)
	}
	r := check.Result{Answer: message.Up, Perf: perf, Evidence: measure.Says(l.bounds, perf)}
	if len(problems) > 0 {
		r.Answer = message.Unknown
		r.Evidence = "cannot measure " + strings.Join(problems, "; ")
	}
	if ctx.Err() != nil {
		r.Answer, r.Evidence = message.Unknown, measure.Late(ctx, r.Evidence)
	}
	r.Evidence = new(check.Mask).Clean(r.Evidence)
	return r
}

func paths(disks map[string]spec.Bound) func(func(string) bool) {
	return func(yield func(string) bool) {
		for p := range disks {
			if !yield(p) {
				return
			}
		}
	}
}

// busy is the share of the processors' time since the look before that was neither idle nor waiting for a disk.
func (l *looker) busy(ctx context.Context) (percent float64, known bool, err error) {
	all, err := cpu.TimesWithContext(ctx, false)
	if err != nil {
		return 0, false, err
	}
	if len(all) != 1 {
		return 0, false, fmt.Errorf("the system tells of %d sums of its processors", len(all))
	}
	now, before := all[0], l.before
	l.before = &now
	if before == nil {
		return 0, false, nil
	}
	total, idle := sum(now)-sum(*before), now.Idle+now.Iowait-before.Idle-before.Iowait
	if total <= 0 {
		return 0, false, nil // no tick of the system's clock has passed
	}
	return 100 * min(1, max(0, 1-idle/total)), true, nil
}

// sum leaves out the guests' time, which stands in the users' too.
func sum(t cpu.TimesStat) float64 {
	return t.User + t.System + t.Idle + t.Nice + t.Iowait + t.Irq + t.Softirq + t.Steal
}

// answer is what a file system said.
type answer struct {
	percent float64
	err     error
}

// used is what df says: the share that is used of what somebody who is not root could use. The system has no way to call off the question to a network
// file system that hangs: the goroutine stays until there is an answer, at most one for each path, and the look goes on without it.
func (l *looker) used(ctx context.Context, path string) (float64, error) {
	asked := l.asked[path]
	if asked == nil {
		asked = make(chan answer, 1)
		l.asked[path] = asked
		go func() { asked <- ask(ctx, path) }()
	}
	select {
	case a := <-asked:
		delete(l.asked, path)
		return a.percent, a.err
	case <-ctx.Done():
		return 0, errors.New("the file system does not answer")
	}
}

func ask(ctx context.Context, path string) answer {
	u, err := disk.UsageWithContext(ctx, path)
	if err != nil {
		return answer{err: err}
	}
	if u.Used+u.Free == 0 {
		return answer{err: errors.New("this file system has no size")}
	}
	return answer{percent: 100 * float64(u.Used) / float64(u.Used+u.Free)}
}
