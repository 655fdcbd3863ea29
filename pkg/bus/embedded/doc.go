// Package embedded runs a nats-server inside this process.
package embedded

import _ "github.com/nats-io/nats-server/v2/server"
