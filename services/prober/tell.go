package prober

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/prober/check"
)

// tellTimeout bounds one try to store an event.
const tellTimeout = 5 * time.Second

// tellSight stores an event each time this prober has become blind or sees again.
func (p *Prober) tellSight(ctx context.Context) error {
	if !p.references.sight.Possible() {
		<-ctx.Done()
		return nil
	}
	n, logged := 0, -1
	p.references.sight.Tell(ctx, func(ctx context.Context, blind bool) error {
		ctx, cancel := context.WithTimeout(ctx, tellTimeout)
		defer cancel()
		e := p.sightEvent(n, blind)
		if logged < n {
			p.log.Warn(e.Sentence)
			logged = n
		}
		if _, err := p.o.Bus.Publish(ctx, subject.Event(e.Group, e.Kind, e.Writer), e); err != nil {
			p.log.Debug("an event is not stored yet", "event", e.ID, "error", err)
			return err // it is told again while it is true
		}
		n++
		return nil
	})
	return nil
}

// sightEvent is the nth event of this run about sight.
func (p *Prober) sightEvent(n int, blind bool) *message.Event {
	e := &message.Event{
		ID: fmt.Sprintf("service.%s.%s.sight.%d", p.o.Name, p.boot, n), Group: subject.NoGroup, Kind: message.EventService, Severity: message.Notice,
		Sentence: fmt.Sprintf("prober %s (vantages %s) sees its reference targets again; its heartbeats count", p.o.Name, strings.Join(p.o.Vantages, ", ")),
		Writer:   p.o.Name, At: max(p.o.Now().UnixMicro(), 0),
	}
	if blind {
		e.Severity = message.Warning
		e.Sentence = check.Clip(fmt.Sprintf("prober %s (vantages %s) is blind: it sees none of its %d reference targets (%s). Its heartbeats count for nothing until it does: look at its network",
			p.o.Name, strings.Join(p.o.Vantages, ", "), len(p.o.References), p.references.sight.Evidence()), 2048)
	}
	return e
}
