// Package house holds the rules that every file of the workspace keeps, as tests: a machine with only Go can
// check them. Each rule names the place, what is wrong and what would be right, and is itself shown to go red on a
// sample that breaks it.
//
// The tests read files outside their own module, which the test cache does not follow: run them with -count=1, as
// the check task does.
package house
