package expiries

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/certtest"
	"github.com/isacloud/ha-manager/pkg/expiry"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/words"
)

const day = 24 * time.Hour

// Two processes use the same certificate: each of its reminders is told once, over looks and restarts, and one that was renewed is told of anew.
func TestEachReminderIsToldOnce(t *testing.T) {
	b := bustest.Connect(t, bustest.Start(t), "x")
	bustest.Provision(t, b)
	end := time.Now().Add(20 * day).Truncate(time.Second)
	a := certtest.New(t)
	_, cert, _ := a.IssueUntil(t, "bus.example.org", end)
	none := filepath.Join(t.TempDir(), "none.pem")
	look := func(name string, before time.Duration) {
		t.Helper()
		p := spec.Process{Name: name, Remind: []int{14, 7, 1}, Bus: spec.Bus{ServerCert: cert}, Console: spec.Console{Cert: none}}
		require.NoError(t, Look(t.Context(), Options{Bus: b, Process: p, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return end.Add(-before) }}))
	}
	told := func() (out []string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := b.Follow(ctx, bus.FollowOptions{Stream: subject.StreamEvents, From: bus.FromAll(), CaughtUp: cancel}, func(d bus.Delivery) {
			if e, ok := d.Message.(*message.Event); ok && e.Kind == message.EventThreshold {
				out = append(out, string(e.Severity)+" "+e.Code+" "+e.Sentence)
				require.Empty(t, words.Of(words.Portuguese).Missing(e.Sentence), e.Sentence)
			}
		})
		require.NoError(t, err)
		return out
	}
	on := ", on " + end.UTC().Format("2006-01-02 15:04") + " UTC: renew it"
	head := "the certificate of the bus's server (bus.example.org, " + cert + ") ends in "
	var want []string
	for _, c := range []struct {
		before time.Duration
		says   string
	}{
		{15 * day, ""}, {14 * day, "warning R494 " + head + "14 days" + on}, {13 * day, ""}, {6*day + 12*time.Hour, "warning R494 " + head + "6.5 days" + on}, {2 * day, ""},
		{day, "critical R494 " + head + "1 day" + on}, {time.Hour, ""}, {-time.Hour, ""},
	} {
		for _, name := range []string{"sp", "rj", "sp"} {
			look(name, c.before)
		}
		if c.says != "" {
			want = append(want, c.says)
		}
		require.Equal(t, want, told(), "%s before", c.before)
	}
	all, err := expiry.Read(t.Context(), b)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Contains(t, all[0].Certificates, message.Certificate{What: "the certificate of the console", Where: none, Problem: "file " + none + ": no such file or directory"})

	// Renewed: another certificate in the same file.
	_, fresh, _ := a.IssueUntil(t, "new.example.org", end.Add(7*day))
	text, err := os.ReadFile(fresh)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cert, text, 0o600))
	look("sp", 0)
	require.Len(t, told(), len(want)+1)
	look("rj", 0)
	require.Len(t, told(), len(want)+1)
}
