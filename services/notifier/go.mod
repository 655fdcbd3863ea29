module github.com/isacloud/ha-manager/services/notifier

go 1.26.0

require (
	github.com/isacloud/ha-manager/pkg v0.0.0
	github.com/isacloud/ha-manager/pkg/bus/embedded v0.0.0
)

require (
	github.com/gorilla/websocket v1.5.3 // indirect
	github.com/slack-go/slack v0.35.0 // indirect
)

replace github.com/isacloud/ha-manager/pkg => ../../pkg

replace github.com/isacloud/ha-manager/pkg/bus/embedded => ../../pkg/bus/embedded
