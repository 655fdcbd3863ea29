package decider

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider/core"
)

const (
	// proposeLimit bounds one proposal; what it led to is read from the chain whenever that is.
	proposeLimit = 5 * time.Second
	// publishPause is the wait between tries of what must not be lost, while the bus is away.
	publishPause = 250 * time.Millisecond
)

// carryOut does one output. It is called by the group's lane, one output at a time.
func (d *Decider) carryOut(ctx context.Context, name string, out core.Output) {
	switch out := out.(type) {
	case core.Propose:
		d.propose(ctx, name, out)
	case core.Tell:
		d.say(ctx, out.Event)
		d.publish(ctx, subject.Event(name, out.Event.Kind, d.o.Name), out.Event)
	case core.Answer:
		if d.publish(ctx, subject.Event(name, out.Event.Kind, d.o.Name), out.Event) {
			d.answered(out.Event.Request)
		}
	case core.Send:
		d.publish(ctx, subject.Request(name, out.Request.Verb, out.Request.Actor), out.Request)
	case core.Instruct:
		d.publish(ctx, subject.Safety(name, subject.SafetyInstruction, d.o.Name), out.Instruction)
	case core.Keep:
		d.keep(ctx, name, out)
	case core.Record:
		d.record(ctx, name, out)
	case core.Reject:
		d.reject(ctx, name, out)
	}
}

// say logs what an operator looks for in a journal at 3 in the morning: verdicts, decisions and refusals, as they are told.
func (d *Decider) say(ctx context.Context, e *message.Event) {
	level := slog.LevelDebug
	switch e.Kind {
	case message.EventVerdict, message.EventDecision, message.EventRefused, message.EventShadow, message.EventDrift, message.EventReadiness:
		if e.Severity != message.Debug {
			level = slog.LevelInfo
		}
	}
	d.log.Log(ctx, level, e.Sentence, "group", e.Group, "kind", e.Kind, "code", e.Code, "member", e.Member, "epoch", e.Epoch)
}

// propose asks for a place in the chain and tells the core what became of it. The entry itself is read from the chain, like
// everybody else's.
func (d *Decider) propose(ctx context.Context, name string, out core.Propose) {
	limited, cancel := context.WithTimeout(ctx, proposeLimit)
	defer cancel()
	resolved := core.ProposalResolved{ID: out.Entry.MessageID()}
	result, err := d.bus.Propose(limited, subject.Command(name), out.Entry, out.After)
	switch {
	case err == nil:
		d.metrics.proposals.WithLabelValues(map[bool]string{true: "won", false: "lost"}[result.Won]).Inc()
		resolved.Seq = result.Entry.Seq
		if e := result.Entry; e.Message == nil {
			// The place was taken by something that is no entry: it went to the dead letters, so no reader brings it. It holds its
			// place all the same, and the next proposal has to follow it.
			d.step(name, core.ChainRead{Seq: e.Seq, Stored: e.Time.UnixMicro(), Prev: out.After})
		}
	case ctx.Err() == nil:
		d.metrics.proposals.WithLabelValues("unknown").Inc()
		// Whether it is stored or not is seen in the chain; nothing else is proposed for another place than this one's.
		d.log.Warn("a proposal was not confirmed", "group", name, "proposal", resolved.ID, "error", err)
	}
	d.step(name, resolved)
}

// publish stores a message that must not be lost, for as long as the decider runs. It says whether it was stored; it is not when the
// message itself is refused, which is a mistake in the program, or when the decider ends. A bus without room is asked again until it has some.
func (d *Decider) publish(ctx context.Context, subj string, m message.Message) bool {
	for told := false; ; {
		_, err := d.bus.Publish(ctx, subj, m)
		if err == nil {
			return true
		}
		var invalid *message.Invalid
		if errors.As(err, &invalid) || errors.Is(err, bus.ErrRefused) && !errors.Is(err, bus.ErrFull) || errors.Is(err, bus.ErrPermission) {
			d.metrics.lost.Inc()
			d.log.Error("the bus does not take a message; it is lost", "subject", subj, "id", m.MessageID(), "error", err)
			return false
		}
		if !told {
			told = true
			d.log.Warn("a message waits until the bus takes it", "subject", subj, "id", m.MessageID(), "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(publishPause):
		}
	}
}

// record writes the incident if nobody was quicker. Whoever was is read from the table.
func (d *Decider) record(ctx context.Context, name string, out core.Record) {
	table := d.bus.Table(subject.BucketIncident)
	var err error
	if out.Revision == 0 {
		_, err = table.Create(ctx, name, out.Incident)
	} else {
		_, err = table.Update(ctx, name, out.Incident, out.Revision)
	}
	if err != nil && !errors.Is(err, bus.ErrConflict) && ctx.Err() == nil {
		d.log.Warn("the incident was not recorded; it will be tried again", "group", name, "incident", out.Incident.MessageID(), "error", err)
	}
}

// keep tells, and then writes down that it was told, if nobody was quicker. Whoever was is read from the table.
func (d *Decider) keep(ctx context.Context, name string, out core.Keep) {
	for _, e := range out.Tell {
		if d.say(ctx, e); !d.publish(ctx, subject.Event(name, e.Kind, d.o.Name), e) && ctx.Err() != nil {
			return
		}
	}
	table := d.bus.Table(subject.BucketThreshold)
	var err error
	if out.Revision == 0 {
		_, err = table.Create(ctx, name, out.Thresholds)
	} else {
		_, err = table.Update(ctx, name, out.Thresholds, out.Revision)
	}
	if err != nil && !errors.Is(err, bus.ErrConflict) && ctx.Err() == nil {
		d.log.Warn("what became of a threshold was not recorded; it will be tried again", "group", name, "error", err)
	}
}

// reject puts an entry of the chain that contradicts the chain to the dead letters.
func (d *Decider) reject(ctx context.Context, name string, out core.Reject) {
	letter := bus.Dead{Stream: subject.StreamCommands, Subject: subject.Command(name), Seq: out.Seq, Reason: out.Reason}
	if out.Entry != nil {
		if h, body, err := message.Encode(out.Entry, d.bus.Source(), time.Now()); err == nil {
			letter.Header, letter.Body = h, body
		}
	}
	if err := d.bus.DeadLetter(ctx, letter); err != nil && ctx.Err() == nil {
		d.log.Error("an entry of the chain contradicts it, and the dead letter was not written", "group", name, "seq", out.Seq, "reason", out.Reason, "error", err)
	}
}
