package who_test

import (
	"testing"

	"github.com/isacloud/ha-manager/pkg/who"
)

func TestMay(t *testing.T) {
	ana := &who.Person{Name: "ana", Roles: map[string]who.Role{"orders": who.Operator, who.Everywhere: who.Viewer, "odd": "root"}}
	for _, c := range []struct {
		group string
		role  who.Role
		may   bool
	}{
		{"orders", who.Viewer, true}, {"orders", who.Operator, true}, {"orders", who.Admin, false},
		{"web", who.Viewer, true}, {"web", who.Operator, false},
		{"odd", who.Viewer, true}, {"odd", who.Operator, false}, {"orders", "root", false}, {"orders", "", false},
	} {
		if got := ana.May(c.group, c.role); got != c.may {
			t.Errorf("%s in %s: %v, want %v", c.role, c.group, got, c.may)
		}
	}
	if (*who.Person)(nil).May("orders", who.Viewer) {
		t.Error("nobody may see")
	}
	if who.PersonOf(t.Context()) != nil {
		t.Error("a person out of nothing")
	}
	if who.PersonOf(who.With(t.Context(), ana)) != ana {
		t.Error("the person was lost")
	}
}
