// Package certificate measures for how many days a certificate is still valid: that of a server that speaks TLS, or of a file.
//
// It only measures. Whether too few days are left is the deciders' part, and nothing of it ever swaps roles.
package certificate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/expiry"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/measure"
	"github.com/isacloud/ha-manager/services/prober/check/reach"
)

// Kind is this package's entry in the prober's list.
var Kind = check.Kind{
	Name:    spec.CheckCertificate,
	Summary: "measures for how many days a certificate is still valid",
	Open:    open,
}

type looker struct {
	declared *spec.CertificateCheck
	dialer   *reach.Dialer // nil: a file
	within   time.Duration
	now      func() time.Time
}

func open(t check.Target) (check.Looker, error) {
	declared := t.Check.Certificate
	if declared == nil {
		return nil, errors.New("the check declares no certificate")
	}
	l := &looker{declared: declared, within: t.Check.Timeout, now: time.Now}
	if declared.File != "" {
		return l, nil
	}
	// Whether it is trusted is no question here: one that is not, or has expired, must be seen all the same.
	d, err := reach.NewDialer(declared.Address, reach.NewTLS(spec.TLS{ServerName: declared.ServerName, InsecureSkipVerify: true}))
	if err != nil {
		return nil, err
	}
	l.dialer = d
	return l, nil
}

func (*looker) Close() {}

func (l *looker) Look(ctx context.Context) check.Result {
	var mask check.Mask
	var first expiry.Certificate
	var err error
	if l.dialer == nil {
		first, err = expiry.File(l.declared.File)
		if err != nil {
			return check.Result{Answer: message.Unknown, Evidence: mask.Clean("cannot measure: " + err.Error())}
		}
	} else {
		conn, dialErr := l.dialer.Dial(ctx)
		if errors.Is(ctx.Err(), context.Canceled) {
			dialErr = context.Canceled
		}
		if dialErr != nil {
			return measure.Unable(&mask, "the certificate of "+l.declared.Address, dialErr, l.within)
		}
		first, err = expiry.Peer(conn)
		_ = conn.Close()
		if err != nil {
			return check.Result{Answer: message.Unknown, Evidence: mask.Clean("cannot measure the certificate of " + l.declared.Address + ": " + err.Error())}
		}
	}
	days := first.Days(l.now())
	return check.Result{
		Answer: message.Up, Perf: map[string]float64{spec.FigureDays: days},
		Evidence: mask.Clean(fmt.Sprintf("%s is valid until %s", first.Name, first.NotAfter.UTC().Format("2006-01-02 15:04 UTC"))),
	}
}
