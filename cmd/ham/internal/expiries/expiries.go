// Package expiries says in time that a certificate of ham's own ends: of the bus, the console, the checks and steps. Each process looks at the files that it was
// given and at what it was shown, and keeps what it knows in a bucket.
package expiries

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/expiry"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Code is that of every reminder.
const Code = "R494"

// lookEvery is how often the certificates are looked at. The first look comes with the start.
const lookEvery = time.Hour

// lookAgain is the wait after a look that could not be written down.
const lookAgain = time.Minute

// lookLimit bounds one look.
const lookLimit = 30 * time.Second

// Options are all required, but for Now and Log.
type Options struct {
	Bus     *bus.Bus
	Process spec.Process
	Now     func() time.Time
	Log     *slog.Logger
}

// Run looks until ctx ends.
func Run(ctx context.Context, o Options) error {
	for {
		wait := lookEvery
		if err := Look(ctx, o); err != nil && ctx.Err() == nil {
			o.Log.Warn("what is known of ham's own certificates was not written down; it will be tried again", "error", err)
			wait = lookAgain
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// Look looks once, tells what is due, and writes down what is known.
func Look(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	now := time.Now()
	if o.Now != nil {
		now = o.Now()
	}
	if len(o.Process.Remind) == 0 {
		o.Process.Remind = spec.DefaultRemind
	}
	all, err := expiry.Read(ctx, o.Bus)
	if err != nil {
		return err
	}
	var groups []*spec.Group
	applied, err := store.List(ctx, o.Bus)
	if err != nil {
		return err
	}
	for _, a := range applied {
		if a.Spec != nil {
			groups = append(groups, a.Spec)
		}
	}
	mine := &message.Expiries{Writer: o.Process.Name, Certificates: found(o, groups), At: now.UnixMicro()}
	told := reminded(all)
	for i := range mine.Certificates {
		c := &mine.Certificates[i]
		c.Told = told[c.Fingerprint]
		due, ok := Due(*c, now, o.Process.Remind)
		if !ok {
			continue
		}
		e := Reminder(*c, due, now, o.Process)
		if _, err := o.Bus.Publish(ctx, subject.Event(e.Group, e.Kind, e.Writer), e); err != nil {
			return err
		}
		c.Told = append(slices.Clone(c.Told), due) // told, and only then written down
		told[c.Fingerprint] = c.Told
	}
	_, err = o.Bus.Table(subject.BucketThreshold).Put(ctx, expiry.Key(o.Process.Name), mine)
	return err
}

// reminded are the days at which people were reminded, by fingerprint: whoever told.
func reminded(all []message.Expiries) map[string][]int {
	out := map[string][]int{}
	for _, m := range all {
		for _, c := range m.Certificates {
			for _, d := range c.Told {
				if c.Fingerprint != "" && !slices.Contains(out[c.Fingerprint], d) {
					out[c.Fingerprint] = append(out[c.Fingerprint], d)
				}
			}
		}
	}
	return out
}

// Due is the reminder that a certificate is due for, of those at so many days before its end, and whether it is still to be told. What was passed over at one
// go (a process that did not run) is told as one.
func Due(c message.Certificate, now time.Time, remind []int) (days int, ok bool) {
	if c.NotAfter == 0 {
		return 0, false
	}
	left := time.UnixMicro(c.NotAfter).Sub(now)
	for _, d := range slices.Sorted(slices.Values(remind)) {
		if left <= time.Duration(d)*24*time.Hour {
			told := slices.ContainsFunc(c.Told, func(t int) bool { return t <= d })
			return d, !told
		}
	}
	return 0, false
}

// Reminder is the event. Its id is the same for the same certificate and the same reminder, whichever process tells it.
func Reminder(c message.Certificate, days int, now time.Time, p spec.Process) *message.Event {
	severity := message.Warning
	if days == slices.Min(p.Remind) {
		severity = message.Critical
	}
	return &message.Event{
		ID: "expiry." + c.Fingerprint + "." + strconv.Itoa(days), Group: subject.NoGroup, Kind: message.EventThreshold, Severity: severity, Code: Code,
		Sentence: expiry.Says(c, now) + ": renew it", Writer: p.Name, At: now.UnixMicro(),
	}
}

// most bounds what one process keeps.
const most = 256

// found are the certificates that the process was given and was shown.
func found(o Options, groups []*spec.Group) []message.Certificate {
	var out []message.Certificate
	add := func(what, where string, c expiry.Certificate, err error) {
		if slices.ContainsFunc(out, func(o message.Certificate) bool { return o.Where == where }) || len(out) >= most {
			return
		}
		one := message.Certificate{What: what, Where: clip(where, 500)}
		if err != nil {
			one.Problem = clip(err.Error(), 1000)
		} else {
			one.Name, one.Fingerprint, one.NotAfter = c.Name, c.Fingerprint, max(1, c.NotAfter.UnixMicro())
		}
		out = append(out, one)
	}
	file := func(what, path string) {
		if path != "" {
			c, err := expiry.File(path)
			add(what, path, c, err)
		}
	}
	p := o.Process
	file("the certificate of the bus's server", p.Bus.ServerCert)
	file("the certificate of this process on the bus", p.Bus.TLS.CertFile)
	file("the authority of the bus", p.Bus.TLS.CAFile)
	if p.Bus.Cluster != nil {
		file("the authority of the bus's cluster", p.Bus.Cluster.CA)
	}
	file("the certificate of the console", p.Console.Cert)
	file("the authority of the console's people", p.Console.ClientCA)
	if conn := o.Bus.Conn(); conn != nil {
		if state, err := conn.TLSConnectionState(); err == nil && len(state.PeerCertificates) > 0 {
			add("the certificate that the bus shows", conn.ConnectedAddr(), expiry.First([]*x509.Certificate{state.PeerCertificates[0]}), nil)
		}
	}
	for _, g := range groups {
		for _, t := range tlsOf(g) {
			for what, path := range map[string]string{"the certificate that " + t.who + " shows": t.tls.CertFile, "the authority of " + t.who: t.tls.CAFile} {
				// The files of a group are where its probers and executors are: what is not here is another machine's.
				if _, err := os.Stat(path); path != "" && !errors.Is(err, os.ErrNotExist) {
					file(what, path)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b message.Certificate) int { return strings.Compare(a.Where, b.Where) })
	return out
}

type speaks struct {
	who string
	tls spec.TLS
}

// tlsOf is every place of a group where TLS is spoken with files.
func tlsOf(g *spec.Group) []speaks {
	var out []speaks
	for _, c := range g.Checks {
		who := "check " + c.Name + " of " + g.Name
		if c.HTTP != nil {
			out = append(out, speaks{who, c.HTTP.TLS})
		}
		if c.TCP != nil && c.TCP.TLS != nil {
			out = append(out, speaks{who, *c.TCP.TLS})
		}
	}
	for _, s := range g.Steps {
		if s.HTTP != nil && s.HTTP.TLS != nil {
			out = append(out, speaks{"step " + s.Name + " of " + g.Name, *s.HTTP.TLS})
		}
	}
	return out
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}
