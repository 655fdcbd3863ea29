// Package lane brings events to one target, in the order of their stream: route, look into the ledger, put in words,
// post, try again, record.
//
// Each target has a lane of its own with its own durable queue, so that one that is slow, broken or limited delays no
// other. A queue gives one event at a time to one notifier: the order holds over several notifiers too. An event leaves
// the queue when it was told, folded into another post, or put to the dead letters; until then it stays in its stream,
// for as long as that takes.
package lane
