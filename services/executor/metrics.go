package executor

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/isacloud/ha-manager/pkg/message"
)

// metrics is what this executor counts.
type metrics struct {
	steps  *prometheus.CounterVec
	runs   *prometheus.CounterVec
	drifts prometheus.Counter
	took   *prometheus.HistogramVec
	all    []prometheus.Collector
}

func newMetrics(x *Executor) *metrics {
	m := &metrics{
		steps:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ham_executor_steps_total", Help: "Changes of steps that this executor told, rehearsals left out."}, []string{"driver", "state"}),
		runs:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ham_executor_runs_total", Help: "Changes of runs that this executor told, rehearsals left out."}, []string{"kind", "state"}),
		drifts: prometheus.NewCounter(prometheus.CounterOpts{Name: "ham_executor_drifts_total", Help: "Routes or epochs that were not as they should be, each told once."}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ham_executor_step_seconds", Help: "How long done steps took.", Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .5, 1, 5, 30, 120},
		}, []string{"driver"}),
	}
	m.all = []prometheus.Collector{
		m.steps, m.runs, m.drifts, m.took,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ham_executor_untold", Help: "Messages that wait until the bus takes them."}, func() float64 { return float64(x.outbox.Waiting()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "ham_executor_gathers_dropped_total", Help: "Gatherings that came to nothing: too many, or the bus did not take them."},
			func() float64 { return float64(x.gatherer.Dropped()) }),
	}
	return m
}

// tell counts what is told and hands it on.
func (x *Executor) tell(messages ...message.Message) {
	for _, m := range messages {
		switch m := m.(type) {
		case *message.StepResult:
			if !m.DryRun {
				x.metrics.steps.WithLabelValues(m.Driver, string(m.State)).Inc()
				if m.State == message.StateDone {
					x.metrics.took.WithLabelValues(m.Driver).Observe(float64(m.TookMicros) / 1e6)
				}
			}
		case *message.RunResult:
			if !m.DryRun {
				x.metrics.runs.WithLabelValues(string(m.Kind), string(m.State)).Inc()
			}
		case *message.Event:
			if m.Kind == message.EventDrift {
				x.metrics.drifts.Inc()
			}
		}
	}
	x.outbox.Tell(messages...)
}

// Describe and Collect make the whole one collector, registered or refused at once.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.all {
		c.Describe(to)
	}
}

func (m *metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.all {
		c.Collect(to)
	}
}
