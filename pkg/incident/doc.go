// Package incident turns the record of an incident into a report: timeline, evidence, reasons, the time that each
// part took. It is pure: the same records always give the same report.
//
// All times are stream timestamps, the one clock that every message of the record shares; only durations that a
// service measured on its own monotonic clock (detect, execute, verify) are taken from the messages.
package incident
