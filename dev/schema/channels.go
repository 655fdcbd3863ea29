package main

import (
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// channel is one kind of subject and what travels on it.
type channel struct {
	name string
	// pattern is the wildcard of pkg/subject; params name its tokens, in their order.
	pattern string
	params  []string
	says    string
	// sends: ham writes here. Otherwise ham takes what others write.
	sends bool
	// stream keeps what is written; "": nobody does.
	stream   string
	messages []message.Message
	// reply is what ham answers with, if it answers.
	reply []message.Message
}

var chain = []message.Message{&message.Command{}, &message.Held{}, &message.Mark{}, &message.DrillEnd{}, &message.Approval{}, &message.Planned{}, &message.Maintenance{}}
var safety = []message.Message{&message.StepResult{}, &message.RunResult{}, &message.Instruction{}, &message.Fenced{}, &message.Replication{}, &message.Evaluation{}}

// channels is every kind of subject, in the order of the loop.
var channels = []channel{
	{
		name: "heartbeat", pattern: subject.AllHeartbeats, params: []string{"group", "member", "vantage"}, sends: true, stream: subject.StreamHeartbeats,
		says:     "One prober's observation of one member.",
		messages: []message.Message{&message.Heartbeat{}},
	},
	{
		name: "ask", pattern: subject.AllAsks, params: []string{"group", "verb"},
		says:     "A request with an answer: a decider stores it, acts on it, and answers. An empty body is valid: group and verb are in the subject.",
		messages: []message.Message{&message.Request{}}, reply: []message.Message{&message.Outcome{}},
	},
	{
		name: "query", pattern: subject.AllQueries, params: []string{"group", "query"},
		says:     "A question to the deciders that changes nothing: status (empty body), or preview of the request in the body.",
		messages: []message.Message{&message.Request{}}, reply: []message.Message{&message.GroupStatus{}, &message.Preview{}},
	},
	{
		name: "look", pattern: subject.AllLooks, params: []string{"executor"},
		says:     "A question to an executor that changes nothing: what would the steps of the plan in the body find now? \"" + subject.NoGroup + "\" is whichever executor is first.",
		messages: []message.Message{&message.Preview{}}, reply: []message.Message{&message.Looked{}},
	},
	{
		name: "gather", pattern: subject.AllGathers, params: []string{"group"},
		says:     "A question to every executor that changes nothing: what is to be seen on its host and at the routes now? The body is empty; each answers, without clues where it has nothing to do with the group. Answers hold lines of logs: give the right to ask to those who may read them.",
		messages: []message.Message{}, reply: []message.Message{&message.Gathered{}},
	},
	{
		name: "lease", pattern: subject.AllLeases, params: []string{"group", "decider"},
		says:     "The executor beside a primary asks one decider for its share of the lease. Nothing is stored.",
		messages: []message.Message{&message.LeaseRequest{}}, reply: []message.Message{&message.LeaseAnswer{}},
	},
	{
		name: "request", pattern: subject.AllRequests, params: []string{"group", "verb", "actor"}, stream: subject.StreamRequests,
		says:     "A request without an answer: the stream's acknowledgement means stored, the outcome is an event with the request's id. An empty body is valid.",
		messages: []message.Message{&message.Request{}},
	},
	{
		name: "command", pattern: subject.AllCommands, params: []string{"group"}, sends: true, stream: subject.StreamCommands,
		says:     "The chain of a group: each entry is written expecting the sequence of the one before it, so the first writer wins.",
		messages: chain,
	},
	{
		name: "storedCommand", pattern: strings.Replace(subject.AllCommands, subject.Root, subject.Root+".stored", 1), params: []string{"group"}, sends: true,
		says:     "The same entry, republished once it is stored: to be heard without a consumer.",
		messages: chain,
	},
	{
		name: "safety", pattern: subject.AllSafety, params: []string{"group", "safety", "writer"}, sends: true, stream: subject.StreamSafety,
		says:     "What safety rests on: what became of each step and run, what a person wants with a paused step, who is fenced, and what the primary's standbys are to it.",
		messages: safety,
	},
	{
		name: "storedSafety", pattern: strings.Replace(subject.AllSafety, subject.Root, subject.Root+".stored", 1), params: []string{"group", "safety", "writer"}, sends: true,
		says:     "The same, republished once it is stored.",
		messages: safety,
	},
	{
		name: "event", pattern: subject.AllEvents, params: []string{"group", "event", "writer"}, sends: true, stream: subject.StreamEvents,
		says:     "Everything that happened, with its evidence: the audit log. What is about no group has \"" + subject.NoGroup + "\" in its place. A link stands among them under the kind link.",
		messages: []message.Message{&message.Event{}, &message.Link{}},
	},
	{
		name: "gathered", pattern: subject.AllGathered, params: []string{"group", "executor"}, sends: true, stream: subject.StreamGathered,
		says:     "What an executor found on its host and at the routes when an incident opened, a step failed, or the incident ended. Secrets are masked.",
		messages: []message.Message{&message.Gathered{}},
	},
	{
		name: "deadletter", pattern: subject.AllDeadLetter, params: []string{"stream", "writer"}, sends: true, stream: subject.StreamDeadLetter,
		says:     "What was invalid or given up, kept whole, with the reason.",
		messages: []message.Message{&message.DeadLetter{}},
	},
	{
		name: "spec", pattern: "$KV." + subject.BucketSpec + ".*", params: []string{"group"}, stream: "KV_" + subject.BucketSpec,
		says:     "The key-value bucket of what operators applied; written by compare-and-set.",
		messages: []message.Message{&message.Spec{}},
	},
	{
		name: "incident", pattern: "$KV." + subject.BucketIncident + ".*", params: []string{"group"}, sends: true, stream: "KV_" + subject.BucketIncident,
		says:     "The key-value bucket with each group's newest incident; written by compare-and-set.",
		messages: []message.Message{&message.Incident{}},
	},
	{
		name: "threshold", pattern: "$KV." + subject.BucketThreshold + ".*", params: []string{"group"}, sends: true, stream: "KV_" + subject.BucketThreshold,
		says:     "The key-value bucket with what was told of each group's measured figures; written by compare-and-set.",
		messages: []message.Message{&message.Thresholds{}},
	},
	{
		name: "expiry", pattern: "$KV." + subject.BucketThreshold + ".expiry.*", params: []string{"writer"}, sends: true, stream: "KV_" + subject.BucketThreshold,
		says:     "In the same bucket, the certificates that each process uses or has met.",
		messages: []message.Message{&message.Expiries{}},
	},
}

// address is the pattern with its parameters in the place of the wildcards.
func (c channel) address() string {
	a := c.pattern
	for _, p := range c.params {
		a = strings.Replace(a, "*", "{"+p+"}", 1)
	}
	return a
}

// parameters are what each parameter of an address stands for.
func parameters() map[string]parameter {
	var verbs, kinds []string
	for _, v := range message.Verbs {
		verbs = append(verbs, string(v))
	}
	for _, k := range message.EventKinds {
		kinds = append(kinds, string(k))
	}
	return map[string]parameter{
		"group":    {Description: "The group's name."},
		"member":   {Description: "The member's name."},
		"vantage":  {Description: "The place that the prober looks from; the writer."},
		"verb":     {Description: "What is asked for.", Enum: verbs},
		"actor":    {Description: "Who asks; the writer."},
		"query":    {Description: "What is asked.", Enum: []string{subject.QueryStatus, subject.QueryPreview}},
		"safety":   {Description: "The kind of message.", Enum: []string{subject.SafetyStep, subject.SafetyRun, subject.SafetyInstruction, subject.SafetyFenced, subject.SafetyReplication, subject.SafetyEvaluation}},
		"event":    {Description: "What happened. Newer programs may know more kinds.", Examples: kinds},
		"executor": {Description: "The executor's name."},
		"decider":  {Description: "The decider's name."},
		"stream":   {Description: "The stream that the message was in; core for one that was in none."},
		"writer":   {Description: "The name of the process that writes."},
	}
}

// used are the messages of all channels, each once, in the order of the contract.
func used() []message.Message {
	var out []message.Message
	for _, m := range message.All() {
		name := message.NameOf(m)
		if slices.ContainsFunc(channels, func(c channel) bool {
			return slices.ContainsFunc(slices.Concat(c.messages, c.reply), func(x message.Message) bool { return message.NameOf(x) == name })
		}) {
			out = append(out, m)
		}
	}
	return out
}
