// Package gather looks round on the own host and at the routes when an incident opens, a step fails, or the incident ends, so that whoever asks
// afterwards finds what was to be seen then: logs, states, what the servers said of themselves.
//
// It disturbs nothing: it only reads; it has a lane of its own that nobody waits for, in which one group is looked at after the other; every look has
// the same deadline, and one that does not come back by then is left out and not begun again before it has; what was found is published only
// once no swap is under way, and dropped where the bus does not take it.
//
// What it keeps is bounded, cleaned of what would act on a terminal, and has no secrets: neither those whose value this process knows, nor
// what looks like one. A text is cut only after that, since half a secret is not recognised.
package gather
