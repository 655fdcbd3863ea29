package prober

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/internal/schedule"
	"github.com/isacloud/ha-manager/services/prober/internal/sight"
)

const (
	// referenceEvery is how often a reference is looked at while nothing is in doubt.
	referenceEvery = time.Second
	// referenceGap is the shortest time between two looks at a reference while something is.
	referenceGap = 50 * time.Millisecond
)

// references looks at what this prober must see to count as a witness.
type references struct {
	sight *sight.Sight
	jobs  []*schedule.Job
	tasks []schedule.Task
}

// newReferences reads tcp://host:port and http(s)://host[:port]/path. Nothing is looked at before start.
func newReferences(name string, targets []string, timeout time.Duration) (*references, error) {
	r := &references{}
	r.sight = sight.New(len(targets), r.hurry)
	for i, target := range targets {
		c, err := reference(target, timeout)
		if err != nil {
			return nil, err
		}
		job := schedule.NewJob()
		r.jobs = append(r.jobs, job)
		r.tasks = append(r.tasks, schedule.Task{
			Every: referenceEvery, Timeout: timeout, Place: schedule.Place(name, target), Fall: func() int { return 1 },
			Looker: open(check.Target{Check: c, Wake: job.Wake}),
			Done: func(_ context.Context, o schedule.Observation) {
				seen := o.Answer == message.Up || o.Answer == message.Degraded
				r.sight.Observe(i, o.Began, o.Began.Add(o.Took), seen, o.Evidence)
			},
		})
	}
	return r, nil
}

// reference makes a check: whatever answers in its protocol is seen, whether or not it is well.
func reference(target string, timeout time.Duration) (spec.Check, error) {
	c := spec.Check{Name: "reference", Every: referenceEvery, Timeout: timeout}
	u, err := url.Parse(target)
	if err != nil {
		return c, fmt.Errorf("a reference cannot be read: want tcp://host:port or http://host/path")
	}
	switch u.Scheme {
	case "tcp":
		if _, _, err := net.SplitHostPort(u.Host); err != nil {
			return c, fmt.Errorf("reference %s: want tcp://host:port", u.Redacted())
		}
		c.Kind, c.TCP = spec.CheckTCP, &spec.TCPCheck{Address: u.Host}
	case "http", "https":
		if u.Hostname() == "" {
			return c, fmt.Errorf("reference %s: want %s://host/path", u.Redacted(), u.Scheme)
		}
		c.Kind = spec.CheckHTTP
		c.HTTP = &spec.HTTPCheck{
			URL: target, Status: []spec.StatusRange{{From: 100, To: 999}},
			TLS: spec.TLS{InsecureSkipVerify: true}, // it is asked whether it is there, not who it is
		}
	default:
		return c, fmt.Errorf("reference %s: want tcp://host:port or http://host/path", u.Redacted())
	}
	return c, nil
}

func (r *references) start() {
	for i, j := range r.jobs {
		j.Start(r.tasks[i])
	}
}

func (r *references) hurry() {
	for _, j := range r.jobs {
		j.Hasten(referenceGap)
	}
}

func (r *references) stop() {
	for _, j := range r.jobs {
		j.Stop()
	}
	for _, j := range r.jobs {
		<-j.Ended()
	}
}
