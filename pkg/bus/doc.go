// Package bus is how ham's programs use NATS: connect, provision, publish, follow, and decide who was first.
//
// # What it promises
//
//   - A message that Publish or Propose acknowledged is stored as its stream promises (see Layout). Nothing invalid is sent, and nothing
//     invalid is handed over: it goes to the dead letters with its reason, and whoever met it goes on.
//   - A message that was given up on is never sent later: nothing is kept for a link that is down.
//   - Propose says won or lost only when that is certain, whatever happens to the link, the server or the stream's leader.
//   - What is read (Last, Next, Since, Table.Get) is read through the stream's leader. It may still be old for the seconds in which a cut-off
//     leader takes itself for one: so decide on what you read, and commit by Propose or Table.Update.
//   - A missing permission is seen: it ends the call, [Bus.Fatal] and [Bus.Err] tell it.
//   - Every call ends with its context, or after Options.Timeout where that has no deadline, and with Close.
//
// # The ways to read
//
//	Follow             all messages of a stream in order, a view of one's own; for the deciders' chain, events, consoles
//	FollowHeartbeats   the same for heartbeats, tens of thousands a second
//	Hear               what passes now, perhaps lost: the quick copy beside a Follow
//	Work               each message to one of several workers, acknowledged, tried again, given up with a dead letter
//	Last, Next, Since  one message or a few, from the stream's leader
//	Table              keys with revisions and compare-and-set
//
// # The ways to write
//
//	Publish            stored for sure, repeated until acknowledged: events, results, requests
//	Propose            compare-and-set on a chain: commands, held, marks
//	HeartbeatWriter    never blocks, keeps the newest
//	Serve              answers to requests
package bus
