package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Me is the executor that turns the record.
type Me struct {
	Name string
	// Boot counts its lives: a claim of the same name and a lower boot is its own from before a restart.
	Boot uint64
	// Sites are those that it serves; none: all.
	Sites []string
}

// Serves says whether the executor may change members at the site. An unknown site is served by all who serve any.
func (m Me) Serves(site string) bool {
	return len(m.Sites) == 0 || site == "" || slices.Contains(m.Sites, site)
}

// place says whether the executor may run the step, and how long it lets others go first.
func (m Me) place(step *message.Step, yield time.Duration) (may bool, after time.Duration) {
	if step.Executor != "" {
		return step.Executor == m.Name, 0
	}
	if name, ok := strings.CutPrefix(step.On, "executor:"); ok {
		return name == m.Name, 0
	}
	switch step.On {
	case "new", "old", "member":
		return m.Serves(step.Site), 0
	}
	if m.Serves(step.Site) {
		return true, 0
	}
	return true, yield
}

// owns: the claim is this executor's, of this life or an earlier one.
func (m Me) owns(s Step) bool { return s.Executor == m.Name && s.Boot <= m.Boot }

// May says whether the executor may run the step at all.
func (m Me) May(step *message.Step) bool {
	may, _ := m.place(step, 0)
	return may
}
