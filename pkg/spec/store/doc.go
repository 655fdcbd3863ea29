// Package store keeps what operators applied in the bucket ham_spec: one key a group, each value a message.Spec
// with the YAML text as it was written. Every service watches it and takes changes without a restart.
//
// A value that this program cannot read (written by a newer ham, or by hand) changes nothing: the last one that it
// could read stays in force, also over a restart as far as the bucket's history reaches, and it is told.
package store
