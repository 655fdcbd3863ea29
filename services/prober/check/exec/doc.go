// Package exec looks at a target by running a command that follows the Nagios plugin convention: exit code 0 is up,
// 1 degraded, 2 down, everything else unknown; the first line of the output is the evidence, and what follows a '|'
// are the command's own figures (https://nagios-plugins.org/doc/guidelines.html).
//
// The command is an argv; no shell is involved. It gets a small environment: PATH, HOME, LANG, TZ and TMPDIR of the
// prober, what the check declares, and HAM_GROUP, HAM_MEMBER, HAM_CHECK, HAM_VANTAGE, HAM_TIMEOUT_MS. Nothing else of the
// prober's environment: it may hold secrets.
//
// It runs in a process group of its own, which is killed whole at the deadline and when the command has ended. A command that
// does not end in time counts as silence of the target. A command that cannot be started, dies of a signal, or cannot even be killed is the
// prober's trouble: unknown. Its evidence is never hard: the word of a program is repeated before it is believed.
package exec
