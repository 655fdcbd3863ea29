// Package ask is what everybody who stands before ham asks of it over the bus: how a group is, what a swap would do, that it be done, and
// what stands in the record. The command line, the console and chat all ask through it, so that each hears the same answer.
//
// A [Client] keeps nothing between two calls and may be used by many at once. Every call ends with its context, and after the client's
// Timeout at the latest.
package ask
