// Package driver says what a driver is: the code that can do one kind of step.
//
// A driver answers three questions and does one thing:
//
//	Look   what is there now, and is the step done already?   applies nothing
//	Do     do it
//	Look   did it work?
//
// That makes a step idempotent: after a crash, whoever goes on looks first. A dry run binds the same driver with a Do
// that refuses ([Rehearse]); nothing else differs.
//
// # Promises
//
// Every driver keeps these, and the suite in drivertest holds it to them:
//
//   - Its configuration is decoded strictly; an error names the wrong key.
//   - Look changes nothing.
//   - Look and Do return soon after their context ends: within [Grace].
//   - Do on what is done already changes nothing a second time, as far as the target lets that be known.
//   - "The target says no" ([ErrRefused]), "the target could not be asked" ([ErrUnasked]) and "it was asked and nobody knows
//     what it did" ([ErrUnknown]) are told apart.
//   - No secret stands in what it returns.
//   - No goroutine or process of its own outlives the call, and no connection either, but in a [Closer], which ends it when it is closed.
//
// # Adding one
//
// A folder of its own with a function Kind, a test that hands a target to drivertest.Run, and one line in the list of
// services/executor/drivers.go.
package driver
