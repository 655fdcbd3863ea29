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
	// Entry is what follows `after` on the subject: the caller's own message where Won, else the one that was first.
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
func (p *proposal) resolve(ctx context.Context) (uint64, bool, error) {
	p.msg.Header.Set("Nats-Expected-Last-Subject-Sequence", strconv.FormatUint(p.after, 10))
	p.msg.Header.Set("Nats-Expected-Stream", p.stream)
	wentBack := 0
	var last error
	for try := 0; ; try++ {
		ack, err := p.bus.send(ctx, p.msg)
		switch code := apiCode(err); {
		case err == nil:
			// A duplicate is our own earlier try: its answer was lost.
			return ack.Seq, true, nil
		case errors.Is(err, ErrPermission):
			if !p.open {
				return 0, false, err
			}
		case code == codeWrongLast:
			// Decided. On an unreplicated stream this is also the answer to a repeated publish that was stored: only
			// reading tells which.
			first, readErr := p.bus.Next(ctx, p.stream, p.msg.Subject, p.after+1)
			if readErr == nil {
				if first.ID() == p.id {
					p.stored = first.Time
					return first.Seq, true, nil
				}
				p.first = first
				return 0, false, nil
			}
			err = readErr
			if errors.Is(readErr, ErrNone) && !p.open {
				// Refused, yet nothing follows: what was read as `after` is not there. A deposed leader may say so for a moment.
				if wentBack++; wentBack >= 8 {
					return 0, false, fmt.Errorf("%w: %s has nothing after %d, and %d is not its newest message; look at the stream before anything is decided", ErrRegressed, p.msg.Subject, p.after, p.after)
				}
			}
		case code == codeWrongLastInFlight:
			// Another write on the subject is in flight; it may itself be lost.
		case code == codeDuplicateInFlight:
			p.open = true
		case code != 0 && !transient(err):
			if !p.open {
				return 0, false, refused(p.msg.Subject, err)
			}
		case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrNoResponders):
			// Not sent, or nobody there to store it.
		default:
			p.open = true
		}
		last = err
		if !sleep(ctx, backoff(try)) {
			if !p.open {
				return 0, false, fmt.Errorf("%w: propose on %s after %d, %d tries: %w; it was not stored", ErrUnavailable, p.msg.Subject, p.after, try+1, last)
			}
			return 0, false, fmt.Errorf("%w: propose %s on %s after %d, %d tries: %w", ErrUnknownOutcome, p.id, p.msg.Subject, p.after, try+1, last)
		}
	}
}
