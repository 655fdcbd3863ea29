package core

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// TestLeftHalfWay holds the table of DESIGN.md: which step, begun at which side and come to what, keeps the earlier primary from taking over again.
func TestLeftHalfWay(t *testing.T) {
	for name, c := range map[string]struct {
		driver, on, when string
		state            message.State
		half             bool
	}{
		"nothing but a look":                        {"assert", "any", "", message.StatePaused, false},
		"a person is asked":                         {message.DriverApprove, "any", "", message.StateWaiting, false},
		"waited for something at the earlier":       {"wait", "old", "", message.StatePaused, false},
		"ham stopped it there":                      {"run", "old", "", message.StateDone, false},
		"ham did not come to the end of it there":   {"run", "old", "", message.StatePaused, true},
		"ham is at it there":                        {"vip", "old", "", message.StateStarted, true},
		"a person skipped it there":                 {"run", "old", "", message.StateSkipped, false},
		"clients were led over":                     {"haproxy", "any", "", message.StateDone, false},
		"clients were not led over":                 {"haproxy", "any", "", message.StatePaused, false},
		"ham acts on the new one":                   {"run", "new", "", message.StatePaused, false},
		"own command there, done":                   {"exec", "old", spec.WhenGraceful, message.StateDone, true},
		"own command there, waits":                  {"exec", "old", spec.WhenAlways, message.StatePaused, true},
		"own command there, also in each failover":  {"exec", "old", spec.WhenAlways, message.StateDone, true},
		"own command there, skipped":                {"exec", "old", spec.WhenGraceful, message.StateSkipped, false},
		"own command at the new one":                {"exec", "new", spec.WhenGraceful, message.StatePaused, false},
		"own command anywhere":                      {"http", "any", spec.WhenGraceful, message.StateDone, true},
		"own command anywhere, also in a failover":  {"http", "any", spec.WhenAlways, message.StateDone, false},
		"own command on an executor":                {"exec", "executor:x", spec.WhenGraceful, message.StateStarted, true},
		"own command on one, also in each failover": {"exec", "executor:x", "", message.StatePaused, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := New("web", "d1")
			s.spec = pair()
			s.spec.Steps = []spec.Step{{Name: "one", When: c.when}}
			s.chain.command = &message.Command{Epoch: 2, Kind: message.KindSwitchover, From: "a", Primary: "b", Plan: message.Plan{Steps: []message.Step{
				{Name: "before", Driver: "haproxy", On: "any"}, {Name: "one", Driver: c.driver, On: c.on},
			}}}
			s.chain.held = true
			require.Nil(t, leftHalfWay(s, Time{}, question{to: "a"}), "it was not begun")
			s.run.steps = []stepRun{{name: "before", state: message.StateDone}, {name: "one", state: c.state}}
			require.Equal(t, c.half, leftHalfWay(s, Time{}, question{to: "a"}) != nil)
			require.Nil(t, leftHalfWay(s, Time{}, question{to: "c"}), "another standby was not touched")
			s.run.state = message.StateDone
			require.Nil(t, leftHalfWay(s, Time{}, question{to: "a"}), "the swap is over")
		})
	}
}
