package store

import (
	"fmt"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

// Change is what became of one group's spec.
type Change struct {
	Group string
	// Spec is the one that is in force now, with its Revision filled in; nil: the group was deleted.
	Spec *spec.Group
	// Revision is that of the entry which brought the change.
	Revision uint64
}

// Applied is one entry of a group's history: what was written, and what it means to this program.
type Applied struct {
	Group string
	// Revision grows over the whole bucket.
	Revision uint64
	// Written is what somebody applied; its Text is empty where the group was deleted.
	Written message.Spec
	Deleted bool
	// Spec is nil where the group was deleted, or where Problem says why this program cannot read it.
	Spec    *spec.Group
	Problem error
}

// read makes an entry's value into what it says.
func read(group string, value []byte, revision uint64) Applied {
	a := Applied{Group: group, Revision: revision}
	if a.Problem = message.DecodeAs(nil, value, &a.Written); a.Problem != nil {
		return a
	}
	name := a.Written.File
	if name == "" {
		name = group
	}
	g, err := file.ParseGroup(name, a.Written.Text)
	if err == nil && g.Name != group {
		err = fmt.Errorf("%s: the text declares group %s, but is stored as %s: apply it anew", name, g.Name, group)
	}
	if err != nil {
		a.Problem = err
		return a
	}
	g.Revision = revision
	a.Spec = g
	return a
}
