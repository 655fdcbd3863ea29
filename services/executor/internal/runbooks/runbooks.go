// Package runbooks keeps the page of each group that a person reads when ham is gone: <dir>/<group>.md, written anew whenever the spec in force is another.
//
// A page is there as a whole or not at all, also after a power failure. Nothing waits for it: a disk that hangs delays nobody's swap.
package runbooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/runbook"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// Keeper writes the pages. It is safe for concurrent use.
type Keeper struct {
	dir  string
	log  *slog.Logger
	wake chan struct{}

	mu      sync.Mutex
	pending map[string]*spec.Group // nil: the group is gone
}

// New keeps pages in dir, which is made when the first is written.
func New(dir string, log *slog.Logger) *Keeper {
	return &Keeper{dir: dir, log: log, wake: make(chan struct{}, 1), pending: map[string]*spec.Group{}}
}

// Spec says what is in force from now on; nil: the group is gone. It does not wait.
func (k *Keeper) Spec(group string, g *spec.Group) {
	if !message.IsName(group) {
		return // it could not be a file's name
	}
	k.mu.Lock()
	k.pending[group] = g
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends. What cannot be written is logged, and tried again at the next change.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-k.wake:
		}
		k.mu.Lock()
		all := k.pending
		k.pending = map[string]*spec.Group{}
		k.mu.Unlock()
		for name, g := range all {
			if err := k.write(name, g); err != nil {
				k.log.Error("the page for when ham is gone cannot be renewed", "group", name, "error", err)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
}

func (k *Keeper) write(name string, g *spec.Group) error {
	path := filepath.Join(k.dir, name+".md")
	if g == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	page, err := runbook.Write(g)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(k.dir, 0o750); err != nil {
		return err
	}
	fresh := path + ".new"
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteString(page)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", fresh, err)
	}
	return os.Rename(fresh, path)
}
