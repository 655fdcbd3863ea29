package notifier

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier/channel"
)

const (
	// signLimit bounds one look at the bus, and one call of the address.
	signLimit = 10 * time.Second
	// stuckAfter is how long a queue in which something waits may stand still before no sign is given.
	stuckAfter = 5 * time.Minute
)

// sign gives the signs of life: while it does, the bus is followed, and every channel took what was due.
type sign struct {
	n *Notifier
	// still is since when each queue stands where it does; it is used by one goroutine.
	still map[string]standing

	mu   sync.Mutex
	life Life
}

// standing is where a queue stands, and since when.
type standing struct {
	at    uint64
	since time.Time
}

// Life is how the sign of life is.
type Life struct {
	// Silent says why none was given last; "": one was. Given counts them, Last is when.
	Silent string
	Given  uint64
	Last   time.Time
}

// Life returns how the sign of life is; the zero value where none is declared.
func (n *Notifier) Life() Life {
	n.sign.mu.Lock()
	defer n.sign.mu.Unlock()
	return n.sign.life
}

// run gives a sign each time it is due, until ctx ends.
func (s *sign) run(ctx context.Context) {
	every := s.n.o.Notify.Alive.Every
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		s.give(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// give gives one sign, if all is well.
func (s *sign) give(ctx context.Context) {
	silent := s.unwell(ctx)
	if silent == "" {
		if err := s.ask(ctx); err != nil {
			silent = "the address of the sign of life: " + err.Error()
		}
	}
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	before := s.life.Silent
	s.life.Silent = silent
	if silent == "" {
		s.life.Given++
		s.life.Last = time.Now()
	}
	s.mu.Unlock()
	switch {
	case silent != "" && before == "":
		s.n.o.Log.Warn("no sign of life is given", "why", silent)
	case silent == "" && before != "":
		s.n.o.Log.Info("signs of life are given again")
	}
}

// unwell says why no sign is due; "": all is well. It asks the bus about each queue: a link that looks open is not enough.
func (s *sign) unwell(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	s.n.mu.Lock()
	lanes := make([]*running, 0, len(s.n.lanes))
	for _, r := range s.n.lanes {
		lanes = append(lanes, r)
	}
	s.n.mu.Unlock()
	if len(lanes) == 0 {
		return "no rule leads to any channel"
	}
	was := s.still
	s.still = map[string]standing{}
	var reasons []string
	for _, r := range lanes {
		target := r.lane.Status().Target
		queue, err := s.n.o.Bus.JS().Consumer(ctx, subject.StreamEvents, r.durable)
		if err != nil {
			reasons = append(reasons, fmt.Sprintf("%s: the bus does not say how its queue is: %v", target, err))
			continue
		}
		info := queue.CachedInfo()
		due := info.NumPending > 0 || info.NumAckPending > 0
		now := standing{at: info.AckFloor.Stream, since: time.Now()}
		if old, ok := was[r.durable]; ok && due && old.at == now.at {
			now.since = old.since
		}
		s.still[r.durable] = now
		how := r.lane.Status()
		switch {
		case how.Problem != "" && (due || how.Class == channel.Denied):
			reasons = append(reasons, target+": "+how.Problem)
		case time.Since(now.since) >= stuckAfter:
			reasons = append(reasons, fmt.Sprintf("%s: its queue has stood still for %s", target, time.Since(now.since).Round(time.Second)))
		}
	}
	return strings.Join(reasons, "; ")
}

// ask asks the address once.
func (s *sign) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	address, err := s.n.o.Notify.Alive.URL.Resolve(s.n.o.Secrets)
	if err != nil {
		return err
	}
	address = strings.TrimSpace(address)
	call := channel.NewCaller(s.n.o.HTTP, address, address[strings.LastIndexByte(address, '/')+1:])
	req, err := http.NewRequestWithContext(ctx, s.n.o.Notify.Alive.Method, address, nil)
	if err != nil {
		return fmt.Errorf("it is no http(s) address")
	}
	resp, err := call.Do(req)
	if err != nil {
		return call.Failed(ctx, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096)) // so that the connection can be used again
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return call.Status(resp.StatusCode, resp.Header, "")
	}
	return nil
}
