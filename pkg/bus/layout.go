package bus

import (
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/subject"
)

// Layout says how large the streams may grow and how often they are kept. A zero limit is the default for a new stream, and leaves that of an
// existing one as it is.
type Layout struct {
	// Replicas of everything that safety or history rests on: 1, 3 or 5. Default 1. Heartbeats always have one replica.
	Replicas int
	// HeartbeatMaxAge, default 24 h; HeartbeatMaxBytes, default 1 GiB. Losing heartbeats is harmless: these limits are also lowered where asked.
	HeartbeatMaxAge   time.Duration
	HeartbeatMaxBytes int64
	// EventsMaxAge, default 400 days; EventsMaxBytes, default 1 GiB. Like the other limits of history they are raised by Provision, never lowered.
	EventsMaxAge   time.Duration
	EventsMaxBytes int64
	// RequestsMaxAge, default 400 days.
	RequestsMaxAge time.Duration
	// DeadLetterMaxAge, default 90 days; DeadLetterMaxBytes, default 256 MiB.
	DeadLetterMaxAge   time.Duration
	DeadLetterMaxBytes int64
	// GatheredMaxAge, default 400 days; GatheredMaxBytes, default 256 MiB: what was found when incidents opened, some thousand times.
	GatheredMaxAge   time.Duration
	GatheredMaxBytes int64
}

const (
	day = 24 * time.Hour
	mib = 1 << 20
	// heartbeatDedupe is the dedupe window of the heartbeats: as short as the server lets it be, because readers drop copies by
	// boot and sequence anyway, and the window costs memory for each message in it.
	heartbeatDedupe = 100 * time.Millisecond
	// Revisions is how many revisions of a key are kept: enough to tell whose write followed which.
	Revisions = 16
)

// asset is one stream that the layout asks for.
type asset struct {
	cfg jetstream.StreamConfig
	// openAge, openBytes: the layout leaves this limit open, cfg holds the default.
	openAge, openBytes bool
	// least is what a default may shrink to where the disk has no room for more, in bytes; 0: 64 MiB.
	least int64
	// spare: nothing rests on it, so where there is no room it is left out.
	spare bool
	// shrinks: limits may also be lowered.
	shrinks bool
}

func (l Layout) assets() []asset {
	if l.Replicas <= 0 {
		l.Replicas = 1
	}
	stream := func(name, what, subjects string) asset {
		return asset{openAge: true, openBytes: true, cfg: jetstream.StreamConfig{
			Name: name, Description: what, Subjects: []string{subjects}, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
			Replicas: l.Replicas, Discard: jetstream.DiscardOld, Duplicates: eventDedupe,
			MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxConsumers: -1,
		}}
	}
	limit := func(a *asset, age, defAge time.Duration, bytes, defBytes int64) {
		a.openAge, a.openBytes = age <= 0, bytes <= 0
		if a.cfg.MaxAge = age; a.openAge {
			a.cfg.MaxAge = defAge
		}
		if a.cfg.MaxBytes = bytes; a.openBytes {
			a.cfg.MaxBytes = defBytes
		}
	}

	hb := stream(subject.StreamHeartbeats, "observations of the probers; losing them is harmless", subject.AllHeartbeats)
	hb.cfg.Replicas, hb.cfg.PersistMode, hb.cfg.Duplicates, hb.shrinks = 1, jetstream.AsyncPersistMode, heartbeatDedupe, true
	limit(&hb, l.HeartbeatMaxAge, day, l.HeartbeatMaxBytes, 1024*mib)

	req := stream(subject.StreamRequests, "what people, schedules and programs asked for", subject.AllRequests)
	req.cfg.DenyDelete = true
	limit(&req, l.RequestsMaxAge, 400*day, -1, -1)

	cmd := stream(subject.StreamCommands, "the chains: commands, held, marks; the only truth about decisions", subject.AllCommands)
	cmd.cfg.DenyDelete, cmd.cfg.DenyPurge = true, true
	cmd.cfg.RePublish = &jetstream.RePublish{Source: subject.AllCommands, Destination: storedOf(subject.AllCommands)}

	saf := stream(subject.StreamSafety, "what safety rests on: step results, runs, instructions", subject.AllSafety)
	saf.cfg.DenyDelete, saf.cfg.DenyPurge = true, true
	saf.cfg.RePublish = &jetstream.RePublish{Source: subject.AllSafety, Destination: storedOf(subject.AllSafety)}

	ev := stream(subject.StreamEvents, "everything else that happened: the audit log", subject.AllEvents)
	ev.cfg.DenyDelete = true
	limit(&ev, l.EventsMaxAge, 400*day, l.EventsMaxBytes, 1024*mib)

	dl := stream(subject.StreamDeadLetter, "what was invalid or given up, with the reason", subject.AllDeadLetter)
	dl.cfg.Duplicates = deadDedupe
	limit(&dl, l.DeadLetterMaxAge, 90*day, l.DeadLetterMaxBytes, 256*mib)

	// A stream of its own: what is gathered is large, and must push nothing out of the audit log, nor be read by whoever reads that.
	ga := stream(subject.StreamGathered, "what executors found when incidents opened", subject.AllGathered)
	ga.least, ga.spare = 4*mib, true
	limit(&ga, l.GatheredMaxAge, 400*day, l.GatheredMaxBytes, 256*mib)

	out := []asset{hb, req, cmd, saf, ev, dl}
	for _, b := range []string{subject.BucketSpec, subject.BucketJournal, subject.BucketIncident, subject.BucketLedger, subject.BucketThreshold} {
		out = append(out, bucket(b, l.Replicas))
	}
	return append(out, ga) // last: it gets what the others leave
}

// storedOf turns "ham.v1.command.*" into "ham.v1.stored.command.{{wildcard(1)}}".
func storedOf(all string) string {
	out, n := subject.Root+".stored", 0
	for _, t := range strings.Split(strings.TrimPrefix(all, subject.Root+"."), ".") {
		if t == "*" {
			n++
			t = "{{wildcard(" + strconv.Itoa(n) + ")}}"
		}
		out += "." + t
	}
	return out
}

// bucket is what a key-value bucket is made of. It allows no direct reads: any replica may serve those, and they may be old.
func bucket(name string, replicas int) asset {
	return asset{openAge: true, openBytes: true, cfg: jetstream.StreamConfig{
		Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"}, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		Replicas: replicas, Discard: jetstream.DiscardNew, MaxMsgsPerSubject: Revisions, MaxMsgs: -1, MaxBytes: -1, MaxConsumers: -1,
		Duplicates: eventDedupe, AllowRollup: true, DenyDelete: true,
	}}
}
