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
//
// # What happens when
//
//	the link is cut or silent    noticed within a ping or three (Options.PingEvery), reconnects within 100 ms of the server's return, to the
//	                             first URL first; Follow goes on after the last message seen, Work and Watch go on, writers repeat
//	an answer gets lost          Publish stores one copy; Propose and Table learn whether it was theirs
//	the stream has no leader     calls wait, within their context; heartbeats are still heard as they pass
//	a stream went back           Follow and Propose end with ErrRegressed; heartbeats, which may lose their newest in a crash, go on
//	the disk is full             calls end with ErrRefused where the server says so, else as unanswered; the embedded server opens its streams
//	                             again by itself when there is room, any other nats-server has to be restarted then
//	a message is poison          dead letter, event, and on; a work queue gives up what fails or kills its workers too often
//	a permission is missing      the call ends with ErrPermission and names the subject
//
// # Permissions
//
// Besides the subjects of its own messages and its inbox (subscribe to [InboxPrefix] of the service, ".>"), an identity may publish, for stream S
// (HAM_…, or KV_<bucket> for a Table):
//
//	Last, Next, Since, Get      $JS.API.STREAM.MSG.GET.S
//	Propose, Update             the same
//	Follow, Watch, Keys, Range  $JS.API.CONSUMER.CREATE.S.> (with one subject it ends in that), $JS.API.CONSUMER.MSG.NEXT.S.*,
//	                            $JS.API.CONSUMER.DELETE.S.*, $JS.API.STREAM.INFO.S
//	Work                        $JS.API.CONSUMER.INFO.S.<durable>, $JS.API.CONSUMER.CREATE.S.<durable> (with one subject: and .>),
//	                            $JS.API.CONSUMER.MSG.NEXT.S.<durable>, $JS.ACK.S.<durable>.>
//	writes to a Table           $KV.<bucket>.<keys>
//	dead letters                ham.v1.deadletter.*.<name>, ham.v1.event.*.deadletter.<name>, $JS.API.STREAM.MSG.GET.HAM_DEADLETTER
//	Provision, Inspect          $JS.API.INFO, $JS.API.STREAM.INFO.*, and to make something $JS.API.STREAM.CREATE.*, $JS.API.STREAM.UPDATE.*
//	PlaceLeaders                $JS.API.STREAM.INFO.*, $JS.API.STREAM.LEADER.STEPDOWN.*, $JS.API.CONSUMER.LIST.HAM_REQUESTS,
//	                            $JS.API.CONSUMER.LEADER.STEPDOWN.HAM_REQUESTS.*
//
// Nobody but the server may publish on ham.v1.stored.>: who hears something there takes it for stored. Serve needs responses to be allowed.
package bus
