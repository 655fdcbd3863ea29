package schedule

import (
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

const (
	// firstWithin is the time over which first looks are spread, however long their interval: nobody waits an hour
	// for the first word of a check that looks once an hour.
	firstWithin = 2 * time.Second
	// leastGap is the shortest time between the beginnings of two looks, the second of which a wake asked for.
	leastGap = 2 * time.Millisecond
	// maxJitter bounds how far a look is moved from its slot.
	maxJitter = 20 * time.Millisecond
)

// pace decides when the next look is due. It is pure: time comes in. All times are monotonic.
//
// Looks have slots, one interval apart, whose place depends on names alone. Three things bring an
// extra look, each bounded:
//   - a soft down is repeated at once, one time-out after the look before it began, until it has been seen fall times
//     in a row: so silence is certain after fall time-outs, not fall intervals;
//   - the end of a kept connection asks for a look now. A server that ends each connection without a word would ask
//     for ever: while such looks find it up, the least gap between them doubles, up to the interval;
//   - somebody outside may want one sooner, no sooner than a gap of his own.
type pace struct {
	every, timeout time.Duration
	base           time.Time // a slot
	falls          int       // soft downs in a row
	gap            time.Duration
	woken          bool // since the last slot
}

// begin returns the pace and its first look's due time. Place is where the slots are, 0 to 1: so much of the interval after
// origin, or of firstWithin where the interval is shorter. So short intervals of one place have a slot in common, whenever they begin.
func begin(now, origin time.Time, every, timeout time.Duration, place float64) (*pace, time.Time) {
	p := &pace{every: every, timeout: timeout, gap: min(leastGap, every)}
	p.base = origin.Add(time.Duration(place * float64(max(every, firstWithin))))
	if early := p.base.Sub(now); early > 0 {
		p.base = p.base.Add(-(early + every - 1) / every * every)
	}
	if every > firstWithin {
		return p, now.Add(time.Duration(place * float64(firstWithin)))
	}
	return p, p.slotAfter(now.Add(-1))
}

// why a look is made.
type why int

const (
	bySlot why = iota
	byRetry
	byWake
	byHaste
)

// look is what a look was, as far as the pace is concerned.
type look struct {
	why    why
	began  time.Time
	free   time.Time // when the next one can begin
	answer message.Answer
	hard   bool
}

// next returns when the next look is due. Fall is how many downs in a row make it certain; jitter is 0 to 1.
func (p *pace) next(l look, fall int, jitter float64) (time.Time, why) {
	good := l.answer == message.Up || l.answer == message.Degraded
	switch {
	case l.why == byWake && good:
		p.gap = min(2*p.gap, p.every)
	case l.why == bySlot && !p.woken:
		p.gap = min(leastGap, p.every)
	}
	if l.why == bySlot {
		p.woken = false
	}
	switch {
	case good, l.hard:
		p.falls = 0
	case l.answer == message.Down:
		p.falls++
	}
	due := p.slotAfter(l.began).Add(time.Duration(jitter * float64(min(maxJitter, p.every/10))))
	reason := bySlot
	if l.answer == message.Down && !l.hard && p.falls < fall {
		if again := l.began.Add(p.timeout); again.Before(due) {
			due, reason = again, byRetry
		}
	}
	if due.Before(l.free) { // the look before took that long; that is no lateness of ours
		due = l.free
	}
	return due, reason
}

// wake returns when a look is due that the end of a connection asks for.
func (p *pace) wake(now, lastBegan time.Time) time.Time {
	p.woken = true
	return later(now, lastBegan.Add(p.gap))
}

func (p *pace) slotAfter(t time.Time) time.Time {
	if t.Before(p.base) {
		return p.base
	}
	return p.base.Add((t.Sub(p.base)/p.every + 1) * p.every)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
