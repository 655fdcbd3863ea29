package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

// Change is what became of one group's spec.
type Change struct {
	Group string
	// Spec is the one that is in force now, with its own Revision filled in; nil: the group was deleted.
	Spec *spec.Group
	// Revision is that of the bucket's entry which is in force, or which deleted the group.
	Revision uint64
}

// Applied is one entry of a group's history: what was written, and what it means to this program.
type Applied struct {
	Group string
	// Revision grows over the whole bucket.
	Revision uint64
	// Stored is when the stream stored it.
	Stored time.Time
	// Written is what somebody applied; empty where the group was deleted.
	Written message.Spec
	Deleted bool
	// Spec is nil where the group was deleted, or where Problem says why this program cannot read it.
	Spec    *spec.Group
	Problem error
}

// read makes one revision into what it says.
func read(r bus.Record) Applied {
	a := Applied{Group: r.Key, Revision: r.Revision, Stored: r.Time, Deleted: r.Deleted}
	if r.Deleted {
		return a
	}
	if a.Problem = r.Into(&a.Written); a.Problem != nil {
		return a
	}
	g, err := file.ParseGroup(source(&a.Written), a.Written.Text)
	if err == nil && g.Name != r.Key {
		err = fmt.Errorf("the text declares group %s, but stands under %s: apply it anew", g.Name, r.Key)
	}
	if err != nil {
		a.Problem = err
		return a
	}
	g.Revision, g.Applied = r.Revision, r.Time.UnixMicro()
	a.Spec = g
	return a
}

// source is what errors call the text.
func source(m *message.Spec) string {
	if m.File != "" {
		return m.File
	}
	return "spec"
}

// firstLine keeps an event's sentence to one line, and below its limit.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	if len(line) > 1024 {
		line = strings.ToValidUTF8(line[:1024], "") + "…"
	}
	return line
}
