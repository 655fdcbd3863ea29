package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// follower is what the primary remembers of a standby from look to look.
type follower struct {
	pid   int32
	reply string    // its last word
	heard time.Time // when that came, by the own clock
}

// standbys says what each declared standby is to this primary now.
func (d *database) standbys(s postgres.Standing) []message.Standby {
	var out []message.Standby
	now := d.now()
	names := parseNames(s.Settings["synchronous_standby_names"])
	for _, m := range d.role.Standbys {
		if m.Postgres != nil {
			out = append(out, d.standby(s, m, names, now))
		}
	}
	return out
}

func (d *database) standby(s postgres.Standing, m spec.Member, names []string, now time.Time) message.Standby {
	mem, ok := d.followers[m.Name]
	if !ok {
		mem = &follower{heard: now} // just begun: it has its time to appear
		d.followers[m.Name] = mem
	}
	is := message.Standby{Member: m.Name}
	f, others := find(s.Followers, m.Postgres)
	if f != nil && (f.State == "streaming" || f.State == "catchup") && (f.PID != mem.pid || f.Reply != mem.reply) {
		mem.pid, mem.reply, mem.heard = f.PID, f.Reply, now
	}
	silent := now.Sub(mem.heard)
	if f != nil {
		is.LagBytes, is.LagMicros = f.Flush.Behind(s.Flush), max(0, f.FlushLagMicros)
	}
	switch {
	case silent >= d.patience:
		is.State, is.Why = message.StandbyLost, fmt.Sprintf("it has not streamed for %s", silent.Round(100*time.Millisecond))
	case f == nil:
		is.State, is.Why = message.StandbyCatchingUp, fmt.Sprintf("it has not streamed for %s", silent.Round(100*time.Millisecond))
	case f.State != "streaming":
		is.State, is.Why = message.StandbyCatchingUp, "its sender says "+f.State
	case is.LagBytes > closely:
		is.State, is.Why = message.StandbyCatchingUp, fmt.Sprintf("it is %d bytes behind", is.LagBytes)
	case others > 0:
		is.State, is.Why = message.StandbyStreaming, fmt.Sprintf("another one calls itself %s too, and the primary might wait for that", m.Postgres.AppName)
	case slices.Contains(names, m.Postgres.AppName) && (f.Sync == "sync" || f.Sync == "quorum") && d.proof.shown(s.Settings["synchronous_standby_names"], d.life, f):
		is.State = message.StandbySynchronous
	default:
		is.State = message.StandbyStreaming
	}
	return is
}

// find returns the follower that is the member: the one that uses its slot, which only one can. others is how many more call
// themselves by its name.
func find(all []postgres.Follower, m *spec.Postgres) (is *postgres.Follower, others int) {
	for i, f := range all {
		switch {
		case f.Slot == m.Slot && m.Slot != "":
			is = &all[i]
		case f.Name == m.AppName && f.State != "backup" && f.State != "startup":
			others++
		}
	}
	return is, others
}

// formatNames is the value of synchronous_standby_names that waits for all of them.
// https://www.postgresql.org/docs/15/runtime-config-replication.html#GUC-SYNCHRONOUS-STANDBY-NAMES
func formatNames(names []string) string {
	if len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = `"` + strings.ReplaceAll(n, `"`, `""`) + `"`
	}
	return fmt.Sprintf("ANY %d (%s)", len(names), strings.Join(quoted, ", "))
}

// parseNames reads what formatNames writes. Of anything else it says nothing: no name counts as waited for.
func parseNames(s string) []string {
	var n int
	var names []string
	open, end := strings.Index(s, "("), strings.LastIndex(s, ")")
	if open < 0 || end < open {
		return nil
	}
	for _, part := range strings.Split(s[open+1:end], ", ") {
		names = append(names, strings.ReplaceAll(strings.Trim(part, `"`), `""`, `"`))
	}
	if _, err := fmt.Sscanf(s, "ANY %d ", &n); err != nil || n != len(names) || formatNames(names) != s {
		return nil
	}
	return names
}

// names are those that the primary shall wait for now: those it must, and of those it should the ones that follow closely, or that it waits for
// already and that are not lost.
func (d *database) names(s postgres.Standing) []string {
	now := parseNames(s.Settings["synchronous_standby_names"])
	var out []string
	for _, is := range d.standbys(s) {
		m := d.declared(is.Member)
		switch {
		case slices.Contains(d.role.Synchronous, m.Name):
			out = append(out, m.Postgres.AppName)
		case !slices.Contains(d.role.Wanted, m.Name):
		case is.State == message.StandbyStreaming, is.State == message.StandbySynchronous,
			is.State == message.StandbyCatchingUp && slices.Contains(now, m.Postgres.AppName):
			out = append(out, m.Postgres.AppName)
		}
	}
	// One that must be waited for and is not declared cannot be reached; to leave it out would be to lose what it guards.
	for _, must := range d.role.Synchronous {
		if m := d.declared(must); m == nil || m.Postgres == nil {
			out = append(out, must)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (d *database) declared(name string) *spec.Member {
	for i := range d.role.Standbys {
		if d.role.Standbys[i].Name == name {
			return &d.role.Standbys[i]
		}
	}
	return nil
}

// lead sets a server that acts as primary right.
func (d *database) lead(ctx context.Context, s postgres.Standing) (did string, err error) {
	conn, err := d.local(ctx)
	if err != nil {
		return "", err
	}
	var done []string
	wanted := server.Common()
	names := formatNames(d.names(s))
	wanted["synchronous_standby_names"] = names
	if change := differing(wanted, s.Settings); len(change) > 0 {
		is, renamed := change["synchronous_standby_names"]
		if renamed {
			d.proof.changed(s.Settings["synchronous_standby_names"]) // before: whatever becomes of the change, nothing is shown any more
			done = append(done, waitsFor(is))
		}
		if err := conn.Alter(ctx, change); err != nil {
			return "", err
		}
	}
	slots, err := d.slots(ctx, conn, s)
	done = append(done, slots...)
	if err != nil {
		return strings.Join(done, "; "), err
	}
	d.endSilent(ctx, conn, s)
	// The background works on connections of its own: a checkpoint may take long.
	life := d.life
	switch {
	case s.CheckpointTimeline < s.Timeline:
		// pg_rewind of the others reads the timeline from the last checkpoint, and PostgreSQL takes its time for the first one after a promotion.
		err = d.job.start(d.checkpoint)
	case names != "" && !d.proof.of(names, life):
		err = d.job.start(func(ctx context.Context) error { return d.prove(ctx, names, life) })
	}
	return strings.Join(done, "; "), err
}

func waitsFor(names string) string {
	if names == "" {
		return "waits for no standby any more before it acknowledges"
	}
	return "waits for " + names + " before it acknowledges"
}

func differing(wanted, is map[string]string) map[string]string {
	change := map[string]string{}
	for name, value := range wanted {
		if is[name] != value {
			change[name] = value
		}
	}
	return change
}

// slotPrefix begins the names of the slots that are ham's.
const slotPrefix = "ham_"

// slots makes those of the declared standbys, and drops those of ham's that belong to nobody and are used by nobody: they would keep
// the log until the disk is full.
func (d *database) slots(ctx context.Context, conn *postgres.Conn, s postgres.Standing) (did []string, err error) {
	there := map[string]postgres.Slot{}
	for _, slot := range s.Slots {
		there[slot.Name] = slot
	}
	for _, m := range d.role.Standbys {
		if m.Postgres == nil || m.Postgres.Slot == "" {
			continue
		}
		slot, ok := there[m.Postgres.Slot]
		delete(there, m.Postgres.Slot)
		if ok && slot.WAL == "lost" && !slot.Active {
			if err := conn.DropSlot(ctx, slot.Name); err != nil {
				return did, err
			}
			did, ok = append(did, "dropped slot "+slot.Name+", whose log is gone"), false
		}
		if !ok {
			if err := conn.MakeSlot(ctx, m.Postgres.Slot); err != nil {
				return did, err
			}
			did = append(did, "made slot "+m.Postgres.Slot)
		}
	}
	more, err := dropStrangers(ctx, conn, there)
	return append(did, more...), err
}

func dropStrangers(ctx context.Context, conn *postgres.Conn, slots map[string]postgres.Slot) (did []string, err error) {
	for name, slot := range slots {
		if slot.Active || !slot.Physical || !strings.HasPrefix(name, slotPrefix) {
			continue
		}
		if err := conn.DropSlot(ctx, name); err != nil {
			return did, err
		}
		did = append(did, "dropped slot "+name+", which nobody is declared for")
	}
	slices.Sort(did)
	return did, nil
}

// endSilent ends the senders of standbys that are lost: a sender that still waits for a host that went away keeps its slot, and the standby that
// comes back could not use it for a minute.
func (d *database) endSilent(ctx context.Context, conn *postgres.Conn, s postgres.Standing) {
	for _, m := range d.role.Standbys {
		mem := d.followers[m.Name]
		if m.Postgres == nil || mem == nil || d.now().Sub(mem.heard) < d.patience {
			continue
		}
		if f, _ := find(s.Followers, m.Postgres); f != nil && !d.dropped[f.PID] {
			d.dropped[f.PID] = true
			if err := conn.EndFollower(ctx, f.PID); err != nil {
				d.log.Debug("the sender of a lost standby cannot be ended", "standby", m.Name, "err", err)
			}
		}
	}
}

func (d *database) checkpoint(ctx context.Context) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Checkpoint(ctx)
}
