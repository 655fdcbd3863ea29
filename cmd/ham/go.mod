module github.com/isacloud/ha-manager/cmd/ham

go 1.26.0

require (
	github.com/isacloud/ha-manager/pkg v0.0.0
	github.com/isacloud/ha-manager/pkg/bus/embedded v0.0.0
	github.com/isacloud/ha-manager/services/decider v0.0.0
	github.com/isacloud/ha-manager/services/executor v0.0.0
	github.com/isacloud/ha-manager/services/notifier v0.0.0
	github.com/isacloud/ha-manager/services/prober v0.0.0
)

replace github.com/isacloud/ha-manager/pkg => ../../pkg

replace github.com/isacloud/ha-manager/pkg/bus/embedded => ../../pkg/bus/embedded

replace github.com/isacloud/ha-manager/services/prober => ../../services/prober

replace github.com/isacloud/ha-manager/services/decider => ../../services/decider

replace github.com/isacloud/ha-manager/services/executor => ../../services/executor

replace github.com/isacloud/ha-manager/services/notifier => ../../services/notifier
