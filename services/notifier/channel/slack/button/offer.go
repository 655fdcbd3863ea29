package button

import (
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Style of a button.
type Style string

// Styles, as Slack names them.
const (
	Plain   Style = ""
	Primary Style = "primary"
	Danger  Style = "danger"
)

// Offer is a button and how it looks.
type Offer struct {
	Button
	// Label is a text of pkg/words, with a blank for Arg where that is set.
	Label, Arg string
	Style      Style
	// Confirm, if set, is what Slack asks before it lets the press through: what will happen, as a text of pkg/words with a blank for ConfirmArg, or, where
	// Will is set, as a sentence of the deciders.
	Confirm, ConfirmArg, Will string
}

// Ask offers a question.
func Ask(do Do, group, incident string) Offer {
	label := map[Do]string{Why: "Why didn't it?", Can: "What can I do?"}[do]
	return Offer{Button: Button{Do: do, Group: group, Incident: incident}, Label: label}
}

// OfEvent is what people may answer to an event, as of now: nothing where it asks nothing of them, or no longer.
func OfEvent(e *message.Event, now time.Time) []Offer {
	until := time.UnixMicro(e.At).Add(Lasts)
	epoch := e.Epoch
	base := Button{Group: e.Group, Incident: e.Incident}
	switch {
	case e.Approval != nil && e.Approval.State == message.ApprovalWaits:
		if u := time.UnixMicro(e.Approval.Until); u.Before(until) {
			until = u
		}
		base.Of = e.Approval.Request
		if epoch > 0 {
			base.Epoch = &epoch
		}
		return lasting(Approval(base, e.Approval.Sentence), until, now)
	case e.Step != nil && e.Step.State == message.StatePaused:
		epoch = e.Step.Epoch
		base.Epoch, base.Step = &epoch, e.Step.Step
		return lasting(Stopped(base, e.ID), until, now)
	case e.Kind == message.EventRefused:
		return []Offer{Ask(Can, e.Group, e.Incident)}
	}
	return nil
}

func lasting(all []Offer, until, now time.Time) []Offer {
	if !now.Before(until) {
		return nil
	}
	for i := range all {
		all[i].Until = until.Unix()
	}
	return all
}

// Approval offers to approve and to reject what waits.
func Approval(b Button, what string) []Offer {
	yes, no := b, b
	yes.Do, yes.Request = Do(message.VerbApprove), RequestOf("approve", b.Group, b.Of)
	no.Do, no.Request = Do(message.VerbReject), RequestOf("reject", b.Group, b.Of)
	return []Offer{
		{Button: yes, Label: "Approve", Style: Primary, Will: what},
		{Button: no, Label: "Reject"},
	}
}

// Stopped offers what can be decided about a step that stopped; of tells this stop from others.
func Stopped(b Button, of string) []Offer {
	var out []Offer
	for _, v := range []struct {
		verb                message.Verb
		label, arg, confirm string
		style               Style
	}{
		{message.VerbRetry, "Retry %s", b.Step, "", Primary},
		{message.VerbSkip, "Skip it", "", "The swap goes on without the step %s. What it would have done is then yours to do.", Plain},
		{message.VerbAbort, "Abort", "", "The swap ends at the step %s.", Danger},
	} {
		o := b
		o.Do, o.Request = Do(v.verb), RequestOf(string(v.verb), b.Group, of)
		out = append(out, Offer{Button: o, Label: v.label, Arg: v.arg, Style: v.style, Confirm: v.confirm, ConfirmArg: b.Step})
	}
	return out
}
