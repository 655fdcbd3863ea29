package ledger_test

import (
	"testing"

	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
)

func TestNeedsPost(t *testing.T) {
	t.Parallel()
	const me, other = "n1/abc", "n1/xyz" // the same notifier before its restart is another one
	for _, c := range []struct {
		name    string
		entry   *ledger.Entry
		overdue bool
		want    ledger.Reason
	}{
		{"no entry", nil, false, ledger.New},
		{"not accepted", &ledger.Entry{State: ledger.Failed, By: me}, false, ledger.Again},
		{"not accepted, by another", &ledger.Entry{State: ledger.Failed, By: other}, false, ledger.Again},
		{"perhaps accepted", &ledger.Entry{State: ledger.Unsure, By: me}, false, ledger.Look},
		{"perhaps accepted, by another", &ledger.Entry{State: ledger.Unsure, By: other}, false, ledger.Look},
		{"our attempt whose end could not be recorded", &ledger.Entry{State: ledger.Sending, By: me}, false, ledger.Look},
		{"another is at it", &ledger.Entry{State: ledger.Sending, By: other}, false, ledger.Wait},
		{"another was at it and is silent", &ledger.Entry{State: ledger.Sending, By: other}, true, ledger.Look},
		{"posted", &ledger.Entry{State: ledger.Sent, By: other}, true, ledger.Known},
		{"told by another post", &ledger.Entry{State: ledger.Folded}, true, ledger.Known},
		{"given up", &ledger.Entry{State: ledger.GivenUp}, true, ledger.Gone},
		{"a state of a newer program", &ledger.Entry{State: "pondering", By: other}, false, ledger.Wait},
		{"a state of a newer program, silent", &ledger.Entry{State: "pondering", By: other}, true, ledger.Look},
	} {
		got := ledger.NeedsPost(c.entry, me, c.overdue)
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if final := c.entry != nil && c.entry.Final(); final != (got == ledger.Known || got == ledger.Gone) {
			t.Errorf("%s: final is %v, but it says %q", c.name, final, got)
		}
	}
	if got := ledger.Reason(99).String(); got != "reason 99" {
		t.Errorf("got %q", got)
	}
}
