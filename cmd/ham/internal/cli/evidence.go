package cli

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/build"
	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/evidence"
	"github.com/isacloud/ha-manager/pkg/incident"
	"github.com/isacloud/ha-manager/pkg/spec/store"
)

func (a *app) evidence() *cobra.Command {
	var out, key string
	var before, after time.Duration
	c := &cobra.Command{
		Use: "evidence INCIDENT", Short: "Write an incident's raw messages into one signed file", Args: cobra.ExactArgs(1),
		Long: "Writes the raw messages of an incident into one file: everything that its decisions rest on, the heartbeats around it, each line chained to\n" +
			"the one before and the whole signed. `ham evidence verify FILE` holds it against the signature, `ham replay FILE` decides it again.",
		RunE: func(c *cobra.Command, args []string) error {
			group, ok := incident.GroupOf(args[0])
			if !ok {
				return usagef("incident %q: want <group>-<number>, as `ham incidents` lists them", args[0])
			}
			if before < 0 || after < 0 {
				return usagef("--before and --after are lengths of time, want none below 0")
			}
			private, err := a.evidenceKey(key)
			if err != nil {
				return err
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			return a.pack(c.Context(), b, group, args[0], cmp.Or(out, args[0]+".evidence"), private, before, after)
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "file", "f", "", "the `file` to write (default INCIDENT.evidence)")
	f.StringVar(&key, "sign-with", "", "`file` with the private key, ed25519 in PEM (default evidence.key in the state folder, made at first use)")
	f.DurationVar(&before, "before", 0, "how much of the heartbeats before the incident (default: as much as readiness looks back, at least 3m)")
	f.DurationVar(&after, "after", time.Minute, "how much of them after its last word")
	c.AddCommand(a.evidenceVerify())
	return c
}

// evidenceKey is the key that packs are signed with.
func (a *app) evidenceKey(path string) (ed25519.PrivateKey, error) {
	if path != "" {
		key, err := evidence.ReadKey(path)
		if err != nil {
			return nil, usageError{err}
		}
		return key, nil
	}
	path = filepath.Join(stack.DefaultStateDir(a.Env), "evidence.key")
	key, made, err := evidence.OwnKey(path)
	if err != nil {
		return nil, hinted{fmt.Errorf("the key for signatures: %w", err), "name another with --sign-with, or another state folder with HAM_STATE_DIR"}
	}
	if made {
		fmt.Fprintf(a.Err, "made %s; its public key is %s: keep that somewhere else, to verify by\n", path, evidence.KeyText(key.Public().(ed25519.PublicKey)))
	}
	return key, nil
}

func (a *app) pack(ctx context.Context, b *bus.Bus, group, id, path string, key ed25519.PrivateKey, before, after time.Duration) error {
	from, until, err := evidence.Span(ctx, b, group, id)
	if errors.Is(err, evidence.ErrNoIncident) {
		return hinted{err, "`ham incidents` lists those that are"}
	}
	if err != nil {
		return err
	}
	if before == 0 {
		before = lookBack(ctx, b, group)
	}
	began := from
	from, until = from.Add(-before), until.Add(after)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usageError{err}
	}
	whole := false
	defer func() {
		_ = f.Close()
		if !whole {
			_ = os.Remove(path) // half a pack is none
		}
	}()
	w, err := evidence.NewWriter(f, key, evidence.Head{
		Incident: id, Group: group, From: from.UTC(), Until: until.UTC(), Began: began.UTC(), Made: time.Now().UTC(), By: a.who(),
		Programs: map[string]string{"ham": build.Version(), "go": runtime.Version(), "nats-server": b.Conn().ConnectedServerVersion()},
	})
	if err != nil {
		return err
	}
	end, err := evidence.Pack(ctx, b, evidence.Around(group, from, until), w)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	whole = true
	if a.output == "json" {
		return a.json(map[string]any{"file": path, "incident": id, "messages": end.Messages, "masked": end.Masked, "key": evidence.KeyText(key.Public().(ed25519.PublicKey))})
	}
	a.printf("%s: %d messages of %s, from %s to %s UTC, signed by %s", path, end.Messages, id, from.UTC().Format("2006-01-02 15:04:05"),
		until.UTC().Format("15:04:05"), evidence.KeyText(key.Public().(ed25519.PublicKey)))
	if end.Masked > 0 {
		a.printf("In %d of them something that looks like a secret was replaced by ***: they stand there as `mask`.", end.Masked)
	}
	return nil
}

// lookBack is how far back readiness looks: so much of the heartbeats before an incident its decisions rest on.
func lookBack(ctx context.Context, b *bus.Bus, group string) time.Duration {
	const least, most = 3 * time.Minute, 6 * time.Hour
	applied, err := store.Get(ctx, b, group)
	if err != nil || applied.Spec == nil {
		return least // the group is gone: what is there is written all the same
	}
	return min(max(least, applied.Spec.Policy.StableFor+2*time.Minute), most)
}

func (a *app) evidenceVerify() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use: "verify FILE", Short: "Say whether a file of evidence is as it was written, and by whom", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var want ed25519.PublicKey
			if key != "" {
				var err error
				if want, err = evidence.ParsePublicKey(key); err != nil {
					return usageError{err}
				}
			}
			f, err := os.Open(args[0])
			if err != nil {
				return usageError{err}
			}
			defer f.Close()
			found, err := evidence.Verify(f, want)
			if err != nil {
				return fmt.Errorf("%s is not to be relied on: %w", args[0], err)
			}
			if a.output == "json" {
				return a.json(map[string]any{"file": args[0], "intact": true, "known_key": found.Known, "head": found.Head, "end": found.End})
			}
			about := "group " + found.Group
			if found.Incident != "" {
				about = "incident " + found.Incident
			}
			a.printf("%s is intact: %d messages about %s, written by %s at %s UTC.", args[0], found.Messages, clean(about), clean(found.By), found.Made.UTC().Format("2006-01-02 15:04:05"))
			if found.Masked > 0 {
				a.printf("In %d of them a secret was masked.", found.Masked)
			}
			if found.Known {
				a.printf("It is signed by the key that you named.")
			} else {
				a.printf("It is signed by %s: whose that is, you have to know (--key).", evidence.KeyText(found.Key))
			}
			return nil
		},
	}
	c.Flags().StringVar(&key, "key", "", "the signer's public `key`: base64, or a file")
	return c
}
