package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Ask is a request-reply that came in on an endpoint.
type Ask struct {
	Subject string
	Parts   subject.Parts
	Header  message.Header
	Body    []byte
}

// Request reads the body as a Request; what it leaves out comes from the subject. fresh is the id of a request that has none.
func (a Ask) Request(fresh string) (*message.Request, error) {
	return DecodeRequest(a.Parts, a.Header, a.Body, fresh)
}

// Endpoint is one subject that a service answers.
type Endpoint struct {
	// Name in $SRV.INFO and $SRV.STATS; a name.
	Name string
	// Subject, wildcards allowed, such as subject.AllAsks.
	Subject string
	// Queue is the queue group: one of its members answers. Empty: every instance answers.
	Queue string
	// Limit ends the handler's context. Default 10 s.
	Limit time.Duration
	// Handler answers. An error becomes a micro error reply (code 400 for an invalid message, else 500) with its sentence. Called concurrently, at most 64 at once.
	Handler func(context.Context, Ask) (message.Message, error)
}

// Service is what Serve started.
type Service struct {
	svc    micro.Service
	cancel context.CancelFunc

	mu      sync.Mutex
	stopped bool // no handler is begun any more
	running sync.WaitGroup
}

// Stop ends the service and waits for its handlers.
func (s *Service) Stop() {
	_ = s.svc.Stop() // fails only where the link is gone
	s.cancel()
	s.mu.Lock()
	s.stopped = true // what came in before the server heard of the end may still be handed over
	s.mu.Unlock()
	s.running.Wait()
}

// begin runs a handler, unless the service has ended.
func (s *Service) begin(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.running.Go(f)
	}
	return !s.stopped
}

// Serve makes this process a NATS micro service: it answers $SRV.PING, INFO and STATS under name, and the endpoints. version is a semantic version.
func (b *Bus) Serve(name, version, description string, endpoints ...Endpoint) (*Service, error) {
	svc, err := micro.AddService(b.nc, micro.Config{
		Name: name, Version: version, Description: description,
		Metadata: map[string]string{"writer": b.opts.Name}, QueueGroupDisabled: true,
	})
	if err != nil {
		return nil, fmt.Errorf("serve %s: %w", name, err)
	}
	ctx, cancel := b.with(context.Background())
	s := &Service{svc: svc, cancel: cancel}
	slots := make(chan struct{}, 64)
	for _, e := range endpoints {
		if e.Limit <= 0 {
			e.Limit = 10 * time.Second
		}
		opts := []micro.EndpointOpt{micro.WithEndpointSubject(e.Subject)}
		if e.Queue == "" {
			opts = append(opts, micro.WithEndpointQueueGroupDisabled())
		} else {
			opts = append(opts, micro.WithEndpointQueueGroup(e.Queue))
		}
		err := svc.AddEndpoint(e.Name, micro.HandlerFunc(func(r micro.Request) {
			select {
			case slots <- struct{}{}:
			default:
				_ = r.Error("503", "busy: 64 requests are being answered, ask again in a moment", nil)
				return
			}
			if !s.begin(func() {
				defer func() { <-slots }()
				hctx, done := context.WithTimeout(ctx, e.Limit)
				defer done()
				b.answer(hctx, e, r)
			}) {
				<-slots
				_ = r.Error("503", "this service has just ended, ask again in a moment", nil)
			}
		}), opts...)
		if err != nil {
			s.Stop()
			return nil, fmt.Errorf("serve %s: endpoint %s on %s: %w", name, e.Name, e.Subject, err)
		}
	}
	b.settle()
	return s, nil
}

func (b *Bus) answer(ctx context.Context, e Endpoint, r micro.Request) {
	a := Ask{Subject: r.Subject(), Header: message.Header(r.Headers()), Body: r.Data()}
	var err error
	var m message.Message
	if a.Parts, err = subject.Parse(a.Subject); err == nil {
		m, err = e.Handler(ctx, a)
	}
	if err == nil && m == nil {
		err = errors.New("no answer")
	}
	var h message.Header
	var body []byte
	if err == nil {
		h, body, err = message.Encode(m, b.source, b.opts.Now())
	}
	if err != nil {
		code := "500"
		if errors.Is(err, message.ErrInvalid) || errors.Is(err, message.ErrUnknownType) || errors.Is(err, message.ErrUnknownVersion) {
			code = "400"
		}
		h, body = message.Header{micro.ErrorHeader: {cut(err.Error(), 1024)}, micro.ErrorCodeHeader: {code}}, nil
	}
	// Not by the request's own Respond: the micro package looks at what that leaves in the request as soon as its handler has
	// returned, which is before this one has answered.
	if err := b.nc.PublishMsg(&nats.Msg{Subject: r.Reply(), Header: nats.Header(h), Data: body}); err != nil {
		b.log.Warn("answer not sent", "subject", a.Subject, "error", err)
	}
}
