package storetest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func text(group string, mode spec.Mode) string {
	return `# as it was written
group: ` + group + `
mode: ` + string(mode) + `
members:
  a: {site: sp, url: "http://192.0.2.10:8080"}
  b: {site: rj, url: "http://198.51.100.10:8080"}
checks: {alive: {http: /alive}}
`
}

func context10(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// raw writes a value past Put, as a newer ham or a hand would.
func raw(t *testing.T, b *bus.Bus, group, specText string) uint64 {
	t.Helper()
	m := message.Spec{Group: group, Text: specText, Actor: "somebody", At: 1}
	value, err := json.Marshal(m)
	require.NoError(t, err)
	revision, err := b.Table(subject.BucketSpec).Put(context10(t), group, value)
	require.NoError(t, err)
	return revision
}

func TestPutGetListHistory(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "cli")
	ctx := context10(t)

	_, err := store.Get(ctx, b, "web")
	require.ErrorIs(t, err, bus.ErrNotFound)
	none, err := store.List(ctx, b)
	require.NoError(t, err)
	require.Empty(t, none)

	first, err := store.Put(ctx, b, text("web", spec.DryRun), "ana", "first", 0, store.FromFile("web.yaml"))
	require.NoError(t, err)
	second, err := store.Put(ctx, b, text("web", spec.Auto), "rui", "for real", first)
	require.NoError(t, err)
	require.Greater(t, second, first)
	_, err = store.Put(ctx, b, text("db", spec.Manual), "ana", "", store.AnyRevision)
	require.NoError(t, err)

	now, err := store.Get(ctx, b, "web")
	require.NoError(t, err)
	require.Equal(t, second, now.Revision)
	require.Equal(t, second, now.Spec.Revision, "the model knows which revision it came from")
	require.Equal(t, spec.Auto, now.Spec.Mode)
	require.Equal(t, text("web", spec.Auto), now.Written.Text, "what was written is kept, comments included")
	require.Equal(t, "rui", now.Written.Actor)
	require.False(t, now.Stored.IsZero())

	all, err := store.List(ctx, b)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "db", all[0].Group)
	require.Equal(t, "web", all[1].Group)

	require.NoError(t, store.Delete(ctx, b, "web", "ana", "moved", second))
	_, err = store.Get(ctx, b, "web")
	require.ErrorIs(t, err, bus.ErrNotFound)
	history, err := store.History(ctx, b, "web")
	require.NoError(t, err)
	require.Len(t, history, 3)
	require.Equal(t, "web.yaml", history[0].Written.File)
	require.Equal(t, spec.DryRun, history[0].Spec.Mode)
	require.True(t, history[2].Deleted)

	third, err := store.Put(ctx, b, text("web", spec.Manual), "ana", "back", 0)
	require.NoError(t, err, "a deleted group may be applied anew")
	require.Greater(t, third, second)
}

func TestEachChangeIsAnEvent(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "cli")
	ctx := context10(t)
	revision, err := store.Put(ctx, b, text("web", spec.DryRun), "ana", "a first try", 0)
	require.NoError(t, err)
	require.NoError(t, store.Delete(ctx, b, "web", "ana", "", store.AnyRevision))
	entries, err := b.Since(ctx, subject.StreamEvents, subject.AllEvents, 1, 10)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	e := entries[0].Message.(*message.Event)
	require.Equal(t, message.EventSpec, e.Kind)
	require.Equal(t, "ana applied the spec of web (revision 1): a first try", e.Sentence)
	require.Equal(t, uint64(1), revision)
	require.Equal(t, "ana deleted the spec of web", entries[1].Message.(*message.Event).Sentence)
}

func TestWhoIsLateIsToldWhoWasFirst(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "cli")
	ctx := context10(t)
	first, err := store.Put(ctx, b, text("web", spec.DryRun), "ana", "", 0)
	require.NoError(t, err)
	second, err := store.Put(ctx, b, text("web", spec.Auto), "rui", "", first)
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2}, []uint64{first, second})

	late, err := store.Put(ctx, b, text("web", spec.Manual), "ana", "", first)
	require.ErrorIs(t, err, bus.ErrConflict)
	require.EqualError(t, err, "apply the spec of web: key has changed: key web in ham_spec: revision 1 was meant, but rui applied revision 2: look at that, then apply again")
	require.Zero(t, late)
	_, err = store.Put(ctx, b, text("web", spec.Manual), "ana", "", 0)
	require.ErrorIs(t, err, bus.ErrConflict)
	require.ErrorContains(t, err, "it exists already, as revision 2 by rui")
	require.ErrorIs(t, store.Delete(ctx, b, "web", "ana", "", first), bus.ErrConflict)
	require.ErrorIs(t, store.Delete(ctx, b, "db", "ana", "", store.AnyRevision), bus.ErrNotFound)
	now, err := store.Get(ctx, b, "web")
	require.NoError(t, err)
	require.Equal(t, second, now.Revision, "nothing was written")
}

func TestWhatIsWrongIsNeverWritten(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "cli")
	ctx := context10(t)
	_, err := store.Put(ctx, b, strings.Replace(text("web", spec.Auto), "mode", "moed", 1), "ana", "", 0, store.FromFile("web.yaml"))
	var errs file.Errors
	require.ErrorAs(t, err, &errs)
	require.EqualError(t, err, "web.yaml:3:1: group web: unknown key moed, did you mean mode?")
	_, err = store.Put(ctx, b, text("web", spec.Auto), "not a name", "", 0)
	require.ErrorIs(t, err, message.ErrInvalid)
	require.Error(t, store.Delete(ctx, b, "web", "ana", "", 0))
	all, err := store.List(ctx, b)
	require.NoError(t, err)
	require.Empty(t, all)
}

// watching runs Watch and hands over what it tells.
type watching struct {
	changes  chan store.Change
	problems chan store.Applied
	ready    chan struct{}
	stop     func() error
}

func watch(t *testing.T, b *bus.Bus) *watching {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{changes: make(chan store.Change, 16), problems: make(chan store.Applied, 16), ready: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		ended <- store.Watch(ctx, b, nil, func(c store.Change) { w.changes <- c },
			store.OnReady(func() { close(w.ready) }), store.OnProblem(func(a store.Applied) { w.problems <- a }))
	}()
	stopped := false
	w.stop = func() error {
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if !stopped {
			_ = w.stop()
		}
	})
	return w
}

func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came in time")
		panic("unreachable")
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "p1")
	ctx := context10(t)
	first, err := store.Put(ctx, b, text("web", spec.DryRun), "ana", "", 0)
	require.NoError(t, err)
	_, err = store.Put(ctx, b, text("gone", spec.DryRun), "ana", "", 0)
	require.NoError(t, err)
	require.NoError(t, store.Delete(ctx, b, "gone", "ana", "", store.AnyRevision))

	w := watch(t, b)
	next(t, w.ready)
	require.Len(t, w.changes, 1, "what exists is told before ready, what was deleted is not")
	c := next(t, w.changes)
	require.Equal(t, "web", c.Group)
	require.Equal(t, first, c.Revision)
	require.Equal(t, first, c.Spec.Revision)

	second, err := store.Put(ctx, b, text("web", spec.Auto), "ana", "", first)
	require.NoError(t, err)
	c = next(t, w.changes)
	require.Equal(t, second, c.Revision)
	require.Equal(t, spec.Auto, c.Spec.Mode)

	require.NoError(t, store.Delete(ctx, b, "web", "ana", "", second))
	c = next(t, w.changes)
	require.Equal(t, "web", c.Group)
	require.Nil(t, c.Spec)
	require.NoError(t, w.stop(), "the end of the context is no error")
	require.Empty(t, w.changes)
}

// TestAnUnreadableSpecChangesNothing: the last readable one stays in force, and it is told once.
func TestAnUnreadableSpecChangesNothing(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "p1")
	ctx := context10(t)
	good, err := store.Put(ctx, b, text("web", spec.Auto), "ana", "", 0)
	require.NoError(t, err)
	w := watch(t, b)
	next(t, w.ready)
	require.Equal(t, good, next(t, w.changes).Revision)

	bad := raw(t, b, "web", text("web", spec.Auto)+"hologram: true\n")
	problem := next(t, w.problems)
	require.Equal(t, bad, problem.Revision)
	require.ErrorContains(t, problem.Problem, "spec:8:1: group web: unknown key hologram, want one of ")
	other := raw(t, b, "db", text("web", spec.Auto))
	require.ErrorContains(t, next(t, w.problems).Problem, "the text declares group web, but stands under db")
	_, err = b.Table(subject.BucketSpec).Put(ctx, "web", json.RawMessage(`["no", "spec"]`))
	require.NoError(t, err)
	require.ErrorIs(t, next(t, w.problems).Problem, message.ErrInvalid)
	require.Empty(t, w.changes, "nothing of this changed anything")

	// After a restart the same one is in force again, found in the history.
	require.NoError(t, w.stop())
	w = watch(t, b)
	next(t, w.ready)
	require.Len(t, w.changes, 1, "db was never readable")
	c := next(t, w.changes)
	require.Equal(t, "web", c.Group)
	require.Equal(t, good, c.Revision)
	require.Equal(t, good, c.Spec.Revision)

	mended, err := store.Put(ctx, b, text("web", spec.Manual), "ana", "", store.AnyRevision)
	require.NoError(t, err)
	require.Equal(t, mended, next(t, w.changes).Revision)

	entries, err := b.Since(ctx, subject.StreamEvents, subject.Event("web", message.EventSpec, "p1"), 1, 20)
	require.NoError(t, err)
	var told []string
	for _, e := range entries {
		if m := e.Message.(*message.Event); m.Severity == message.Warning {
			told = append(told, m.Sentence)
		}
	}
	require.Len(t, told, 2, "each unreadable revision is told once, also over a restart")
	require.True(t, strings.HasPrefix(told[0], "p1 cannot read revision 2 of the spec of web; what was in force stays in force. spec:8:1: group web: unknown key hologram"), told[0])
	require.NotZero(t, other)
}

// TestADeletedSpecStaysDeleted: what lies before a deletion in the history never comes back by itself.
func TestADeletedSpecStaysDeleted(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "p1")
	ctx := context10(t)
	_, err := store.Put(ctx, b, text("web", spec.Auto), "ana", "", 0)
	require.NoError(t, err)
	require.NoError(t, store.Delete(ctx, b, "web", "ana", "", store.AnyRevision))
	raw(t, b, "web", "group: [")
	w := watch(t, b)
	next(t, w.ready)
	next(t, w.problems)
	require.Empty(t, w.changes)
}
