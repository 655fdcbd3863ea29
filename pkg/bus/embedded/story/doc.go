// Package story holds the tests of pkg/bus against a real server: each tells what happens to the bus and what must
// be true afterwards. It has no code of its own.
package story
