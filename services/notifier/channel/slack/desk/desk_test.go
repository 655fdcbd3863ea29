package desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/pkg/words/wordstest"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/blockkit"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/button"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/desk"
)

// world is a workspace, the deciders and the bucket, each as simple as can be.
type world struct {
	t  *testing.T
	mu sync.Mutex

	kept map[string]bus.Record
	rev  uint64

	status  message.GroupStatus
	preview message.Preview
	outcome message.Outcome
	down    error // what the deciders answer instead
	asked   []*message.Request
	hold    chan struct{} // what they answer waits for it

	shown    map[string]string // what a message shows now, by its ts
	replies  []string
	blocks   [][]slack.Block
	whispers []string // "user: text"
	events   []*message.Event
	key      button.Key
	lang     words.Lang
}

const (
	ana, rui, eva, stranger = "U0ANA", "U0RUI", "U0EVA", "U0STRANGE"
	place                   = "C0OPS0001"
)

// inWorld runs a story in virtual time.
func inWorld(t *testing.T, story func(*world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		epoch := uint64(3)
		w := &world{
			t: t, kept: map[string]bus.Record{}, shown: map[string]string{}, key: button.KeyOf("xoxb-1"),
			status: message.GroupStatus{
				Group: "web", Sentence: "If a died now: nobody takes over, because web is in mode manual", Mode: "manual", Epoch: epoch, Held: true, Primary: "a", Decider: "d1", Incident: "web-1",
				Refusals:  []message.Reason{{Code: "R301", Sentence: "web is in mode manual"}},
				Members:   []message.MemberStatus{{Name: "a", Role: message.RolePrimary, Verdict: message.VerdictDown}, {Name: "b", Role: message.RoleStandby, Verdict: message.VerdictUp, Ready: true}},
				Approvals: []message.ApprovalStatus{{Request: "rq-1", State: message.ApprovalWaits, Actor: "rui", Verb: message.VerbSwitchover, Sentence: "b takes over from a", Until: time.Now().Add(time.Hour).UnixMicro()}},
			},
			preview: message.Preview{
				Group: "web", Verb: message.VerbFailover, From: "a", To: "b", Epoch: 4, Accepted: true, Sentence: "b takes over from a, losing nothing",
				Plan: &message.Plan{Hash: "plan-1", Steps: []message.Step{{Name: "front", Says: "clients go to b"}}},
			},
			outcome: message.Outcome{Group: "web", Accepted: true, Epoch: 4, Sentence: "accepted, epoch 4"},
		}
		story(w)
	})
}

func (w *world) desk() *desk.Desk {
	return desk.New(desk.Options{
		Channel: "slack", Lang: w.lang, Notifier: "n1", Ask: w, Table: w, Slack: w, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Key: func() (button.Key, error) { return w.key, nil },
		People: []spec.ChatPerson{
			{ID: ana, Name: "ana", Roles: spec.Roles{"web": "operator"}}, {ID: rui, Name: "rui", Roles: spec.Roles{"*": "operator"}},
			{ID: eva, Name: "eva", Roles: spec.Roles{"web": "viewer", "orders": "admin"}},
		},
		Tell: func(_ context.Context, e *message.Event) error {
			if err := message.Validate(e); err != nil {
				return err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			return nil
		},
	})
}

// --- what the desk is given

func (w *world) Get(_ context.Context, key string) (bus.Record, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.kept[key]
	if !ok {
		return r, fmt.Errorf("%w: %s", bus.ErrNotFound, key)
	}
	return r, nil
}

func (w *world) Create(ctx context.Context, key string, v any) (uint64, error) {
	return w.Update(ctx, key, v, 0)
}

func (w *world) Update(_ context.Context, key string, v any, rev uint64) (uint64, error) {
	b, err := json.Marshal(v)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || w.kept[key].Revision != rev {
		return 0, errors.Join(err, bus.ErrConflict)
	}
	w.rev++
	w.kept[key] = bus.Record{Key: key, Revision: w.rev, Value: b}
	return w.rev, nil
}

func (w *world) Status(_ context.Context, group string) (*message.GroupStatus, error) {
	s := w.status
	s.Group = group
	return &s, w.down
}

func (w *world) Preview(_ context.Context, r *message.Request) (*message.Preview, error) {
	p := w.preview
	p.Verb = r.Verb
	return &p, w.down
}

func (w *world) Send(_ context.Context, r *message.Request) (*message.Outcome, error) {
	if err := message.Validate(r); err != nil {
		return nil, err
	}
	w.mu.Lock()
	if w.down != nil {
		w.mu.Unlock()
		return nil, w.down
	}
	w.asked = append(w.asked, r)
	o := w.outcome
	w.mu.Unlock()
	if w.hold != nil {
		<-w.hold
	}
	o.Request, o.Verb = r.ID, r.Verb
	return &o, nil
}

func (w *world) Reply(_ context.Context, under channel.Ref, text string, blocks []slack.Block) (channel.Ref, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replies = append(w.replies, show(w.t, text, blocks))
	w.blocks = append(w.blocks, blocks)
	return channel.Ref{Place: under.Place, ID: fmt.Sprintf("2.%06d", len(w.replies))}, nil
}

func (w *world) Change(_ context.Context, at channel.Ref, text string, blocks []slack.Block) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown[at.ID] = show(w.t, text, blocks)
	return nil
}

func (w *world) Whisper(_ context.Context, _ channel.Ref, user, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whispers = append(w.whispers, user+": "+text)
	return nil
}

func show(t *testing.T, text string, blocks []slack.Block) string {
	b, err := json.Marshal(blocks)
	if err != nil {
		t.Error(err)
	}
	return text + "\n" + string(b)
}

// --- what people do

// post posts what an event asks of people, as a lane does, and returns the press of each of its buttons.
func (w *world) post(id string, offers []button.Offer) map[string]desk.Press {
	w.t.Helper()
	at := channel.Ref{Place: place, ID: "1.0000" + id}
	if _, err := w.Create(w.t.Context(), "slack-ops.event."+id, map[string]any{"state": "sent", "ref": at}); err != nil {
		w.t.Fatal(err)
	}
	return presses(w.key, "slack-ops.event."+id, at, offers)
}

func presses(key button.Key, post string, at channel.Ref, offers []button.Offer) map[string]desk.Press {
	blocks := []slack.Block{slack.NewSectionBlock(slack.NewTextBlockObject("mrkdwn", "what happened", false, true), nil, nil), blockkit.Actions(words.English, key, post, offers)}
	out := map[string]desk.Press{}
	for _, o := range offers {
		o.Post = post
		out[o.Label] = desk.Press{At: at, Thread: channel.Ref{Place: at.Place, ID: "1.000000"}, Value: key.Sign(o.Button), Text: "what happened", Blocks: blocks}
	}
	return out
}

func approval(group string) []button.Offer {
	return button.OfEvent(&message.Event{
		Group: group, Kind: message.EventApproval, Incident: group + "-1", Epoch: 3, At: time.Now().UnixMicro(),
		Approval: &message.ApprovalStatus{State: message.ApprovalWaits, Request: "rq-1", Sentence: "b takes over from a", Until: time.Now().Add(time.Hour).UnixMicro()},
	}, time.Now())
}

func (w *world) press(d *desk.Desk, user string, p desk.Press) {
	p.User = user
	d.Press(w.t.Context(), p)
}

// told says whether the user was told so, alone.
func (w *world) told(user, holds string) {
	w.t.Helper()
	for _, s := range w.whispers {
		if strings.HasPrefix(s, user+": ") && strings.Contains(s, holds) {
			return
		}
	}
	w.t.Errorf("%s was not told %q: %q", user, holds, w.whispers)
}

// nothing says that nothing was asked, and, if holds is set, that the record says who was refused.
func (w *world) nothing(holds string) {
	w.t.Helper()
	if len(w.asked) > 0 {
		w.t.Errorf("asked: %+v", w.asked[0])
	}
	if holds == "" {
		return
	}
	for _, e := range w.events {
		if strings.Contains(e.Sentence, holds) {
			return
		}
	}
	w.t.Errorf("the record does not say %q: %+v", holds, w.events)
}

// --- stories

// A press asks for what the button showed, in the person's name, and the message says who, when and what came of it.
func TestPressAsksForWhatWasShown(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.desk()
		p := w.post("1", approval("web"))
		w.press(d, ana, p["Approve"])
		if len(w.asked) != 1 {
			t.Fatalf("asked %d times; whispers %q", len(w.asked), w.whispers)
		}
		q := w.asked[0]
		if q.Verb != message.VerbApprove || q.Of != "rq-1" || q.Actor != "ana" || q.Via != "chat" || q.From != ana || q.Group != "web" || q.ExpectEpoch == nil || *q.ExpectEpoch != 3 {
			t.Errorf("asked for %+v", q)
		}
		shown := w.shown[p["Approve"].At.ID]
		if !strings.Contains(shown, "ana pressed approve at 00:00:00 UTC. accepted, epoch 4") || strings.Contains(shown, `"button"`) || !strings.Contains(shown, "what happened") {
			t.Errorf("the message shows %s", shown)
		}
	})
}

// The failover that the mode left to people: shown with its plan first, and exactly that plan is fired.
func TestPlanThatWasShownIsFired(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.desk()
		w.status.Approvals = nil
		p := w.post("1", []button.Offer{button.Ask(button.Can, "web", "web-1")})
		w.press(d, ana, p["What can I do?"])
		if len(w.replies) != 1 || !strings.Contains(w.replies[0], "clients go to b") || !strings.Contains(w.replies[0], "losing nothing") {
			t.Fatalf("replies %q whispers %q", w.replies, w.whispers)
		}
		fire := w.panel(0, "Fail over to b")
		w.press(d, ana, fire)
		if len(w.asked) != 1 || w.asked[0].Verb != message.VerbFailover || w.asked[0].PlanHash != "plan-1" || *w.asked[0].ExpectEpoch != 3 {
			t.Fatalf("asked %+v, whispers %q", w.asked, w.whispers)
		}
		if !strings.Contains(w.shown[fire.At.ID], "ana pressed failover") {
			t.Errorf("shows %s", w.shown[fire.At.ID])
		}
	})
}

// panel is the press of a button of the nth reply.
func (w *world) panel(n int, label string) desk.Press {
	w.t.Helper()
	for _, b := range w.blocks[n] {
		a, ok := b.(*slack.ActionBlock)
		if !ok {
			continue
		}
		for _, e := range a.Elements.ElementSet {
			if k := e.(*slack.ButtonBlockElement); k.Text.Text == label {
				if k.Confirm == nil && label != "Reject" {
					w.t.Errorf("%s asks nothing back", label)
				}
				at := channel.Ref{Place: place, ID: fmt.Sprintf("2.%06d", n+1)}
				return desk.Press{At: at, Thread: at, Value: k.Value, Text: "panel", Blocks: w.blocks[n]}
			}
		}
	}
	w.t.Fatalf("no button %s in %s", label, w.replies[n])
	return desk.Press{}
}

// What would be refused has no button, and says why; a rehearsal is marked.
func TestPanelOffersWhatWouldBeTaken(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.desk()
		p := w.post("1", []button.Offer{button.Ask(button.Can, "web", "web-1")})
		w.preview.Accepted, w.preview.Reasons = false, []message.Reason{{Code: "R327", Sentence: "b lags by 40 MB", Overridable: true}}
		w.press(d, ana, p["What can I do?"])
		if strings.Contains(w.replies[0], "Fail over") || !strings.Contains(w.replies[0], "R327 b lags by 40 MB") || !strings.Contains(w.replies[0], "Approve") || !strings.Contains(w.replies[0], "Pause for 1 h") {
			t.Errorf("it shows %s", w.replies[0])
		}
		w.preview.Accepted, w.preview.DryRun, w.status.Paused = true, true, true
		w.press(d, ana, p["What can I do?"])
		if !strings.Contains(w.replies[1], "Rehearse: take over by b") || !strings.Contains(w.replies[1], "DRY RUN") || !strings.Contains(w.replies[1], "End the pause") {
			t.Errorf("it shows %s", w.replies[1])
		}
		w.status.Swap = &message.SwapStatus{Command: "c4", Epoch: 3, To: "b", State: message.StatePaused, Steps: []message.StepStatus{{Name: "front", State: message.StatePaused, Problem: "HAProxy is away"}}}
		w.press(d, ana, p["What can I do?"])
		if !strings.Contains(w.replies[2], "HAProxy is away") || strings.Contains(w.replies[2], "Fail over") {
			t.Errorf("it shows %s", w.replies[2])
		}
		w.press(d, ana, w.panel(2, "Skip it"))
		if len(w.asked) != 1 || w.asked[0].Verb != message.VerbSkip || w.asked[0].Step != "front" || w.asked[0].Epoch != 3 {
			t.Errorf("asked %+v whispers %q", w.asked, w.whispers)
		}
		w.press(d, ana, w.panel(0, "Pause for 1 h"))
		if len(w.asked) != 2 || w.asked[1].Verb != message.VerbPause || w.asked[1].For.Std() != time.Hour {
			t.Errorf("asked %+v whispers %q", w.asked, w.whispers)
		}
	})
}

func TestWhyDidItNot(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.desk()
		p := w.post("1", []button.Offer{button.Ask(button.Why, "web", "web-1")})
		w.press(d, eva, p["Why didn't it?"])
		if len(w.replies) != 1 || !strings.Contains(w.replies[0], "R301 web is in mode manual") || !strings.Contains(w.replies[0], "Asked for by a person, failover now: b takes over from a") {
			t.Errorf("replies %q whispers %q", w.replies, w.whispers)
		}
		w.nothing("")
		time.Sleep(24 * time.Hour) // a question does not expire
		w.press(d, eva, p["Why didn't it?"])
		if len(w.replies) != 2 {
			t.Errorf("whispers %q", w.whispers)
		}
	})
}

func TestStrangerIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		w.press(w.desk(), stranger, w.post("1", approval("web"))["Approve"])
		w.told(stranger, "not among the people")
		w.nothing("refused U0STRANGE, who pressed approve of web")
	})
}

func TestViewerIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		w.press(w.desk(), eva, w.post("1", approval("web"))["Approve"])
		w.told(eva, "takes the role of operator of web")
		w.nothing("refused eva, who pressed approve of web")
	})
}

// Who may in one group may nothing in another.
func TestGroupThatIsNotTheirsIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		w.press(w.desk(), ana, w.post("1", approval("orders"))["Approve"])
		w.press(w.desk(), ana, w.post("2", []button.Offer{button.Ask(button.Why, "orders", "orders-1")})["Why didn't it?"])
		w.told(ana, "takes the role of operator of orders")
		w.told(ana, "takes the role of viewer of orders")
		w.nothing("refused ana, who pressed approve of orders")
		if len(w.replies) > 0 {
			t.Errorf("told %q", w.replies)
		}
	})
}

// A button that was changed on its way, or made with another token, asks for nothing.
func TestTamperedValueIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.desk()
		p := w.post("1", approval("web"))["Approve"]
		forged := presses(button.KeyOf("xoxb-other"), "slack-ops.event.1", p.At, approval("web"))["Approve"]
		w.press(d, ana, forged)
		p.Value = "x" + p.Value
		w.press(d, ana, p)
		p.Value = ""
		w.press(d, ana, p)
		w.told(ana, "not as ham made it")
		w.nothing("a button that is not ham's")
	})
}

// A button of one incident's post is good under that post alone: not in another thread, not in another channel, not under a post that nobody made.
func TestButtonUnderAnotherPostIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.desk()
		p, other := w.post("1", approval("web"))["Approve"], w.post("2", approval("orders"))["Approve"]
		moved := p
		moved.At = other.At
		w.press(d, rui, moved)
		moved.At = channel.Ref{Place: "C0WEB0001", ID: p.At.ID}
		w.press(d, rui, moved)
		w.press(d, rui, presses(w.key, "slack-ops.event.9", p.At, approval("web"))["Approve"])
		w.told(rui, "does not belong to this message")
		w.nothing("does not belong to this message")
		w.press(d, rui, p)
		if len(w.asked) != 1 {
			t.Errorf("where it belongs: %q", w.whispers)
		}
	})
}

// Ten minutes, and it is said: to who pressed and under the message.
func TestExpiredButtonIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.desk()
		p := w.post("1", approval("web"))["Approve"]
		time.Sleep(button.Lasts)
		w.press(d, ana, p)
		w.told(ana, "expired at 00:10:00 UTC")
		w.nothing("")
		if s := w.shown[p.At.ID]; !strings.Contains(s, "expired at") || strings.Contains(s, `"button"`) {
			t.Errorf("shows %s", s)
		}
	})
}

func TestOvertakenButtonIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world)
		says   string
	}{
		"the group moved on":    {func(w *world) { w.status.Epoch = 4 }, "shown at epoch 3, and web is at epoch 4"},
		"it was decided there":  {func(w *world) { w.status.Approvals = nil }, "decided elsewhere"},
		"another request waits": {func(w *world) { w.status.Approvals[0].Request = "rq-2" }, "decided elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.post("1", approval("web"))["Approve"]
				c.change(w)
				w.press(w.desk(), ana, p)
				w.told(ana, c.says)
				w.nothing("")
				if s := w.shown[p.At.ID]; !strings.Contains(s, c.says) || strings.Contains(s, `"button"`) {
					t.Errorf("shows %s", s)
				}
			})
		})
	}
}

// A step that goes on again is nobody's to skip.
func TestStepThatGoesOnIsNotSkipped(t *testing.T) {
	inWorld(t, func(w *world) {
		stopped := &message.Event{ID: "e1", Group: "web", Kind: message.EventStep, At: time.Now().UnixMicro(), Step: &message.StepResult{Step: "front", Epoch: 3, State: message.StatePaused}}
		p := w.post("1", button.OfEvent(stopped, time.Now()))["Skip it"]
		w.status.Swap = &message.SwapStatus{Epoch: 3, To: "b", Steps: []message.StepStatus{{Name: "front", State: message.StateStarted}}}
		w.press(w.desk(), ana, p)
		w.told(ana, "does not wait any more")
		w.nothing("")
	})
}

// A step that asks a person is answered like a swap that waits: the button says what is asked, the request names the step, and the message who pressed.
func TestAStepIsApproved(t *testing.T) {
	inWorld(t, func(w *world) {
		of := message.StepApproval("web", 3, "backup")
		a := message.ApprovalStatus{
			Request: of, Step: "backup", State: message.ApprovalWaits, Actor: "ana", Sentence: "step backup of the switchover of web from a to b asks: the backup is from today", Until: time.Now().Add(time.Hour).UnixMicro(),
		}
		asks := &message.Event{Group: "web", Kind: message.EventApproval, Epoch: 3, At: time.Now().UnixMicro(), Approval: &a}
		offers := button.OfEvent(asks, time.Now())
		if len(offers) != 2 || offers[0].Will != a.Sentence {
			t.Fatalf("offers %+v", offers)
		}
		w.status.Approvals = []message.ApprovalStatus{a}
		p := w.post("1", offers)
		w.press(w.desk(), ana, p["Approve"])
		w.press(w.desk(), rui, w.post("2", offers)["Reject"])
		if len(w.asked) != 2 || w.asked[0].Verb != message.VerbApprove || w.asked[0].Of != of || w.asked[0].Actor != "ana" || w.asked[0].Via != "chat" ||
			w.asked[1].Verb != message.VerbReject || w.asked[1].Of != of || w.asked[1].Actor != "rui" {
			t.Fatalf("asked %+v, whispers %q", w.asked, w.whispers)
		}
		for _, r := range w.asked {
			if err := message.Validate(r); err != nil {
				t.Error(err)
			}
		}
		if s := w.shown[p["Approve"].At.ID]; strings.Contains(s, `"button"`) || !strings.Contains(s, "ana pressed approve") {
			t.Errorf("shows %s", s)
		}
		w.status.Approvals = nil // answered, or its time is over
		w.press(w.desk(), rui, w.post("3", offers)["Approve"])
		w.told(rui, "decided elsewhere, or nobody approved it in time")
		if len(w.asked) != 2 {
			t.Errorf("asked %+v", w.asked[2:])
		}
	})
}

// An approval that is sent again, by whom ever, is one approval: after it was answered nothing is asked at all.
func TestReplayedApprovalIsOne(t *testing.T) {
	inWorld(t, func(w *world) {
		d, other := w.desk(), w.desk()
		p := w.post("1", approval("web"))
		w.press(d, ana, p["Approve"])
		w.press(d, ana, p["Approve"])
		w.press(other, ana, p["Approve"])
		w.press(other, rui, p["Reject"])
		if len(w.asked) != 1 {
			t.Errorf("asked %d times", len(w.asked))
		}
		w.told(ana, "it was decided")
		w.told(rui, "it was decided")
	})
}

// Two notifiers that take the same press at once ask for the same request, by the button's and the person's id.
func TestTwoNotifiersAskForOneRequest(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.post("1", approval("web"))["Approve"]
		w.hold = make(chan struct{})
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { w.press(w.desk(), ana, p) })
		}
		synctest.Wait()
		close(w.hold)
		both.Wait()
		if len(w.asked) != 2 || w.asked[0].ID != w.asked[1].ID {
			t.Errorf("asked for %+v, whispers %q", w.asked, w.whispers)
		}
	})
}

// Refused by the deciders: another person may still press, and the same person is told again.
func TestRefusedApprovalLeavesTheButtons(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.desk()
		p := w.post("1", approval("web"))
		w.outcome = message.Outcome{Group: "web", Sentence: "refused: who asked for it does not approve it"}
		w.press(d, rui, p["Approve"])
		w.told(rui, "refused: who asked")
		if s := w.shown[p["Approve"].At.ID]; !strings.Contains(s, `"button"`) || !strings.Contains(s, "rui pressed approve") {
			t.Errorf("shows %s", s)
		}
		w.press(d, rui, p["Approve"])
		w.told(rui, "You pressed that already")
		w.outcome.Accepted = true
		w.press(d, ana, p["Approve"])
		if len(w.asked) != 2 || w.asked[0].ID == w.asked[1].ID || w.asked[1].Actor != "ana" {
			t.Errorf("asked %+v", w.asked)
		}
		if s := w.shown[p["Approve"].At.ID]; strings.Contains(s, `"button"`) || !strings.Contains(s, "rui pressed approve") || !strings.Contains(s, "ana pressed approve") {
			t.Errorf("shows %s", s)
		}
	})
}

// Nobody answers: it is said, and pressing again asks for the same.
func TestNoDeciderAnswers(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.desk()
		p := w.post("1", approval("web"))["Approve"]
		w.down = ask.ErrNobody
		w.press(d, ana, p)
		w.told(ana, "no decider answers")
		w.nothing("")
		w.down = nil
		w.press(d, ana, p)
		if len(w.asked) != 1 {
			t.Errorf("asked %d times, whispers %q", len(w.asked), w.whispers)
		}
	})
}

// All that is said has its Portuguese.
func TestEachTextHasItsPortuguese(t *testing.T) {
	for _, dir := range []string{".", "../button"} {
		wordstest.Sources(t, dir, func(text, function string) bool {
			return strings.Contains(text, "chat %s refused") || function == "Sprintf" || function == "New" || strings.HasPrefix(text, "a button that is not") || strings.HasPrefix(text, "ham button")
		})
	}
}

func TestPortuguese(t *testing.T) {
	inWorld(t, func(w *world) {
		w.lang = words.Portuguese
		d := w.desk()
		p := w.post("1", []button.Offer{button.Ask(button.Can, "web", "web-1")})
		w.press(d, eva, p["What can I do?"])
		for _, holds := range []string{"o que pode ser feito agora", "Fazer failover para b", "Pausar por 1 h", "Aprovar", "Fazer isto?"} {
			if !strings.Contains(w.replies[0], holds) {
				t.Errorf("no %q in %s", holds, w.replies[0])
			}
		}
		w.press(d, eva, w.panel(0, "Fazer failover para b"))
		w.told(eva, "Nada foi pedido")
		w.nothing("which you, eva, do not have") // the record speaks English
	})
}

// A post is pressed before the ledger knows where it is: it is waited for.
func TestPressBeforeThePostIsWrittenDown(t *testing.T) {
	inWorld(t, func(w *world) {
		at := channel.Ref{Place: place, ID: "1.000007"}
		p := presses(w.key, "slack-ops.event.7", at, approval("web"))["Approve"]
		if _, err := w.Create(t.Context(), "slack-ops.event.7", map[string]any{"state": "sending"}); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { defer close(done); w.press(w.desk(), ana, p) }()
		synctest.Wait()
		if _, err := w.Update(t.Context(), "slack-ops.event.7", map[string]any{"state": "sent", "ref": at}, 1); err != nil {
			t.Fatal(err)
		}
		<-done
		if len(w.asked) != 1 {
			t.Errorf("asked %d times, whispers %q", len(w.asked), w.whispers)
		}
	})
}
