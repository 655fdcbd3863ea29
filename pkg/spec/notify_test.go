package spec_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// What is critical, and what nobody knows the severity of, passes every silence, whatever the window says.
func TestSilenceHoldsNothingCritical(t *testing.T) {
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	window := spec.Blocked{From: at.Add(-time.Hour), Until: at.Add(time.Hour), Why: "backups"}
	for _, below := range []message.Severity{"", message.Notice, message.Warning, message.Critical, "apocalyptic"} {
		s := spec.Silence{Window: window, Below: below}
		require.False(t, s.Holds("web", message.Critical, at), "below %q", below)
		require.False(t, s.Holds("web", "apocalyptic", at), "below %q", below)
	}
	s := spec.Silence{Window: window, Below: message.Warning}
	require.True(t, s.Holds("web", message.Notice, at))
	require.False(t, s.Holds("web", message.Warning, at), "what is not below is told")
	require.False(t, s.Holds("web", message.Notice, window.Until), "the end does not belong to it")
	require.True(t, s.Over("web", at))
	s.Groups = []string{"mail"}
	require.False(t, s.Holds("web", message.Notice, at), "it is for others")
	require.False(t, s.Over("web", at))
	require.True(t, s.Holds("mail", message.Notice, at))
}
