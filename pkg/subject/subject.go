// Package subject is the one place where subjects, streams and buckets are spelled.
//
// Every subject is ham.v1.<what>.<group>…, and ends in its writer wherever a permission has to hold
// the writer. Tokens are names as message.IsName has them; Build functions panic on anything else,
// because a bad token would widen what a message reaches: names are checked where they enter.
package subject

import (
	"fmt"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Root is the first two tokens of every subject. The version changes only when old and new programs cannot share a bus.
const Root = "ham.v1"

// Streams.
const (
	StreamHeartbeats = "HAM_HEARTBEATS"
	StreamRequests   = "HAM_REQUESTS"
	StreamCommands   = "HAM_COMMANDS"
	StreamSafety     = "HAM_SAFETY"
	StreamEvents     = "HAM_EVENTS"
	StreamDeadLetter = "HAM_DEADLETTER"
	StreamGathered   = "HAM_GATHERED"
)

// Buckets.
const (
	BucketSpec     = "ham_spec"     // key <group>: what the operator applied
	BucketJournal  = "ham_journal"  // keys <group>.<epoch>[.<step>]
	BucketIncident = "ham_incident" // key <group>: the newest incident
	BucketLedger   = "ham_ledger"   // keys of the notifier: what was posted where
	// BucketThreshold has what was told of measured figures (key <group>), and what each process knows of its own certificates (key expiry.<writer>).
	BucketThreshold = "ham_threshold"
)

// Wildcards that streams capture and services subscribe to.
const (
	AllHeartbeats = Root + ".heartbeat.*.*.*"
	AllRequests   = Root + ".request.*.*.*"
	AllCommands   = Root + ".command.*"
	AllSafety     = Root + ".safety.*.*.*"
	AllEvents     = Root + ".event.*.*.*"
	AllDeadLetter = Root + ".deadletter.*.*"
	AllAsks       = Root + ".ask.*.*"
	AllQueries    = Root + ".query.*.*"
	AllLooks      = Root + ".look.*"
	AllLeases     = Root + ".lease.*.*"
	AllGathered   = Root + ".gathered.*.*"
	AllGathers    = Root + ".gather.*"
)

// Stored is where the bus republishes chain entries and safety messages once they are stored: whoever hears one there
// knows that it is part of the record, which a core subscription on the subject itself does not say.
const (
	storedPrefix = Root + ".stored"
	AllStored    = storedPrefix + ".>"
)

// Heartbeat is ham.v1.heartbeat.<group>.<member>.<vantage>.
func Heartbeat(group, member, vantage string) string {
	return join("heartbeat", group, member, vantage)
}

// IsHeartbeat says whether s is Heartbeat(group, member, vantage), without building it. The names must have been checked.
func IsHeartbeat(s, group, member, vantage string) bool {
	rest, ok := strings.CutPrefix(s, Root+".heartbeat.")
	for _, t := range [...]string{group, member} {
		if ok = ok && len(rest) > len(t) && rest[:len(t)] == t && rest[len(t)] == '.'; !ok {
			return false
		}
		rest = rest[len(t)+1:]
	}
	return ok && rest == vantage
}

// Ask is ham.v1.ask.<group>.<verb>: request with a reply.
func Ask(group string, verb message.Verb) string { return join("ask", group, string(verb)) }

// Request is ham.v1.request.<group>.<verb>.<actor>: request without a reply, stored.
func Request(group string, verb message.Verb, actor string) string {
	return join("request", group, string(verb), actor)
}

// What a query asks for.
const (
	QueryStatus  = "status"  // answered with a message.GroupStatus
	QueryPreview = "preview" // body: a message.Request; answered with a message.Preview
)

// Query is ham.v1.query.<group>.<what>: a question to the deciders that changes nothing.
func Query(group, what string) string { return join("query", group, what) }

// Look is ham.v1.look.<executor>: what would the steps of a plan find now? Body: a message.Preview with a plan; answered
// with a message.Looked. LookAny is answered by whichever executor is first.
func Look(executor string) string { return join("look", executor) }

const LookAny = Root + ".look." + NoGroup

// Lease is ham.v1.lease.<group>.<decider>: request with a reply, for that decider alone. LeasesOf is what a decider answers.
func Lease(group, decider string) string { return join("lease", group, decider) }

func LeasesOf(decider string) string { return Root + ".lease.*." + token(decider) }

// Command is ham.v1.command.<group>: the group's chain.
func Command(group string) string { return join("command", group) }

// StoredCommand is where the chain's entries are heard once stored.
func StoredCommand(group string) string { return storedPrefix + ".command." + token(group) }

// Kinds of safety messages.
const (
	SafetyStep        = "step"
	SafetyRun         = "run"
	SafetyInstruction = "instruction"
	SafetyFenced      = "fenced"
	SafetyReplication = "replication"
	SafetyEvaluation  = "evaluation"
)

// Safety is ham.v1.safety.<group>.<kind>.<writer>.
func Safety(group, kind, writer string) string { return join("safety", group, kind, writer) }

// Event is ham.v1.event.<group>.<kind>.<writer>.
func Event(group string, kind message.EventKind, writer string) string {
	return join("event", group, string(kind), writer)
}

// Link is ham.v1.event.<group>.link.<writer>: where else something of an incident is, as a message.Link among the events.
func Link(group, writer string) string { return join("event", group, KindLink, writer) }

// KindLink stands where the kind of an event does.
const KindLink = "link"

// EventsOf is every event of the group, SafetyOf every safety message, StoredSafetyOf the same once stored.
func EventsOf(group string) string       { return join("event", group) + ".*.*" }
func SafetyOf(group string) string       { return join("safety", group) + ".*.*" }
func StoredSafetyOf(group string) string { return storedPrefix + ".safety." + token(group) + ".*.*" }

// EventsOfKind is every event of the group of one kind, HeartbeatsOf every heartbeat of the group, RequestsOf every request.
func EventsOfKind(group string, kind message.EventKind) string {
	return join("event", group, string(kind)) + ".*"
}
func HeartbeatsOf(group string) string { return join("heartbeat", group) + ".*.*" }
func RequestsOf(group string) string   { return join("request", group) + ".*.*" }

// Gathered is ham.v1.gathered.<group>.<executor>: what an executor found when an incident opened, stored. GatheredOf is that of every executor.
func Gathered(group, executor string) string { return join("gathered", group, executor) }
func GatheredOf(group string) string         { return join("gathered", group) + ".*" }

// Gather is ham.v1.gather.<group>: what is there to be seen now? Every executor answers with a message.Gathered, without clues where it stands
// beside no member and reaches no route.
func Gather(group string) string { return join("gather", group) }

// DeadLetter is ham.v1.deadletter.<stream>.<writer>; a message that was in no stream has "core" in its place.
func DeadLetter(stream, writer string) string { return join("deadletter", stream, writer) }

// NoGroup stands for the group in events that are about the installation as a whole.
const NoGroup = "_"

// Parts is a subject taken apart. Fields that the kind does not have are empty.
type Parts struct {
	What   string // heartbeat, request, ask, query, command, safety, event, deadletter, look, lease, gathered, gather
	Group  string
	Member string // heartbeat
	Verb   string // request, ask
	Kind   string // safety, event, query
	Stream string // deadletter
	Writer string // vantage, actor, writer, the executor of a look or of what was gathered, or the decider of a lease
	Stored bool   // it was heard from the republished copy
}

// Parse takes a subject apart, of any of the kinds above.
func Parse(s string) (Parts, error) {
	rest, ok := strings.CutPrefix(s, Root+".")
	if !ok {
		return Parts{}, fmt.Errorf("subject %q: want %s.<what>.…", s, Root)
	}
	stored := false
	if r, ok := strings.CutPrefix(rest, "stored."); ok {
		rest, stored = r, true
	}
	t := strings.Split(rest, ".")
	for _, x := range t {
		if !message.IsName(x) {
			return Parts{}, fmt.Errorf("subject %q: %q is no name", s, x)
		}
	}
	p := Parts{What: t[0], Stored: stored}
	want := map[string]int{"heartbeat": 4, "request": 4, "ask": 3, "query": 3, "command": 2, "safety": 4, "event": 4, "deadletter": 3, "look": 2, "lease": 3, "gathered": 3, "gather": 2}[p.What]
	if want == 0 || len(t) != want {
		return Parts{}, fmt.Errorf("subject %q: no subject of ham has this form", s)
	}
	switch p.What {
	case "heartbeat":
		p.Group, p.Member, p.Writer = t[1], t[2], t[3]
	case "request":
		p.Group, p.Verb, p.Writer = t[1], t[2], t[3]
	case "ask":
		p.Group, p.Verb = t[1], t[2]
	case "query":
		p.Group, p.Kind = t[1], t[2]
	case "command":
		p.Group = t[1]
	case "safety", "event":
		p.Group, p.Kind, p.Writer = t[1], t[2], t[3]
	case "deadletter":
		p.Stream, p.Writer = t[1], t[2]
	case "look":
		p.Writer = t[1]
	case "lease", "gathered":
		p.Group, p.Writer = t[1], t[2]
	case "gather":
		p.Group = t[1]
	}
	return p, nil
}

func join(tokens ...string) string {
	for _, t := range tokens {
		token(t)
	}
	return Root + "." + strings.Join(tokens, ".")
}

func token(t string) string {
	if !message.IsName(t) {
		panic(fmt.Sprintf("subject: %q is no name: 1 to %d letters, digits, '-' or '_'", t, message.MaxName))
	}
	return t
}
