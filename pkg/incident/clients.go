package incident

import (
	"cmp"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words"
)

// clientsOf returns what clients lost: of every outage that was told, the newest word, by its beginning.
func clientsOf(records []Record) []message.ClientsOutage {
	var out []message.ClientsOutage
	for _, r := range records {
		e, ok := r.Message.(*message.Event)
		if !ok || e.Clients == nil {
			continue
		}
		i := slices.IndexFunc(out, func(o message.ClientsOutage) bool { return o.ID == e.Clients.ID })
		switch {
		case i < 0:
			out = append(out, *e.Clients)
		case out[i].Until == 0:
			out[i] = *e.Clients
		}
	}
	slices.SortStableFunc(out, func(a, b message.ClientsOutage) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// withClients adds to the records of an incident what its group's clients lost meanwhile: clients may lose requests before anybody suspects a
// member, and the word of it then names no incident.
func withClients(mine, all []Record) []Record {
	if len(mine) == 0 {
		return mine
	}
	from, until, group := mine[0].Time, mine[len(mine)-1].Time, ""
	has := map[string]bool{}
	for _, r := range mine {
		group = cmp.Or(r.Message.MessageGroup(), group)
		has[r.Message.MessageID()] = true
	}
	during := map[string]bool{}
	for _, o := range clientsOf(all) {
		during[o.ID] = !stamp(o.From).After(until) && (o.Until == 0 || !stamp(o.Until).Before(from))
	}
	for _, r := range all {
		e, ok := r.Message.(*message.Event)
		if !ok || e.Clients == nil || e.Group != group || has[e.ID] || !during[e.Clients.ID] {
			continue
		}
		has[e.ID] = true
		mine = append(mine, r)
	}
	return mine
}

func stamp(us int64) time.Time { return time.UnixMicro(us).UTC() }

// lost gives each swap the outage that it was to end, or that it made: one that lasted while it was detected, decided or carried out.
func (r *Report) lost(records []Record) {
	r.Clients = clientsOf(records)
	for i := range r.Swaps {
		s := &r.Swaps[i]
		if s.DryRun {
			continue
		}
		from, until := s.At.Add(-s.Times.Detect-s.Times.Decide), s.At.Add(s.Times.Execute+s.Times.Verify)
		for j := range r.Clients {
			o := &r.Clients[j]
			if stamp(o.From).Before(until) && (o.Until == 0 || stamp(o.Until).After(from)) && (s.Clients == nil || o.Lasted(o.Until) > s.Clients.Lasted(s.Clients.Until)) {
				s.Clients = o
			}
		}
	}
}

// asClientsSaw says in a few words what clients lost in an outage: "1.8 s, 9 of 9 looks failed from outside".
func asClientsSaw(s *words.Speaker, o *message.ClientsOutage) string {
	failed, looks := o.Count()
	switch {
	case o.Until == 0:
		return s.T("not over yet: %d of %d looks failed", failed, looks)
	case o.Unseen:
		return s.T("at least %s, %d of %d looks failed, and nobody saw the end", s.Duration(o.Lasted(0).Std()), failed, looks)
	}
	return s.T("%s, %d of %d looks failed", s.Duration(o.Lasted(0).Std()), failed, looks)
}

// clients writes what users lost, as a canary saw it from outside.
func (p *paper) clients(r Report) {
	if len(r.Clients) == 0 {
		return
	}
	p.heading("What clients lost")
	p.line("%s", p.T("Asked from outside, as clients do; this is what they saw, not what ham believes."))
	p.line("")
	p.table(p.T("began"), p.T("vantage"), p.T("lasted"), p.T("looks failed"), p.T("evidence"))
	for _, o := range r.Clients {
		for _, v := range o.Vantages {
			p.row(p.Clock(stamp(v.From), p.zone), cell(v.Vantage), p.lasted(v), p.T("%d of %d", v.Failed, v.Looks), cell(v.Evidence))
		}
	}
}

func (p *paper) lasted(v message.ClientsLoss) string { return lasted(p.Speaker, v) }

func lasted(s *words.Speaker, v message.ClientsLoss) string {
	if v.Until == 0 {
		return s.T("not over yet")
	}
	return s.Duration(time.Duration(max(0, v.Until-v.From)) * time.Microsecond)
}
