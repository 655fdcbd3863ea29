package cli

import (
	"context"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
)

// disk looks at what the streams take of the bus's disk: now, in a day, and at most.
func (k *checkup) disk(ctx context.Context, b *bus.Bus) {
	r, err := b.InspectStreams(ctx, bus.Layout{})
	if err != nil {
		k.bad("disk", err.Error(), "look at the nats-server's log")
		return
	}
	d := r.Disk()
	if d.Measured {
		k.ok("disk", "the streams hold %s, take %s a day as measured, and may come to hold %s", bus.Size(d.Used), bus.Size(d.PerDay), bus.Size(d.Reserved))
	} else {
		k.ok("disk", "the streams hold %s, too little yet to say what they take a day, and may come to hold %s", bus.Size(d.Used), bus.Size(d.Reserved))
	}
	for _, w := range d.Warnings {
		k.warn("disk", w, "")
	}
}

// showBus says stream by stream what it holds, what it takes in a day, and what bounds it.
func (a *app) showBus(ctx context.Context, b *bus.Bus) error {
	r, err := b.InspectStreams(ctx, bus.Layout{})
	if err != nil {
		return unanswered(err)
	}
	if a.output == "json" {
		return a.json(struct {
			Streams []bus.StreamReport
			Disk    bus.Disk
		}{r.Streams, r.Disk()})
	}
	rows := [][]string{a.titles("STREAM", "HOLDS", "A DAY", "AT MOST", "KEEPS")}
	for _, s := range r.Streams {
		if !s.Exists {
			continue
		}
		perDay, most, keeps := "–", a.t("no bound"), "–"
		if n, ok := s.PerDay(); ok {
			perDay = bus.Size(n)
		}
		if n, ok := s.Most(); ok {
			most = bus.Size(n)
		}
		if d := s.Keeps(); d > 0 {
			keeps = d.Round(time.Minute).String()
			if d >= 48*time.Hour {
				keeps = a.t("%d days", int(d/(24*time.Hour)))
			}
		}
		rows = append(rows, []string{s.Name, bus.Size(int64(s.Bytes)), perDay, most, keeps})
	}
	table(a.Out, "", rows)
	d := r.Disk()
	if d.Measured {
		a.tell("The streams hold %s, take %s a day as measured, and may come to hold %s.", bus.Size(d.Used), bus.Size(d.PerDay), bus.Size(d.Reserved))
	} else {
		a.tell("The streams hold %s, too little yet to say what they take a day, and may come to hold %s.", bus.Size(d.Used), bus.Size(d.Reserved))
	}
	for _, w := range d.Warnings {
		a.printf("%s", a.paint(yellow, w))
	}
	return nil
}
