package bus

import (
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/subject"
)

// Layout says how large the streams may grow and how often they are kept. Zero values take the default.
type Layout struct {
	// Replicas of everything that safety or history rests on: 1, 3 or 5. Default 1. Heartbeats always have one replica.
	Replicas int
	// HeartbeatMaxAge, default 24 h; HeartbeatMaxBytes, default 1 GiB.
	HeartbeatMaxAge   time.Duration
	HeartbeatMaxBytes int64
	// EventsMaxAge, default 400 days; EventsMaxBytes, default 2 GiB.
	EventsMaxAge   time.Duration
	EventsMaxBytes int64
	// RequestsMaxAge, default 400 days.
	RequestsMaxAge time.Duration
	// DeadLetterMaxAge, default 90 days; DeadLetterMaxBytes, default 256 MiB.
	DeadLetterMaxAge   time.Duration
	DeadLetterMaxBytes int64
}

const day = 24 * time.Hour

func (l Layout) complete() Layout {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	size := func(n *int64, v int64) {
		if *n <= 0 {
			*n = v
		}
	}
	if l.Replicas <= 0 {
		l.Replicas = 1
	}
	def(&l.HeartbeatMaxAge, day)
	size(&l.HeartbeatMaxBytes, 1<<30)
	def(&l.EventsMaxAge, 400*day)
	size(&l.EventsMaxBytes, 2<<30)
	def(&l.RequestsMaxAge, 400*day)
	def(&l.DeadLetterMaxAge, 90*day)
	size(&l.DeadLetterMaxBytes, 256<<20)
	return l
}

// HeartbeatDedupe is the dedupe window of the heartbeats: as short as the server lets it be, because readers drop copies by
// boot and sequence anyway and the window costs memory for each message.
const heartbeatDedupe = 100 * time.Millisecond

// Streams returns what the layout asks for, in the order of the loop.
func (l Layout) streams() []jetstream.StreamConfig {
	l = l.complete()
	base := func(name, what string, subjects ...string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Description: what, Subjects: subjects, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
			Replicas: l.Replicas, Discard: jetstream.DiscardOld, Duplicates: 10 * time.Minute, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxConsumers: -1,
		}
	}
	hb := base(subject.StreamHeartbeats, "observations of the probers; losing them is harmless", subject.AllHeartbeats)
	hb.Replicas, hb.PersistMode, hb.MaxAge, hb.MaxBytes, hb.Duplicates = 1, jetstream.AsyncPersistMode, l.HeartbeatMaxAge, l.HeartbeatMaxBytes, heartbeatDedupe

	req := base(subject.StreamRequests, "what people, schedules and programs asked for", subject.AllRequests)
	req.MaxAge, req.DenyDelete = l.RequestsMaxAge, true

	cmd := base(subject.StreamCommands, "the chains: commands, held, marks; the only truth about decisions", subject.AllCommands)
	cmd.DenyDelete, cmd.DenyPurge = true, true
	cmd.RePublish = &jetstream.RePublish{Source: subject.AllCommands, Destination: storedOf(subject.AllCommands)}

	saf := base(subject.StreamSafety, "what safety rests on: step results, runs, instructions", subject.AllSafety)
	saf.DenyDelete, saf.DenyPurge = true, true
	saf.RePublish = &jetstream.RePublish{Source: subject.AllSafety, Destination: storedOf(subject.AllSafety)}

	ev := base(subject.StreamEvents, "everything else that happened: the audit log", subject.AllEvents)
	ev.MaxAge, ev.MaxBytes, ev.DenyDelete = l.EventsMaxAge, l.EventsMaxBytes, true

	dl := base(subject.StreamDeadLetter, "what was invalid or given up, with the reason", subject.AllDeadLetter)
	dl.MaxAge, dl.MaxBytes, dl.Duplicates = l.DeadLetterMaxAge, l.DeadLetterMaxBytes, day

	out := []jetstream.StreamConfig{hb, req, cmd, saf, ev, dl}
	for _, bucket := range []string{subject.BucketSpec, subject.BucketJournal, subject.BucketIncident, subject.BucketLedger} {
		out = append(out, bucketConfig(bucket, l.Replicas))
	}
	return out
}

// storedOf turns "ham.v1.command.*" into "ham.v1.stored.command.{{wildcard(1)}}".
func storedOf(all string) string {
	out, n := subject.Root+".stored", 0
	for _, t := range strings.Split(all, ".")[2:] {
		if t == "*" {
			n++
			t = "{{wildcard(" + string(rune('0'+n)) + ")}}"
		}
		out += "." + t
	}
	return out
}

// bucketConfig is what a key-value bucket is made of. It has no direct reads: any replica may serve those, and they may be old.
func bucketConfig(bucket string, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "KV_" + bucket, Subjects: []string{"$KV." + bucket + ".>"}, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		Replicas: replicas, Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 16, MaxMsgs: -1, MaxBytes: -1, MaxConsumers: -1,
		Duplicates: 10 * time.Minute, AllowRollup: true, DenyDelete: true,
	}
}
