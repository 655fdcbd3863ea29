// Package message is the contract between the services: every message that
// crosses the bus, as a Go struct, JSON on the wire.
//
// # Form
//
// A message travels in CloudEvents binary mode
// (https://github.com/cloudevents/spec, NATS protocol binding): the body is the
// JSON of the struct, the headers say what it is. [Encode] and [Decode] are the
// only two ways in and out, and both validate: nothing invalid leaves a service,
// nothing invalid enters one.
//
//	ce-specversion  1.0
//	ce-type         io.isacloud.ham.v1.<name>
//	ce-source       /ham/<service>/<instance>
//	ce-id           the message's id; the same text is in Nats-Msg-Id
//	ce-time         when it was written, RFC 3339, by the writer's wall clock
//	ce-subject      the group
//	content-type    application/json
//
// # Versions
//
// Adding a field is no new version: unknown fields are accepted and ignored. A
// change that an old reader would misread is a new version of that one type; a
// reader that does not know it answers [ErrUnknownVersion] and puts the message
// to the dead letters. One exception: a request without ce-type was typed by a
// person, and a field that nobody knows is refused, so that a misspelt
// expect_epoch never becomes a swap without its guard.
//
// # Time
//
// Wall clocks written into messages are for people. What is decided rests on
// stream timestamps and on each service's own monotonic clock.
package message
