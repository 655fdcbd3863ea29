package decider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nuid"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// queue is the name under which all deciders share requests and questions: one of them gets each.
const queue = "deciders"

// workers is how many requests one decider has in hand at once. Requests of one group wait for each other in its core.
const workers = 16

// work takes requests from the queue that all deciders share. A request is done when its outcome is stored; if this
// decider dies before, another one gets it.
func (d *Decider) work(ctx context.Context) error {
	return d.bus.Work(ctx, bus.WorkOptions{
		Stream: subject.StreamRequests, Durable: queue, AckWait: 5 * time.Second, MaxDeliver: 20, Concurrency: workers, Limit: time.Minute,
	}, func(ctx context.Context, b bus.Delivery) error {
		r, ok := b.Message.(*message.Request)
		if !ok {
			return bus.Reject(fmt.Sprintf("a %s is no request", message.NameOf(b.Message)))
		}
		return d.request(ctx, r, b.Time.UnixMicro())
	})
}

// request feeds a request to its core and waits until the outcome is stored.
func (d *Decider) request(ctx context.Context, r *message.Request, stored int64) error {
	select {
	case <-d.loaded: // whose group is not known now is not known at all
	case <-ctx.Done():
		return fmt.Errorf("request %s: the specs are not read yet: %w", r.ID, context.Cause(ctx))
	}
	in := core.RequestReceived{Request: r, Stored: stored}
	d.mu.Lock()
	g := d.groups[r.Group]
	if g == nil {
		outs := d.strange(r.Group).Step(d.now(), in)
		d.mu.Unlock()
		for _, out := range outs {
			d.carryOut(ctx, r.Group, out)
		}
		return ctx.Err()
	}
	done := d.waiting[r.ID]
	if done == nil {
		done = make(chan struct{})
		d.waiting[r.ID] = done
	}
	d.stepLocked(g, in)
	d.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("request %s: no outcome yet: %w", r.ID, context.Cause(ctx))
	}
}

// answered is called when the outcome of a request is stored.
func (d *Decider) answered(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if done := d.waiting[id]; done != nil {
		close(done)
		delete(d.waiting, id)
	}
}

// reply hands an outcome that was read to who asked for it here.
func (d *Decider) reply(o *message.Outcome) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.asked[o.Request] {
		c <- o // has room for one, and is told once
	}
	delete(d.asked, o.Request)
}

// serve answers asks, questions, and $SRV.
func (d *Decider) serve() (*bus.Service, error) {
	return d.bus.Serve("ham-decider", "1.0.0", "decides when roles swap; asks and questions of operators",
		bus.Endpoint{Name: "ask", Subject: subject.AllAsks, Queue: queue, Limit: 30 * time.Second, Handler: d.ask},
		bus.Endpoint{Name: "status", Subject: subject.Root + ".query.*." + subject.QueryStatus, Queue: queue, Handler: d.answerStatus},
		bus.Endpoint{Name: "preview", Subject: subject.Root + ".query.*." + subject.QueryPreview, Queue: queue, Handler: d.answerPreview},
	)
}

// ask stores the request and answers with its outcome, whichever decider brings it about.
func (d *Decider) ask(ctx context.Context, a bus.Ask) (message.Message, error) {
	r, err := a.Request("rq-" + nuid.Next())
	if err != nil {
		return nil, err
	}
	outcome := make(chan *message.Outcome, 1)
	d.mu.Lock()
	d.asked[r.ID] = append(d.asked[r.ID], outcome)
	d.mu.Unlock()
	defer d.forget(r.ID, outcome)
	ack, err := d.bus.Publish(ctx, subject.Request(r.Group, r.Verb, r.Actor), r)
	switch {
	case errors.Is(err, bus.ErrUnavailable):
		return nil, fmt.Errorf("the bus does not confirm request %s; it may still take effect: see `ham status %s`: %w", r.ID, r.Group, err)
	case err != nil:
		return nil, fmt.Errorf("the request was not stored, so nothing will happen: %w", err)
	case ack.Duplicate: // asked before under this id: what came of that is the answer
		if o, ok := d.outcome(r); ok {
			return o, nil
		}
	}
	select {
	case o := <-outcome:
		return o, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("request %s is stored and has no outcome yet; `ham status %s` tells what becomes of it", r.ID, r.Group)
	}
}

// forget ends waiting for an outcome.
func (d *Decider) forget(id string, c chan *message.Outcome) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[id] = slices.DeleteFunc(d.asked[id], func(k chan *message.Outcome) bool { return k == c })
	if len(d.asked[id]) == 0 {
		delete(d.asked, id)
	}
}

// outcome is what became of the request, if that is known here.
func (d *Decider) outcome(r *message.Request) (*message.Outcome, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.groups[r.Group]; g != nil {
		return g.state.Outcome(r.ID)
	}
	return nil, false
}

var errNoGroup = errors.New("no such group is declared: `ham status` lists those that are")

// readPatience is how long a question waits for a decider that has just started to have read the record: well within what askers wait.
const readPatience = 4 * time.Second

// awaitRecord returns once the record was read to its end. Before that a decider would tell of roles of long ago, or that no group is declared; where it
// takes longer than a person waits, what is known is the answer, which says itself that the decider has just begun to watch.
func (d *Decider) awaitRecord(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	select {
	case <-d.caught:
	case <-ctx.Done():
	}
}

func (d *Decider) answerStatus(ctx context.Context, a bus.Ask) (message.Message, error) {
	d.awaitRecord(ctx)
	s, ok := d.Status(a.Parts.Group)
	if !ok {
		return nil, errNoGroup
	}
	return s, nil
}

func (d *Decider) answerPreview(ctx context.Context, a bus.Ask) (message.Message, error) {
	d.awaitRecord(ctx)
	r := &message.Request{ID: "preview", Group: a.Parts.Group, Verb: message.VerbFailover, Actor: message.ActorAnonymous}
	if len(a.Body) > 0 {
		if err := message.DecodeAs(a.Header, a.Body, r); err != nil {
			return nil, err
		}
	}
	if r.Group != a.Parts.Group {
		return nil, fmt.Errorf("the request is about group %s, the subject about %s", r.Group, a.Parts.Group)
	}
	return d.preview(r), nil
}
