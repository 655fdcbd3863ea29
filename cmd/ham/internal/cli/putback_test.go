package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Between looking at the history and going back somebody else applies a spec: theirs stays, and the rollback is refused with who it was.
func TestWhatWasAppliedMeanwhileIsNotRolledBack(t *testing.T) {
	const text = "group: web\nmembers:\n  a: {site: sp, url: http://192.0.2.10:8080}\n  b: {site: rj, url: http://198.51.100.10:8080}\nchecks:\n  alive: {http: /alive, from: [sp, rj, wit]}\n"
	b := bustest.Connect(t, bustest.Start(t), "test")
	bustest.Provision(t, b)
	ctx := t.Context()
	first, err := store.Put(ctx, b, text, "ana", "", 0)
	require.NoError(t, err)
	second, err := store.Put(ctx, b, text+"mode: auto\n", "bob", "", first)
	require.NoError(t, err)
	looked, err := store.History(ctx, b, "web")
	require.NoError(t, err)
	third, err := store.Put(ctx, b, text+"mode: manual\n", "carl", "", second)
	require.NoError(t, err)

	_, err = putBack(ctx, b, looked, 0, "dora", "back")
	require.ErrorIs(t, err, bus.ErrConflict)
	require.ErrorContains(t, err, "carl")
	now, err := store.Get(ctx, b, "web")
	require.NoError(t, err)
	require.Equal(t, third, now.Revision)

	looked, err = store.History(ctx, b, "web")
	require.NoError(t, err)
	_, err = putBack(ctx, b, looked, 0, "dora", "back")
	require.NoError(t, err)

	// What another version of ham let through is read as any apply is.
	_, err = b.Table(subject.BucketSpec).Put(ctx, "web", &message.Spec{Group: "web", Text: text + "colour: blue\n", Actor: "eve", At: 1})
	require.NoError(t, err)
	_, err = store.Put(ctx, b, text, "ana", "", store.AnyRevision)
	require.NoError(t, err)
	looked, err = store.History(ctx, b, "web")
	require.NoError(t, err)
	_, err = putBack(ctx, b, looked, len(looked)-2, "dora", "back")
	require.ErrorContains(t, err, "colour")
	now, err = store.Get(ctx, b, "web")
	require.NoError(t, err)
	require.Equal(t, text, now.Written.Text)
}
