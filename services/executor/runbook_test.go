package executor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/runbook"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// TestEveryDriverIsInTheRunbook: whoever adds a driver says in pkg/runbook/words.go what a person types in its place.
func TestEveryDriverIsInTheRunbook(t *testing.T) {
	g := &spec.Group{Name: "g", Members: []spec.Member{{Name: "a", Site: "sp"}, {Name: "b", Site: "rj"}}}
	for _, kind := range Drivers() {
		actions, err := runbook.Step(g, "a", "b", &message.Step{Name: "s", Driver: kind.Name, With: []byte(kind.Example), On: "new"})
		require.NoError(t, err, "driver %s", kind.Name)
		for _, a := range actions {
			require.NotEmpty(t, a.Does, kind.Name)
			require.NotEmpty(t, a.Where, kind.Name)
			require.NotEmpty(t, a.Run, kind.Name)
			require.NotEmpty(t, a.Prints, kind.Name)
			require.NotEmpty(t, a.Else, kind.Name)
		}
	}
}
