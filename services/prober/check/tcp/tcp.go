// Package tcp looks at a target by connecting to it, and may send and expect bytes.
//
// Each look makes a new connection: only that shows that the target still accepts. Where hold is declared, the newest
// one stays open until the next and is watched, so that the end of the process is noticed when it happens.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/reach"
)

// Kind is this package's entry in the prober's list.
var Kind = check.Kind{
	Name:    spec.CheckTCP,
	Summary: "connects; may send bytes and expect others",
	Open:    open,
}

// maxAnswer is how much of an answer is looked at, in bytes.
const maxAnswer = 64 << 10

type looker struct {
	target  check.Target
	declare *spec.TCPCheck
	dialer  *reach.Dialer
	line    reach.Line
}

var _ check.Looker = (*looker)(nil)

func open(t check.Target) (check.Looker, error) {
	declared := t.Check.TCP
	if declared == nil {
		return nil, errors.New("the check declares no tcp")
	}
	var tls *reach.TLS
	if declared.TLS != nil {
		tls = reach.NewTLS(*declared.TLS)
	}
	if declared.Address == "" {
		return nil, errors.New("there is no address: neither the check nor the member's url says host and port")
	}
	d, err := reach.NewDialer(declared.Address, tls)
	if err != nil {
		return nil, err
	}
	return &looker{target: t, declare: declared, dialer: d, line: reach.Line{Wake: t.Wake, Chatty: true}}, nil
}

// Look connects, then sends and reads what is declared.
func (l *looker) Look(ctx context.Context) check.Result {
	var mask check.Mask // no secret can be declared; it makes one clean line of what the target says
	conn, err := l.dialer.Dial(ctx)
	if err != nil {
		return l.fault(ctx, &mask, "", err)
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // an error shows itself in what follows
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	r := l.talk(ctx, &mask, conn)
	clean := stop() // else it was interrupted in the last moment, and its deadline may be spoilt
	if r.Answer == message.Up {
		l.line.Close()
	}
	if r.Answer == message.Up && clean && l.declare.Hold {
		l.line.Keep(conn)
	} else {
		_ = conn.Close()
	}
	return r
}

// Close ends the held connection.
func (l *looker) Close() { l.line.Close() }

func (l *looker) fault(ctx context.Context, mask *check.Mask, doing string, err error) check.Result {
	if errors.Is(ctx.Err(), context.Canceled) {
		err = context.Canceled // whatever the interruption broke
	}
	r := reach.Judge(err, l.target.Check.Timeout, true)
	r.Hard = r.Hard && !l.declare.Soft
	r.Evidence = mask.Clean(doing + r.Evidence)
	return r
}

func (l *looker) talk(ctx context.Context, mask *check.Mask, conn net.Conn) check.Result {
	if l.declare.Send != "" {
		if _, err := io.WriteString(conn, l.declare.Send); err != nil {
			return l.fault(ctx, mask, "send to "+l.declare.Address+": ", err)
		}
	}
	if l.declare.Expect == nil {
		return check.Result{Answer: message.Up}
	}
	return l.expect(ctx, mask, conn)
}

// expect reads until the answer matches, ends, or is too long. It is matched as it grows: a target that is satisfied does
// not have to hang up.
func (l *looker) expect(ctx context.Context, mask *check.Mask, conn net.Conn) check.Result {
	said := make([]byte, 0, 512)
	for len(said) < maxAnswer {
		if len(said) == cap(said) {
			said = append(said, 0)[:len(said)]
		}
		n, err := conn.Read(said[len(said):min(cap(said), maxAnswer)])
		said = said[:len(said)+n]
		if n > 0 && l.declare.Expect.Match(said) {
			return check.Result{Answer: message.Up}
		}
		if err == nil {
			continue
		}
		if len(said) > 0 && ctx.Err() == nil && errors.Is(err, io.EOF) {
			break // it said what it had to say
		}
		doing := l.declare.Address + ": "
		if len(said) > 0 {
			doing += "answered " + quote(said) + ", then "
		}
		r := l.fault(ctx, mask, doing, err)
		r.Silent = r.Silent && len(said) == 0
		return r
	}
	return check.Result{
		Answer:   message.Down,
		Evidence: mask.Clean(fmt.Sprintf("%s: answered %s, want a match of %s", l.declare.Address, quote(said), l.declare.Expect)),
	}
}

// quote shows the beginning of an answer.
func quote(said []byte) string { return strconv.Quote(check.Clip(string(said), 80)) }
