// Package nettest gives tests of the executor network namespaces of their own: hosts with interfaces that nobody else sees. They have no name, so
// that nothing of them is left when the test is over or was killed. Linux, as root.
package nettest
