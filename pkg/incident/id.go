package incident

import (
	"slices"
	"strconv"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
)

// GroupOf takes an incident's id apart: "web-14" belongs to "web".
func GroupOf(id string) (group string, ok bool) {
	i := strings.LastIndexByte(id, '-')
	if i <= 0 || !message.IsName(id[:i]) {
		return "", false
	}
	if _, err := strconv.ParseUint(id[i+1:], 10, 64); err != nil {
		return "", false
	}
	return id[:i], true
}

// IDs lists the incidents that the records are about, sorted.
func IDs(records []Record) []string {
	var ids []string
	for _, r := range records {
		id := ""
		switch m := r.Message.(type) {
		case *message.Command:
			id = m.Incident
		case *message.Event:
			id = m.Incident
		}
		if id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
