package subject_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func TestEverySubjectParsesBack(t *testing.T) {
	for s, want := range map[string]subject.Parts{
		subject.Heartbeat("web", "a", "sp"):                          {What: "heartbeat", Group: "web", Member: "a", Writer: "sp"},
		subject.Ask("web", message.VerbFailover):                     {What: "ask", Group: "web", Verb: "failover"},
		subject.Request("web", message.VerbPause, "ana"):             {What: "request", Group: "web", Verb: "pause", Writer: "ana"},
		subject.Look("sp1"):                                          {What: "look", Writer: "sp1"},
		subject.Lease("orders", "sp1"):                               {What: "lease", Group: "orders", Writer: "sp1"},
		subject.Gather("web"):                                        {What: "gather", Group: "web"},
		subject.Gathered("web", "sp1"):                               {What: "gathered", Group: "web", Writer: "sp1"},
		subject.LookAny:                                              {What: "look", Writer: "_"},
		subject.Command("web"):                                       {What: "command", Group: "web"},
		subject.StoredCommand("web"):                                 {What: "command", Group: "web", Stored: true},
		subject.Safety("web", subject.SafetyStep, "sp1"):             {What: "safety", Group: "web", Kind: "step", Writer: "sp1"},
		subject.Event("web", message.EventVerdict, "d1"):             {What: "event", Group: "web", Kind: "verdict", Writer: "d1"},
		subject.DeadLetter(subject.StreamHeartbeats, "d1"):           {What: "deadletter", Stream: "HAM_HEARTBEATS", Writer: "d1"},
		subject.Event(subject.NoGroup, message.EventService, "up-1"): {What: "event", Group: "_", Kind: "service", Writer: "up-1"},
	} {
		got, err := subject.Parse(s)
		require.NoError(t, err)
		require.Equal(t, want, got, s)
	}
}

func TestForeignSubjectsAreRefused(t *testing.T) {
	for _, s := range []string{"", "ham", "ham.v2.command.web", "ham.v1.command", "ham.v1.command.web.x", "ham.v1.command.*", "ham.v1.heartbeat.a.b", "ham.v1.nothing.web", "ham.v1.command."} {
		_, err := subject.Parse(s)
		require.Error(t, err, s)
	}
}

func TestATokenThatWouldWidenASubjectPanics(t *testing.T) {
	for _, name := range []string{"", "a.b", "*", ">", "a b", "ä"} {
		require.Panics(t, func() { subject.Command(name) }, name)
	}
}

func TestIsHeartbeatAgreesWithHeartbeat(t *testing.T) {
	for _, c := range []struct{ group, member, vantage string }{{"web", "a", "sp"}, {"w", "a-1", "x_y"}} {
		s := subject.Heartbeat(c.group, c.member, c.vantage)
		if !subject.IsHeartbeat(s, c.group, c.member, c.vantage) {
			t.Errorf("%s is not taken for its own parts", s)
		}
		for _, other := range []string{s + "x", s[:len(s)-1], "x" + s, s + ".z", "", subject.Root + ".heartbeat.", subject.Root + ".heartbeat." + c.group} {
			if subject.IsHeartbeat(other, c.group, c.member, c.vantage) {
				t.Errorf("%q is taken for %s", other, s)
			}
		}
		if subject.IsHeartbeat(s, c.group+"x", c.member, c.vantage) || subject.IsHeartbeat(s, c.group, c.member, c.vantage+"x") || subject.IsHeartbeat(s, c.group[:len(c.group)-1], c.member, c.vantage) {
			t.Errorf("%s is taken for other parts", s)
		}
	}
}
