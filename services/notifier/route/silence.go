package route

import (
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// windows are those that concern a group.
func (t Table) windows(group string) []spec.Silence {
	own := t.GroupSilence[group]
	return append(own[:len(own):len(own)], t.Silence...)
}

// Silenced says whether a silence holds back an event of that group and severity at t, and what the silence says of itself. What is critical
// is held back by none.
func (t Table) Silenced(group string, severity message.Severity, at time.Time) (why string, ok bool) {
	for _, s := range t.windows(group) {
		if s.Holds(group, severity, at) {
			return s.Window.Why, true
		}
	}
	return "", false
}

// Silent says whether any silence lies over a group at t.
func (t Table) Silent(group string, at time.Time) bool {
	for _, s := range t.windows(group) {
		if s.Over(group, at) {
			return true
		}
	}
	return false
}

// addressPrefix begins the id of every event that is for one target alone.
const addressPrefix = "to."

// AddressID is the id of an event that is for target alone: what it is, and which one of its kind.
func AddressID(target Target, what, which string) string {
	return fmt.Sprintf("%s%s.%s.%s", addressPrefix, Key(target), what, which)
}

// Addressed says whether e is for one target alone: a summary of what was not told there, a digest.
func Addressed(e *message.Event) bool {
	_, ok := addressee(e)
	return ok
}

// addressee is the key of the target that e is for.
func addressee(e *message.Event) (key string, ok bool) {
	if e.Kind != message.EventNotify {
		return "", false
	}
	rest, ok := strings.CutPrefix(e.ID, addressPrefix)
	if !ok {
		return "", false
	}
	key, _, ok = strings.Cut(rest, ".")
	return key, ok
}
