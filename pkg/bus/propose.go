package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Result of a proposal whose outcome is known.
type Result struct {
	// Won: the message stands in the stream right after the one that the caller had read.
	Won bool
	// Entry is what follows `after` on the subject: the caller's own message where Won, else the one that was first. A message whose id was
	// proposed before for an earlier place is not Won, and Entry is it, at that place.
	Entry Entry
}

// Propose writes m on subj if, and only if, the newest message there still has the sequence `after` (0: there is none).
// It returns only what is certain: Won with the own entry, or not won with the entry that came first. m's id must be fresh for
// each decision: the same id is the same decision.
//
// A time-out, a lost link or a stream without leader leave open whether the message was stored. Propose
// resolves that itself: it repeats the same publish, never with another expectation, until the stream says stored, duplicate, or decided;
// then it reads who was first, through the stream's leader.
//
// If ctx ends before that, the error is [ErrUnknownOutcome] and the message may be stored already or, while a server still
// holds it, in a moment. The caller owes: act on neither outcome; propose nothing else after `after`; read the chain
// on (Follow, or [Bus.Next] after `after`) or call Propose again with the same message and the same `after`, until one
// of the two says who was first.
//
// Errors: a [*message.Invalid], [ErrRefused] (surely not stored), [ErrPermission], [ErrRegressed], [ErrUnknownOutcome], [ErrClosed].
func (b *Bus) Propose(ctx context.Context, subj string, m message.Message, after uint64) (Result, error) {
	h, body, err := message.Encode(m, b.source, b.opts.Now())
	if err != nil {
		return Result{}, err
	}
	stream, err := streamOf(subj)
	if err != nil {
		return Result{}, err
	}
	msg := &nats.Msg{Subject: subj, Header: nats.Header(h), Data: body}
	ctx, cancel := b.bound(ctx)
	defer cancel()
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("%w; it was not sent", gaveUp(ctx, "propose on "+subj, 0, context.Cause(ctx)))
	}
	p := proposal{bus: b, stream: stream, msg: msg, id: m.MessageID(), after: after}
	seq, won, err := p.resolve(ctx)
	if err != nil {
		return Result{}, err
	}
	if won {
		return Result{Won: true, Entry: Entry{Stream: stream, Seq: seq, Subject: subj, Header: h, Message: m, Time: p.stored}}, nil
	}
	return Result{Entry: p.first}, nil
}

// proposal is one compare-and-set publish on its way to a certain outcome.
type proposal struct {
	bus    *Bus
	stream string
	msg    *nats.Msg
	id     string
	after  uint64

	// open: some try may have been stored without us having seen the answer.
	open   bool
	first  Entry     // what follows after, where another was first
	stored time.Time // of the own entry, where it was read back
}

// resolve returns the own sequence and true, or false with p.first filled.
//
// Each round publishes once and, unless that decides, reads what follows `after`. What is read there is committed, so it
// decides too; that nothing is there decides nothing while a try of ours is open.
func (p *proposal) resolve(ctx context.Context) (uint64, bool, error) {
	p.msg.Header[headerExpectLast] = []string{strconv.FormatUint(p.after, 10)}
	p.msg.Header[headerExpectStream] = []string{p.stream}
	what := fmt.Sprintf("propose %s on %s after %d", p.id, p.msg.Subject, p.after)
	wentBack, full := 0, 0
	for try := 0; ; try++ {
		ack, err := p.bus.send(ctx, p.msg)
		read := false
		switch code := apiCode(err); {
		case err == nil && !ack.Duplicate:
			return ack.Seq, true, nil
		case err == nil && ack.Seq <= p.after:
			// This id was proposed once before, for an earlier place. It stands there, and only there.
			if p.first, err = p.bus.get(ctx, p.stream, map[string]any{"seq": ack.Seq}, p.id); err == nil {
				return 0, false, nil
			}
			p.open = true
		case err == nil:
			// An earlier try of ours, whose answer was lost; or of somebody else with this id, for whatever place.
			p.open, read = true, true
			err = errDuplicate
		case code == codeWrongLast:
			// Decided. On an unreplicated stream this is also the answer to a try of ours that was stored: the server looks at the
			// expectation before it looks at the id. Only reading tells which.
			read = true
		case code == codeWrongLastInFlight, code == codeNotReady:
			// Another write on the subject is in flight; it may itself be lost.
		case code == codeDuplicateInFlight:
			p.open = true
		case code == codeNoResources && full < fullTries:
			full++
		case !transient(err):
			if !p.open && errors.Is(err, ErrPermission) {
				return 0, false, err
			}
			if !p.open {
				return 0, false, fmt.Errorf("%w; it was not stored", refused(what, err))
			}
			read = true
		case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrNoResponders):
			// Not sent, or nobody was there to store it.
		default:
			p.open = true
		}
		if read {
			first, readErr := p.bus.Next(ctx, p.stream, p.msg.Subject, p.after+1)
			switch {
			case readErr == nil && first.ID() == p.id:
				p.stored = first.Time
				return first.Seq, true, nil
			case readErr == nil:
				p.first = first
				return 0, false, nil
			case errors.Is(readErr, ErrNone) && apiCode(err) == codeWrongLast && !p.open:
				// Refused, yet nothing follows: what was read as `after` is not there. A deposed leader may say so for a moment.
				if wentBack++; wentBack >= regressTries {
					return 0, false, fmt.Errorf("%w: %s has nothing after %d, and %d is not its newest message: look at stream %s before anything is decided", ErrRegressed, p.msg.Subject, p.after, p.after, p.stream)
				}
			}
		}
		p.bus.stats.retried.Add(1)
		if !sleep(ctx, backoff(try)) {
			if errors.Is(context.Cause(ctx), ErrClosed) {
				err = ErrClosed
			}
			if p.open {
				return 0, false, fmt.Errorf("%w: %s, %d tries: %w", ErrUnknownOutcome, what, try+1, err)
			}
			return 0, false, fmt.Errorf("%w; it was not stored", gaveUp(ctx, what, try+1, err))
		}
	}
}

var errDuplicate = errors.New("stored already, but not yet seen by the server that was asked where")

// regressTries spans what a deposed leader may take to notice: 4 quick tries, then one each 100 to 200 ms.
const regressTries = 24
