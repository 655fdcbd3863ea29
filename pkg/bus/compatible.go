package bus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/message"
)

// mismatch is one field of an existing stream that ham must not work with.
type mismatch struct {
	Stream, Field, Found, Want, Do string
}

func (m mismatch) String() string {
	return fmt.Sprintf("%s.%s is %s, want %s: %s", m.Stream, m.Field, m.Found, m.Want, m.Do)
}

// compare says what is wrong with an existing stream. Being stricter than asked, or larger, is not wrong.
func compare(want, found jetstream.StreamConfig) []mismatch {
	var out []mismatch
	add := func(field string, f, w any, do string) {
		out = append(out, mismatch{want.Name, field, fmt.Sprint(f), fmt.Sprint(w), do})
	}
	const recreate = "it cannot be changed in place: back the stream up (nats stream backup), delete it, provision again"
	fs, ws := slices.Sorted(slices.Values(found.Subjects)), slices.Sorted(slices.Values(want.Subjects))
	if !slices.Equal(fs, ws) {
		add("subjects", list(fs), list(ws), "another program or an older ham owns this stream: rename it or remove it")
	}
	if found.Mirror != nil || len(found.Sources) > 0 {
		add("mirror", "set", "none", "this is a copy of another stream: provision on the original, or promote the copy first")
	}
	if found.Sealed {
		add("sealed", true, false, recreate)
	}
	if found.Storage != want.Storage {
		add("storage", strings.ToLower(found.Storage.String()), strings.ToLower(want.Storage.String()), recreate)
	}
	if found.Retention != want.Retention {
		add("retention", strings.ToLower(found.Retention.String()), strings.ToLower(want.Retention.String()), recreate)
	}
	if found.NoAck {
		add("no_ack", true, false, "nothing would be confirmed as stored: set it to false (nats stream edit)")
	}
	if found.PersistMode == jetstream.AsyncPersistMode && want.PersistMode != jetstream.AsyncPersistMode {
		add("persist_mode", "async", "default", recreate)
	}
	if want.DenyDelete && !found.DenyDelete {
		add("deny_delete", false, true, "its messages could be removed one by one: set it to true (nats stream edit)")
	}
	if want.DenyPurge && !found.DenyPurge {
		add("deny_purge", false, true, "it could be emptied: set it to true (nats stream edit)")
	}
	if found.Replicas < want.Replicas {
		add("replicas", found.Replicas, want.Replicas, fmt.Sprintf("scale it (nats stream edit %s --replicas=%d) or ask for fewer", want.Name, want.Replicas))
	}
	if want.RePublish != nil && (found.RePublish == nil || *found.RePublish != *want.RePublish) {
		f := "none"
		if found.RePublish != nil {
			f = found.RePublish.Source + " → " + found.RePublish.Destination
		}
		add("republish", f, want.RePublish.Source+" → "+want.RePublish.Destination, "set it (nats stream edit): listeners hear stored messages there")
	}
	if found.SubjectTransform != nil {
		add("subject_transform", found.SubjectTransform.Source+" → "+found.SubjectTransform.Destination, "none", "remove it (nats stream edit)")
	}
	if want.AllowRollup && !found.AllowRollup {
		add("allow_rollup_hdrs", false, true, "set it to true (nats stream edit)")
	}
	if !want.AllowRollup && found.AllowRollup {
		add("allow_rollup_hdrs", true, false, "a roll-up message could remove history: set it to false (nats stream edit)")
	}
	if want.MaxAge == 0 && found.MaxAge > 0 {
		add("max_age", found.MaxAge, "none", "its messages would vanish with time: set it to 0 (nats stream edit)")
	}
	if want.MaxMsgs <= 0 && found.MaxMsgs > 0 {
		add("max_msgs", found.MaxMsgs, "no limit", "its oldest messages would vanish: set it to -1 (nats stream edit)")
	}
	if want.MaxBytes <= 0 && found.MaxBytes > 0 && found.Discard == jetstream.DiscardOld {
		add("max_bytes", found.MaxBytes, "no limit", "its oldest messages would vanish: set it to -1 (nats stream edit)")
	}
	if want.MaxMsgsPerSubject <= 0 && found.MaxMsgsPerSubject > 0 || want.MaxMsgsPerSubject > 0 && found.MaxMsgsPerSubject > 0 && found.MaxMsgsPerSubject < want.MaxMsgsPerSubject {
		w := "no limit"
		if want.MaxMsgsPerSubject > 0 {
			w = fmt.Sprint("at least ", want.MaxMsgsPerSubject)
		}
		add("max_msgs_per_subject", found.MaxMsgsPerSubject, w, "history would vanish: raise it (nats stream edit)")
	}
	if found.AllowMsgTTL && want.DenyPurge {
		add("allow_msg_ttl", true, false, recreate)
	}
	if want.MaxBytes > 0 && found.Discard != want.Discard {
		add("discard", found.Discard, want.Discard, "once full it would take nothing any more: set it to old (nats stream edit)")
	}
	if found.MaxMsgSize > 0 && found.MaxMsgSize < maxMessage {
		add("max_msg_size", found.MaxMsgSize, fmt.Sprintf("at least %d", maxMessage), "set it to -1 (nats stream edit)")
	}
	return out
}

// maxMessage is the largest message that ham sends, headers included, in bytes.
const maxMessage = message.MaxBody + 64<<10

func list(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, " ")
}
