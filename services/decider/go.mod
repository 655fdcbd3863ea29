module github.com/isacloud/ha-manager/services/decider

go 1.26.0

require (
	github.com/isacloud/ha-manager/pkg v0.0.0
	github.com/isacloud/ha-manager/pkg/bus/embedded v0.0.0
)

require (
	github.com/cockroachdb/datadriven v1.0.3 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace github.com/isacloud/ha-manager/pkg => ../../pkg

replace github.com/isacloud/ha-manager/pkg/bus/embedded => ../../pkg/bus/embedded
