// Command schema writes docs/schema: a JSON Schema for each message of pkg/message, and an AsyncAPI document with the subjects
// that they travel on.
//
// The schemas come from the structs themselves: their JSON names, their validation tags and their comments. A schema says
// what a reader of this program accepts: unknown fields are allowed, a field is required where its absence is refused.
// Rules about several fields are not in the schemas; they stand in pkg/message.
//
// It is a module of its own, so that what it needs is no dependency of the programs.
package main

//go:generate go run . ../../docs/schema
