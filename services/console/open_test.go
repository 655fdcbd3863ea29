package console

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/console/internal/door"
)

// TestDoorEvents: what happened at the door, as the record has it, whatever a stranger typed.
func TestDoorEvents(t *testing.T) {
	for want, d := range map[string]door.Event{
		"ana signed in to console sp1 by a password, from 192.0.2.7":                                 {What: door.SignedIn, Name: "ana", Via: "local", From: "192.0.2.7"},
		"ana signed in to console sp1 by the identity provider, from 192.0.2.7":                      {What: door.SignedIn, Name: "ana", Via: "oidc", From: "192.0.2.7"},
		"ana signed out of console sp1, from 192.0.2.7":                                              {What: door.SignedOut, Name: "ana", Via: "local", From: "192.0.2.7"},
		"console sp1 refused somebody as a?b, from 192.0.2.7, at /sign-in: wrong name or password":   {What: door.Refused, Name: "a?b", Via: "local", From: "192.0.2.7", Path: "/sign-in", Why: "wrong name or password"},
		"console sp1 refused somebody, from 192.0.2.7, at /: the address is in none of the networks": {What: door.Refused, From: "192.0.2.7", Path: "/", Why: "the address is in none of the networks"},
		"console sp1 refused somebody, from 192.0.2.7, at /" + strings.Repeat("é", 987) + "…":        {What: door.Refused, From: "192.0.2.7", Path: "/" + strings.Repeat("é", 2000), Why: "x"},
	} {
		e := eventOf(d, "sp1")
		require.NotNil(t, e)
		require.Contains(t, e.Sentence, want[:40])
		if len(want) < 200 {
			require.Equal(t, want, e.Sentence)
		}
		e.ID, e.At = "door.sp1.x.1", time.Now().UnixMicro()
		require.NoError(t, message.Validate(e))
	}
	require.Nil(t, eventOf(door.Event{What: door.Pressed, Name: "ana"}, "sp1"), "the request itself is in the record")
}
