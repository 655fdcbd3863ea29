package ask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/legible"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// DefaultTimeout bounds a call of a client that names no other.
const DefaultTimeout = 5 * time.Second

var (
	// ErrNobody: no decider is there to answer. Nothing was asked, and nothing will happen later.
	ErrNobody = errors.New("no decider answers on this bus")
	// ErrLate: no answer came in time. A request may still be carried out.
	ErrLate = errors.New("no decider answered in time")
)

// Client asks over Bus.
type Client struct {
	Bus *bus.Bus
	// Timeout bounds each call; 0 is [DefaultTimeout].
	Timeout time.Duration
}

// RequestID makes an id for a request.
func RequestID() string { return "rq-" + nuid.Next() }

// Place is where somebody sits who asks from a shell, for the record: the address that ssh came from, and the host.
func Place(env func(string) string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "a host without a name"
	}
	host = legible.Line(host)
	if ssh := strings.Fields(legible.Line(env("SSH_CONNECTION"))); len(ssh) > 0 {
		host = ssh[0] + " on " + host
	}
	for len(host) > 128 {
		_, size := utf8.DecodeLastRuneInString(host)
		host = host[:len(host)-size]
	}
	return host
}

// Groups lists the groups that are declared, sorted.
func (c Client) Groups(ctx context.Context) ([]string, error) {
	specs, err := store.List(ctx, c.Bus)
	if err != nil {
		return nil, fmt.Errorf("list the groups: %w", err)
	}
	names := make([]string, 0, len(specs))
	for _, s := range specs {
		names = append(names, s.Group)
	}
	slices.Sort(names)
	return names, nil
}

// Status asks how a group is. The error is [ErrNobody], [ErrLate], what a decider says against the question, or the bus's.
func (c Client) Status(ctx context.Context, group string) (*message.GroupStatus, error) {
	s := new(message.GroupStatus)
	return s, c.query(ctx, group, subject.QueryStatus, nil, s)
}

// Preview asks what the request would do now. It changes nothing. Errors as of [Client.Status].
func (c Client) Preview(ctx context.Context, r *message.Request) (*message.Preview, error) {
	header, body, err := message.Encode(r, c.Bus.Source(), time.Now())
	if err != nil {
		return nil, err
	}
	p := new(message.Preview)
	return p, c.query(ctx, r.Group, subject.QueryPreview, &nats.Msg{Header: nats.Header(header), Data: body}, p)
}

// Send sends a request, and returns once it is stored and answered: accepted, or refused with every reason. With [ErrNobody] nothing was
// asked; with any other error it may still be carried out. A *[message.Invalid] is found before anything is sent.
func (c Client) Send(ctx context.Context, r *message.Request) (*message.Outcome, error) {
	header, body, err := message.Encode(r, c.Bus.Source(), time.Now())
	if err != nil {
		return nil, err
	}
	out := new(message.Outcome)
	return out, c.answer(ctx, &nats.Msg{Subject: subject.Ask(r.Group, r.Verb), Header: nats.Header(header), Data: body}, out)
}

func (c Client) query(ctx context.Context, group, what string, msg *nats.Msg, answer message.Message) error {
	if msg == nil {
		msg = &nats.Msg{}
	}
	msg.Subject = subject.Query(group, what)
	return c.answer(ctx, msg, answer)
}

// answer asks and decodes what comes back into answer.
func (c Client) answer(ctx context.Context, msg *nats.Msg, answer message.Message) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	got, err := c.Bus.Conn().RequestMsgWithContext(ctx, msg)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return ErrNobody
	case errors.Is(err, context.DeadlineExceeded):
		return ErrLate
	case err != nil:
		return err
	}
	if text := got.Header.Get("Nats-Service-Error"); text != "" {
		return errors.New(text)
	}
	return message.DecodeAs(message.Header(got.Header), got.Data, answer)
}

func (c Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
}

// Likely is the swap that a person would ask for now: a failover where the primary is down, else a switchover.
func Likely(s *message.GroupStatus) message.Verb {
	if PrimaryDown(s) {
		return message.VerbFailover
	}
	return message.VerbSwitchover
}

// PrimaryDown says whether the primary is judged to be down.
func PrimaryDown(s *message.GroupStatus) bool {
	return slices.ContainsFunc(s.Members, func(m message.MemberStatus) bool {
		return m.Role == message.RolePrimary && m.Verdict == message.VerdictDown
	})
}
