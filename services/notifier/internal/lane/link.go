package lane

import (
	"context"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/channel"
)

// link puts into the record where the incident's thread is, once it stands: once for each card. What fails is tried again with the next event; nothing waits
// for it.
func (l *Lane) link(ctx context.Context, e *message.Event, inc *incident) error {
	linker, ok := l.o.Channel.(channel.Linker)
	if !ok || inc == nil || inc.rev == 0 || inc.Linked > inc.Card {
		return nil
	}
	key := l.o.Ledger.CardKey(inc.id, inc.Card)
	card, _, err := l.o.Ledger.Entry(ctx, key)
	if err != nil {
		return err
	}
	if card == nil || card.Ref == nil {
		return nil
	}
	var url string
	err = l.call(ctx, func(ctx context.Context) (err error) {
		url, err = linker.Link(ctx, *card.Ref)
		return err
	})
	if err == nil {
		err = l.o.Link(ctx, &message.Link{
			ID: "link." + key, Group: e.Group, Incident: inc.id, What: message.LinkThread, Name: l.o.Target.Channel, URL: url, Writer: l.o.Writer, At: time.Now().UnixMicro(),
		})
	}
	if err != nil {
		l.o.Log.Warn("the record does not say yet where the incident's thread is", "incident", inc.id, "error", fmt.Sprint(err))
		return nil
	}
	inc.Linked = inc.Card + 1
	return l.write(ctx, inc)
}
