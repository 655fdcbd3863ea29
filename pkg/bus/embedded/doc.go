// Package embedded runs a nats-server with JetStream inside this process, for one machine or as one server of a cluster.
//
// What it promises:
//
//   - Nothing is opened beyond loopback without TLS and credentials: [Start] refuses, before it opens anything.
//   - A store directory belongs to one process: a second one is refused by a lock, with the process that holds it.
//   - What is stored was synced to disk before it is acknowledged, unless Options.NoSync says otherwise. Streams in
//     PersistMode async (the heartbeats) are not part of this.
//   - It never ends the process, and handles no signals: what the server calls fatal comes back as an error of Start.
package embedded
