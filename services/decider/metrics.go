package decider

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// metrics count what passes. Nobody has to look at them for anything to be decided.
type metrics struct {
	heartbeats prometheus.Counter
	steps      prometheus.Histogram
	proposals  *prometheus.CounterVec
	outcomes   *prometheus.CounterVec
	refused    *prometheus.CounterVec
	lost       prometheus.Counter
	leases     *prometheus.CounterVec
	drillAge   *prometheus.GaugeVec
	// leaseSeconds is from the receipt of a request to its answer.
	leaseSeconds prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		heartbeats: prometheus.NewCounter(prometheus.CounterOpts{Name: "ham_decider_heartbeats_total", Help: "Heartbeats taken in, copies included."}),
		steps: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ham_decider_step_seconds", Help: "Time that the core takes for one input other than a heartbeat.",
			Buckets: prometheus.ExponentialBuckets(1e-6, 4, 9),
		}),
		proposals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ham_decider_proposals_total", Help: "Proposals by what became of them: won, lost, unknown."}, []string{"result"}),
		outcomes:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ham_decider_outcomes_total", Help: "Outcomes of requests by verb."}, []string{"verb", "accepted"}),
		refused:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ham_decider_refused_total", Help: "Swaps that did not happen by themselves, by the first reason's code."}, []string{"group", "code"}),
		lost:      prometheus.NewCounter(prometheus.CounterOpts{Name: "ham_decider_events_lost_total", Help: "Events that the bus never took. Above zero: look at the bus."}),
		leases:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ham_decider_leases_total", Help: "Requests for a lease by what was answered: granted, refused, invalid."}, []string{"result"}),
		leaseSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ham_decider_lease_seconds", Help: "Time from the receipt of a request for a lease to its answer.",
			Buckets: prometheus.ExponentialBuckets(4e-6, 4, 8),
		}),
	}
	m.drillAge = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ham_drill_age_seconds", Help: "Time since the last drill of the group that went there and back; no value: there never was one."}, []string{"group"})
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.heartbeats, m.steps, m.proposals, m.outcomes, m.refused, m.lost, m.leases, m.leaseSeconds, m.drillAge} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) step(in core.Input, took time.Duration) {
	if _, ok := in.(*core.HeartbeatSeen); ok {
		m.heartbeats.Inc()
		return
	}
	m.steps.Observe(took.Seconds())
}

func (m *metrics) out(out core.Output) {
	switch out := out.(type) {
	case core.Answer:
		accepted := "no"
		if out.Event.Outcome.Accepted {
			accepted = "yes"
		}
		m.outcomes.WithLabelValues(string(out.Event.Outcome.Verb), accepted).Inc()
	case core.Tell:
		if out.Event.Kind == message.EventRefused {
			m.refused.WithLabelValues(out.Event.Group, out.Event.Code).Inc()
		}
	}
}

// figures are what is measured, where it warns, and whether that was told, as it is when somebody asks.
type figures struct {
	d                  *Decider
	value, bound, warn *prometheus.Desc
}

func newFigures(d *Decider) *figures {
	labels := []string{"group", "member", "check", "figure"}
	return &figures{
		d:     d,
		value: prometheus.NewDesc("ham_threshold_value", "A measured figure, as it was last measured: percent, entries, days, or a load.", labels, nil),
		bound: prometheus.NewDesc("ham_threshold_bound", "Where the figure warns.", labels, nil),
		warn:  prometheus.NewDesc("ham_threshold_warns", "1 while people were told that the figure is too far, or that it cannot be measured, else 0.", labels, nil),
	}
}

func (f *figures) Describe(c chan<- *prometheus.Desc) { c <- f.value; c <- f.bound; c <- f.warn }

func (f *figures) Collect(c chan<- prometheus.Metric) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	now := f.d.now()
	for name, g := range f.d.groups {
		for _, t := range g.state.Thresholds(now) {
			gauge := func(desc *prometheus.Desc, v float64) {
				c <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, name, t.Member, t.Check, t.Figure)
			}
			if t.Measured {
				gauge(f.value, t.Value)
			}
			gauge(f.bound, t.Max)
			warns := 0.0
			if t.Condition != message.ThresholdWell {
				warns = 1
			}
			gauge(f.warn, warns)
		}
	}
}
