// Package runbook writes what a person types when ham itself is gone: the compiled plan of a failover as commands for a shell, beginning with how to be
// sure that the old primary cannot act, with what each command prints.
//
// # What it promises
//
//   - The steps are those of the plan that ham would run ([spec.Compile]), in its order; none is left out. A driver that has no words here is an error, and
//     a test of the executor fails for it.
//   - A secret is never in it. Where ham reads ${file:/path} the command reads "$(cat /path)", where it reads ${env:NAME} the command reads "${NAME}".
//   - Whatever an operator has written is quoted: it reaches the program as it reaches it from ham, and the shell takes nothing in it for its own.
//
// # Where to read
//
// page.go is the order of the page. words.go has what each driver's step is in commands: one function a driver, in one list. quote.go is the quoting.
package runbook
