package prober

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/prober/internal/schedule"
)

// metrics is what this prober counts.
type metrics struct {
	looks   *prometheus.CounterVec
	early   prometheus.Counter
	took    prometheus.Histogram
	late    prometheus.Histogram
	all     []prometheus.Collector
	invalid atomic.Bool
	// byAnswer saves a look-up by label for each look.
	byAnswer map[message.Answer]prometheus.Counter
}

func newMetrics(p *Prober) *metrics {
	m := &metrics{
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ham_prober_looks_total", Help: "Looks, by what they said."}, []string{"answer"}),
		early: prometheus.NewCounter(prometheus.CounterOpts{Name: "ham_prober_early_looks_total", Help: "Looks that a closed connection or a soft failure brought before their slot."}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ham_prober_look_seconds", Help: "How long looks took.", Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ham_prober_late_seconds", Help: "How late this prober was with looks. More than a policy's max_late makes it no witness.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
		byAnswer: map[message.Answer]prometheus.Counter{},
	}
	for _, a := range []message.Answer{message.Up, message.Degraded, message.Down, message.Unknown} {
		m.byAnswer[a] = m.looks.WithLabelValues(string(a))
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	counter := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f)
	}
	m.all = []prometheus.Collector{
		m.looks, m.early, m.took, m.late,
		gauge("ham_prober_checks", "Members times checks times vantages that are looked at.", func() float64 { return float64(p.roster.Len()) }),
		gauge("ham_prober_blind", "1 while none of the references is seen.", func() float64 {
			if p.Blind() {
				return 1
			}
			return 0
		}),
		counter("ham_prober_heartbeats_stored_total", "Heartbeats that the stream acknowledged.", func() float64 { return float64(p.writer.Stats().Stored) }),
		counter("ham_prober_heartbeats_dropped_total", "Heartbeats given up for newer ones while the bus was away or slow.", func() float64 { return float64(p.writer.Stats().Dropped) }),
		gauge("ham_prober_heartbeats_waiting", "Heartbeats kept until the bus takes them.", func() float64 { return float64(p.writer.Stats().Waiting) }),
	}
	return m
}

func (m *metrics) seen(o schedule.Observation) {
	if c := m.byAnswer[o.Answer]; c != nil {
		c.Inc()
	}
	if o.Early {
		m.early.Inc()
	}
	m.took.Observe(o.Took.Seconds())
	m.late.Observe(max(o.Late.Seconds(), 0))
}

// firstInvalid is true once.
func (m *metrics) firstInvalid() bool { return !m.invalid.Swap(true) }

// Describe and Collect make the whole one collector, registered or refused at once.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.all {
		c.Describe(to)
	}
}

// Collect reads the counters.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.all {
		c.Collect(to)
	}
}
