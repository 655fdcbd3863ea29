package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// bench is what the rows share.
type bench struct {
	self     string // this program, for children
	dir      string // for files, removed at the end
	quick    bool
	progress io.Writer
	program  string // ham, given or once built
}

func newBench(quick bool, progress io.Writer) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ham-bench-")
	if err != nil {
		return nil, err
	}
	return &bench{self: self, dir: dir, quick: quick, progress: progress}, nil
}

func (b *bench) close() {
	if err := os.RemoveAll(b.dir); err != nil {
		b.say("remove %s: %v", b.dir, err)
	}
}

// say tells how far it is, beside the table.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, time.Now().UTC().Format("15:04:05 ")+format+"\n", args...)
}

// runs is how often something is repeated.
func (b *bench) runs(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

// span is how long something is measured.
func (b *bench) span(full, quick time.Duration) time.Duration {
	if b.quick {
		return quick
	}
	return full
}

// flags are those that a child needs to do as this one does.
func (b *bench) flags() []string {
	if b.quick {
		return []string{"-quick"}
	}
	return nil
}

// ham builds the program once, unless it was given, and returns its path.
func (b *bench) ham(ctx context.Context) (string, error) {
	if b.program != "" {
		return b.program, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	path := filepath.Join(b.dir, "ham")
	b.say("building ham")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/isacloud/ha-manager/cmd/ham").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build cmd/ham: %w: %s", err, out)
	}
	b.program = path
	return path, nil
}

// contests runs each in turn; the first is the figure with the goal, the others stand beside it. One that fails does not keep the others from
// being measured.
func (b *bench) contests(ctx context.Context, all []contest, g *goal) ([]figure, error) {
	var figures []figure
	var first error
	for i, c := range all {
		b.say("  %s, %d times", c.what, c.runs)
		f, err := c.run(ctx, b.dir)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		if i == 0 {
			f.Goal = g
		}
		figures = append(figures, f)
	}
	return figures, first
}
