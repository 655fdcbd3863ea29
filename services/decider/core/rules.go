package core

import "github.com/isacloud/ha-manager/pkg/message"

// This file is the rule table: four lists, each row with its code, when it holds, what it decides and what it says. In the
// lists of verdicts and situations the first row that holds decides. Of the refusals every one that holds is told. A request finds its row by its
// verb. Codes are for ever: they stand in commands, events and post-mortems.

// Rule is one row.
type Rule struct {
	Code string
	// When says in words when it holds, Decides what follows.
	When, Decides string
	// Says is the sentence told, with {words} filled in.
	Says string
}

// verdictRule concludes about one check of one member.
type verdictRule struct {
	Rule
	verdict message.Verdict
	holds   func(*tally) bool
}

var verdictRules = []verdictRule{
	{Rule{"R100", "the decider has not yet watched for a full interval", "unknown",
		"{member} is not judged yet: this decider has just begun to watch"},
		message.VerdictUnknown, func(t *tally) bool { return t.blind }},
	{Rule{"R101", "fewer vantages see the member than the quorum", "unknown",
		"{member} is unknown: {seeing} of {vantages} vantages see it by check {check}, the quorum is {quorum}{saying}{missing}"},
		message.VerdictUnknown, func(t *tally) bool { return t.seeing < t.quorum }},
	{Rule{"R102", "a vantage says down, and another has seen the member up since that began", "disputed",
		"{member} is disputed by check {check}: down from {downs}{evidence}, but up since from {ups}"},
		message.VerdictDisputed, func(t *tally) bool { return t.downs > 0 && t.ups > 0 }},
	{Rule{"R103", "a quorum of seeing vantages says down, and none has seen it up since", "down",
		"{member} is down: {count} of {seeing} seeing vantages say so by check {check}, {downs}{evidence}; the quorum is {quorum}{missing}"},
		message.VerdictDown, func(t *tally) bool { return t.downs >= t.quorum }},
	{Rule{"R104", "something fails, not enough to say down", "suspect",
		"{member} is suspect: check {check} fails from {failing}{evidence}; {count} of a quorum of {quorum} say down"},
		message.VerdictSuspect, func(t *tally) bool { return t.failing > 0 }},
	{Rule{"R105", "otherwise", "up",
		"{member} is up: {seeing} of {vantages} vantages see it, none of them failing{missing}"},
		message.VerdictUp, func(*tally) bool { return true }},
}

// situationRule decides what the decider does by itself. A row without act waits.
type situationRule struct {
	Rule
	holds func(*State, Time) words
	act   func(*State, Time, *situationRule, words)
}

// ruleAbortedLate is the code of the resume that leaves a swap half done.
const ruleAbortedLate = "R222"

// ruleStranded is the code of the failover that leaves a swap half done.
const ruleStranded = "R228"

// ruleOverdue is the code of the resume that counts against the failover budget.
const ruleOverdue = "R223"

var situationRules = []situationRule{
	{Rule{"R200", "the group has no spec", "wait",
		"{group} is not declared here: apply its spec"}, undeclared, nil},
	{Rule{"R201", "the bus is away, or a full interval was not yet watched", "wait: nothing is judged",
		"this decider starts blind: it has watched {group} for {watched} of {interval}"}, blind, nil},
	{Rule{"R202", "a proposal is on its way", "wait for what becomes of it",
		"a proposal for {group} is on its way"}, proposing, nil},
	{Rule{"R260", "the time of a maintenance has passed, and its member is up", "entry in the chain: it ends",
		"{member} is back: {what} has lasted its {for}, and it is up"}, maintenanceOver, (*State).endMaintenance},
	{Rule{"R261", "the group is a pool", "wait: a pool has no primary, so nothing swaps",
		"{group} is a pool: {sentence}"}, aPool, nil},
	{Rule{"R210", "nothing is adopted, and what is declared agrees with what is observed", "adopt",
		"{to} is adopted as primary: it is declared so, it is up{serving}"}, adoptable, (*State).adopt},
	{Rule{"R211", "nothing is adopted, and declaration and observation differ", "refuse",
		"{group} has no primary yet"}, unadopted, (*State).refuseAdoption},
	{Rule{"R220", "a look step ended the swap before it was held", "resume of the primary before",
		"{back} stays primary: the {what} was ended by {executor}: {why}"}, endedEarly, (*State).resume},
	{Rule{"R221", "the swap was aborted before it was held", "resume of the primary before",
		"{back} stays primary: the {what} was aborted: {why}"}, abortedEarly, (*State).resume},
	{Rule{ruleAbortedLate, "the swap was aborted after it was held", "resume of the new primary, without further steps",
		"{to} stays primary: the {what} was aborted after it took effect: {why}; what was not done is left to you"}, abortedLate, (*State).resume},
	{Rule{"R227", "in a leased group: who was to become primary lost the epoch before holding it", "resume of the primary before",
		"{back} stays primary: the {what} was lost on the way: {fenced}"}, lostOnTheWay, (*State).resume},
	{Rule{"R226", "in a leased group: a standby that was to become promotable follows no more, before that was held", "resume of the primary, as it last held",
		"{back} stays primary without {member}: {why}"}, joinedLost, (*State).resume},
	{Rule{ruleOverdue, "the swap was not held within its limit", "resume of the primary before, if nothing refuses",
		"{back} stays primary: the {what} was not held within {limit}"}, overdue, (*State).resume},
	{Rule{"R469", "a planned swap waits for approval, and the primary is down meanwhile", "resume of the primary, so that a failover may follow",
		"{back} stays primary in the record: it is down, and the {what} waited for a person at step {step}"}, waitsUseless, (*State).resume},
	{Rule{"R225", "the primary is fenced and could serve again, and a failover is refused", "resume of it",
		"{back} is to act again: {fenced}; nobody else takes over, because {why}"}, fencedAlone, (*State).resume},
	{Rule{"R239", "the primary is fenced: that is proven", "failover at once, if nothing refuses",
		"{to} takes over from {from}: {fenced}{frozen}"}, primaryFenced, (*State).failover},
	{Rule{ruleRemedyOver, "a ladder is over, nothing stored shows it, and no failover follows", "entry in the chain: the end of the ladder",
		"the ladder of {member} is over: {why}"}, ladderOver, (*State).endLadder},
	{Rule{ruleStranded, "a swap that took effect goes no further, and its primary is down", "failover, if nothing refuses",
		"{to} takes over from {from}: {down}; the {what} {stands}{frozen}"}, stranded, (*State).giveUpSwap},
	{Rule{"R224", "a swap is under way", "wait",
		"the {what} is under way (epoch {epoch}{step})"}, underWay, nil},
	{Rule{"R230", "the spec declares other members than the epoch has", "reconfigure: the same primary, the new members",
		"members of {group} are now {members}; {to} stays primary"}, regrouped, (*State).reconfigure},
	{Rule{"R232", "a promotable standby follows no more", "reconfigure: without it, so that the primary need not wait for it",
		"{member} is no longer promotable: {why}; {to} stays primary"}, standbyLost, (*State).dropMember},
	{Rule{"R233", "the spec declares other terms of the lease than the epoch has", "reconfigure: one change",
		"terms of {group}: {what}; {to} stays primary"}, otherTerms, (*State).changeTerms},
	{Rule{"R231", "a standby follows and is not promotable", "reconfigure: with it",
		"{member} is promotable: {why}; {to} stays primary"}, standbyFit, (*State).addMember},
	{Rule{ruleRemedy, "the primary is down, and its ladder has a try left", "remedy: the same primary, which is mended where it is",
		"{member} is mended where it is, try {try} of {times}{on}: {does}; {down}"}, primaryMendable, (*State).mend},
	{Rule{"R271", "the primary is down, and what its ladder tried may yet show", "wait",
		"{member} is being mended: {how}"}, primaryMended, nil},
	{Rule{"R240", "the primary is down", "failover, if nothing refuses",
		"{to} takes over from {from}: {down}{frozen}"}, primaryDown, (*State).failover},
	{Rule{"R250", "a drill's way back was refused for too long, or came to nothing too often", "end of the drill: the roles stay as they are",
		"the way back to {home} is given up, because {why}; {away} stays primary: once that is mended, say ham failback {group}"}, drillUnreturned, (*State).giveDrillUp},
	{Rule{"R241", "the primary is disputed", "refuse",
		"{from} is disputed"}, primaryDisputed, (*State).refuseDisputed},
	{Rule{"R242", "the primary is unknown", "wait: who sees nothing decides nothing",
		"nobody can judge {from} now: {unknown}"}, primaryUnknown, nil},
	{Rule{"R243", "the primary is suspect", "wait for more evidence",
		"{from} is suspect"}, primarySuspect, nil},
	{Rule{ruleHalted, "a drill holds, something unhealthy shows, and nothing refuses", "switchover back at once",
		"{home} is primary again, before the hold of the drill of {actor} has passed, because {why}"}, drillHalts, (*State).goBack},
	{Rule{"R251", "a drill's hold has passed, and nothing refuses", "switchover back",
		"{home} is primary again after the drill of {actor}: {away} was it for {held}"}, drillReturns, (*State).goBack},
	{Rule{"R252", "a drill's hold has passed, and the way back is refused", "wait until nothing refuses",
		"{drill} waits to go back to {home}, because {why}"}, drillReturnWaits, nil},
	{Rule{"R253", "a drill holds", "wait until its hold has passed",
		"{drill} holds {away} as primary of {group} for another {left}, then goes back to {home}"}, drillHolds, nil},
	{Rule{"R273", "a standby is down, and its ladder has a try left", "remedy: the same primary; the standby is mended where it is",
		"{member} is mended where it is, try {try} of {times}{on}: {does}; {down}"}, standbyMendable, (*State).mend},
	{Rule{"R244", "otherwise", "nothing: all is well",
		"{from} is primary and up"}, allWell, nil},
}

// reminderRule is something that is told and decides nothing.
type reminderRule struct{ Rule }

// reminderRules are told beside what is decided: a maintenance or a pause is about to end, outlasts its time, or has no end.
var reminderRules = []reminderRule{
	{Rule{"R262", "a maintenance or a pause ends soon", "tell",
		"{what} ends in {left}, {then}"}},
	{Rule{"R263", "the time of a maintenance has passed, and its member is not up", "tell, once a day: it lasts until the member is up",
		"{what} should be over, and lasts until {member} is up: {why}; mend it, or say {end}"}},
	{Rule{"R264", "a maintenance or a pause has no end", "tell once a day",
		"{what} has lasted for {since} and has no end: say {end} when it is no longer needed"}},
}

// planSoon is told beside what is decided, too.
var planSoon = reminderRule{Rule{"R475", "something planned begins soon", "tell once: whether anything would refuse it now",
	"the {planned} of {group} that {actor} planned begins in {left}{reason}: {then}; ham planned cancel {name} takes it back"}}

// who asks a question, and thereby which refusals concern it.
type who uint32

const (
	itself     who = 1 << iota // a swap that the decider would do by itself
	fallback                   // a resume because a swap was not held in time
	adoption                   // the adoption of what is declared
	regroup                    // a change of members
	swapAsked                  // an asked failover, switchover or failback
	adoptAsked                 // an asked adoption
	pauseAsked
	resumeAsked
	abortAsked
	stepAsked // retry, skip
	noteAsked
	otherAsked
	standby    // the readiness of a member, evaluated all the time
	drillAsked // an asked drill: the way there
	drillBack  // the way back of a drill, by itself or asked for
	drillEnds  // an asked end of a drill where the roles are
	approveAsked
	rejectAsked
	judgeAsked
	planAsked   // a drill or a swap is asked for at a time that is still to come
	cancelAsked // something planned is taken back
	stepJudged  // an approval step is approved or rejected
	drainAsked  // a member is to be taken out for maintenance
	undrainAsked
	renewAsked // a maintenance is to be renewed
	goOnAsked  // it is renewed for more to be done at the member
	mender     // a try of a ladder, by itself

	anyAsked = stepJudged | drainAsked | undrainAsked | renewAsked | goOnAsked | planAsked | cancelAsked | approveAsked | rejectAsked | judgeAsked | drillAsked | drillBack | drillEnds | swapAsked | adoptAsked | pauseAsked | resumeAsked | abortAsked | stepAsked | noteAsked | otherAsked
	anySwap  = itself | swapAsked | drillAsked | drillBack
)

// refusalRule is one "no".
type refusalRule struct {
	Rule
	of who
	// overridable by a person who names the code and gives a reason: refusals that are about loss or flapping.
	overridable bool
	holds       func(*State, Time, question) words
}

// CodeUnknownGroup refuses what is asked of a group that nobody declared.
const CodeUnknownGroup = "R301"

// Codes that the sentence of a group passes over where it is a member's mending that is under way.
const (
	codeUnderWay = "R303"
	codeNotHeld  = "R304"
	codeLadder   = "R450"
)

var refusalRules = []refusalRule{
	{Rule{CodeUnknownGroup, "the group is not declared", "",
		"no group {group} is declared: see ham status for those there are, or apply its spec"},
		anySwap | anyAsked | mender, false, unknownGroup},
	{Rule{"R302", "nothing is adopted yet", "",
		"{group} has no primary yet: declare adopt: <member>, or say ham adopt {group}"},
		anySwap | mender, false, nothingAdopted},
	{Rule{codeUnderWay, "a swap is under way", "",
		"the {what} is under way (epoch {epoch}{step}): wait for its end, or say ham abort {group}"},
		anySwap | adoptAsked | drillEnds | drainAsked | mender, false, swapUnderWay},
	{Rule{codeNotHeld, "the last epoch is not held", "",
		"epoch {epoch} of {group} ended before it took effect: wait until {back} is confirmed as primary"},
		anySwap | mender, false, notHeld},
	{Rule{"R305", "the group is paused", "",
		"{group} was paused by {actor}{reason}, {until}: say ham resume {group} first"},
		anySwap | fallback | adoption | regroup | adoptAsked | mender, false, isPaused},
	{Rule{"R306", "the decider has not yet watched for a full interval", "",
		"this decider has watched {group} for {watched} of {interval}: ask again in a moment"},
		anySwap | adoption | adoptAsked | drainAsked | mender, true, isBlind},
	{Rule{"R307", "the mode is manual", "",
		"the mode of {group} is manual: ask for it with ham failover {group}"},
		itself, false, isManual},
	{Rule{"R308", "the mode is dry-run", "",
		"the mode of {group} is dry-run: nothing is applied until its spec says mode: auto or manual"},
		itself | fallback | drillBack | mender, false, isDryRun},
	{Rule{"R309", "a swap that was no drill took effect less than the cool-down ago", "",
		"{group} is cooling down: {to} became primary {ago} ago, nothing moves by itself for another {left}; ask for it with ham failover {group}"},
		itself, false, coolingDown},
	{Rule{"R310", "the failover budget of the window is spent", "",
		"the failover budget of {group} is spent: {count} of {budget} in {window}, the next one is free in {left}; find out why it fails, or ask for it with ham failover {group}"},
		itself | fallback | drillAsked | drillBack, false, budgetSpent},
	{Rule{"R311", "the primary is disputed", "",
		"{why}; find out who is right"},
		anySwap, true, isDisputed},
	{Rule{"R312", "fewer vantages see the primary than the quorum", "",
		"{why}; look at the probers"},
		anySwap, true, quorumMissing},
	{Rule{"R313", "an executor saw the primary up, and the failures began before that", "",
		"{executor} found {from} up after all, {ago} ago, though vantages say down: {why}; nothing moves by itself for another {left}, or until they have seen it up"},
		itself, false, executorSawUp},
	{Rule{"R314", "a route serves another member than the primary", "",
		"{where}: correct the route, or say ham adopt {group} if that is right now"},
		itself | drillBack, false, drifting},
	{Rule{"R315", "the spec does not declare the primary any more", "",
		"{from} is primary of {group}, but its spec does not declare it: declare it again, or say ham adopt {group}"},
		anySwap | regroup, false, primaryUndeclared},
	{Rule{"R316", "no executor reaches any proxy of a route", "",
		"no executor reaches any proxy of route {route} ({where}), so clients could not be led to another member: bring a proxy or the way to it back"},
		anySwap, true, routeCutOff},
	{Rule{"R317", "the group is to be leased, and no guard is in force yet", "",
		"{group} is not armed at epoch {epoch}: nothing would keep the old primary from acting; wait until it is"},
		anySwap, false, notArmed},
	{Rule{"R318", "another member acts as primary beside the primary", "",
		"{other} acts as primary beside {from}, which is primary of {group}: somebody promoted it; stop it, ham makes it follow again"},
		anySwap, false, twoAct},
	{Rule{"R319", "another member than the primary is to be adopted in a leased group", "",
		"{from} is primary of {group}, and in a leased group roles move only by a swap: stop {to}, or say ham failover {group} once {from} is gone"},
		adoptAsked, false, adoptsAnother},
	{Rule{"R320", "the target is no member, or was none in the last epoch", "",
		"{to} is no member of {group}{epoch}: its members are {members}"},
		swapAsked | drillAsked | drillBack | adoption | adoptAsked | planAsked | drainAsked | undrainAsked, false, noMember},
	{Rule{"R321", "the target is primary already", "",
		"{to} is primary of {group} already"},
		swapAsked | drillAsked | drillBack | planAsked, false, primaryAlready},
	{Rule{"R322", "the standby is not up", "",
		"{to} is not ready: {why}"},
		anySwap | standby, true, standbyNotUp},
	{Rule{"R323", "the standby has not been up for stable_for", "",
		"{to} is not ready: it has been steady for {steady} of {stable}"},
		anySwap | standby, true, standbyNotStable},
	{Rule{"R324", "a readiness check of the standby fails", "",
		"{to} is not ready: {why}"},
		anySwap | standby, true, standbyCheckFails},
	{Rule{"R325", "there is no standby", "",
		"{group} has no standby: declare another member"},
		anySwap, false, noStandby},
	{Rule{"R326", "the target is not promotable: not a member of the newest epoch and of the last that was held", "",
		"{to} is not promotable at epoch {epoch}: {why}"},
		anySwap | standby, false, notPromotable},
	{Rule{"R327", "a failover would lose more than the objective allows", "",
		"{to} would lose too much: {lag}, and the objective is {rpo}"},
		anySwap, true, losesMuch},
	{Rule{"R328", "nobody runs the executor beside the target", "",
		"{to} cannot take over: {why}; start its executor"},
		anySwap | standby, true, noExecutor},
	{Rule{"R329", "the swap under way left the target, its earlier primary, half way", "",
		"{to} is not ready: the {what} began to change it at step {step} ({state}), and nothing undoes that: look at it, then say ham failover {group} --override R329 --reason WHY"},
		anySwap | standby, true, leftHalfWay},
	{Rule{"R330", "a failover is asked for, and the primary is up", "",
		"{from} is up: move with ham switchover {group}"},
		swapAsked, false, primaryIsUp},
	{Rule{"R331", "a switchover is asked for, and the primary is down", "",
		"a switchover needs both sides, and {why}: move with ham failover {group}"},
		swapAsked | drillAsked | drillBack, false, primaryIsDown},
	{Rule{"R332", "a failback is asked for, and there is nothing to go back to", "",
		"{group} was never moved, so there is nothing to go back to"},
		swapAsked | planAsked, false, neverMoved},
	{Rule{"R333", "the epoch is another than the one expected", "",
		"{group} is at epoch {epoch} with primary {from}, not at {expected}: look again, then repeat it with the epoch you mean"},
		anyAsked, false, otherEpoch},
	{Rule{"R334", "the plan is another than the one shown", "",
		"the plan has changed since it was shown ({shown}, now {hash}): {changes}"},
		swapAsked | drillAsked | drillBack | adoptAsked, false, planChanged},
	{Rule{"R335", "it would undo a swap of the last minutes, and does not say so", "",
		"{group} was moved from {to} to {from} {ago} ago (epoch {epoch}), and this would undo it: if that is meant, repeat it with expect_epoch {epoch}"},
		swapAsked | drillAsked, false, wouldUndo},
	{Rule{"R336", "the request is old", "",
		"this was asked {ago} ago, and no decider ran since: ask again if it is still meant"},
		anyAsked &^ (pauseAsked | noteAsked), false, staleRequest},
	{Rule{"R337", "a drill is asked for, and one runs", "",
		"{drill} of {group} runs: wait until it has gone back to {home}, bring it back with ham drill {group} --back, or end it with --stay"},
		drillAsked, false, drillRuns},
	{Rule{"R338", "a drill is to end, and none runs", "",
		"no drill of {group} runs, so there is nothing to end"},
		drillBack | drillEnds, false, noDrill},
	{Rule{"R340", "nobody says which member to adopt", "",
		"{group} does not declare which member is primary: declare adopt: <member>, or say ham adopt {group} <member>"},
		adoption | adoptAsked, false, nobodyNamed},
	{Rule{"R341", "the member to adopt is not up", "",
		"{to} cannot be adopted: {why}"},
		adoption | adoptAsked, true, adoptNotUp},
	{Rule{"R342", "a route serves another member than the one to adopt", "",
		"{to} cannot be adopted: {where}; adopt what is served, or correct the route"},
		adoption | adoptAsked, true, adoptNotServed},
	{Rule{"R343", "no route of the group was seen yet", "",
		"no executor has said yet what the routes of {group} serve; waiting another {left} for one"},
		adoption, false, routesNotSeen},
	{Rule{"R344", "the member is what the record says already", "",
		"{to} is primary of epoch {epoch} already, and the routes agree: there is nothing to adopt"},
		adoptAsked, false, nothingToAdopt},
	{Rule{"R350", "no step waits for a person", "",
		"no step{named} of {group} is paused: see ham status {group}"},
		stepAsked, false, nothingPaused},
	{Rule{"R351", "the step cannot be skipped", "",
		"step {step} cannot be skipped: retry it, or say ham abort {group}"},
		stepAsked, false, unskippable},
	{Rule{"R352", "no swap is under way", "",
		"no swap of {group} is under way, so there is nothing to abort"},
		abortAsked, false, nothingToAbort},
	{Rule{"R353", "nothing was ever held", "",
		"no epoch of {group} was ever held, so there is nothing to go back to: start an executor"},
		abortAsked, false, nothingBefore},
	{Rule{"R354", "the group is not paused", "",
		"{group} is not paused"},
		resumeAsked, false, notPaused},
	{Rule{"R355", "the verb is not known to this version", "",
		"{verb} is not something that this version of ham can do"},
		otherAsked, false, always},
	{Rule{"R356", "a note without text", "",
		"a note needs its text, as the reason of the request"},
		noteAsked, false, emptyNote},
	{Rule{"R376", "a note about an incident that never was", "",
		"there was no incident {incident}: ham incidents {group} lists them"},
		noteAsked, false, noIncident},
	{Rule{"R357", "the bus did not take it in time", "",
		"it could not be stored within {limit}: see ham status {group}, then ask again"},
		anyAsked, false, unstored},
	{Rule{codeSecond, "the group wants two persons, and one has asked", "",
		"this waits for a second person, for {for}: somebody else says ham approve {group} {request}, or ham reject {group} {request}"},
		0, false, notAsked},
	{Rule{"R361", "nothing waits for a second person under this id", "",
		"no swap of {group} waits under {request}: it has expired, was settled, or never was; ham status {group} shows what waits"},
		approveAsked | rejectAsked, false, nothingWaits},
	{Rule{"R362", "who approves is who asked", "",
		"{asker} asked for it, so somebody else has to approve {request}"},
		approveAsked, false, sameActor},
	{Rule{"R371", "two persons are wanted, and nobody says who one of them is", "",
		"{group} wants two persons, and {who} may be anybody: sign in, or say who you are with --as NAME"},
		swapAsked | drillAsked | planAsked | adoptAsked | approveAsked, false, nobodyKnown},
	{Rule{"R377", "two persons agreed to a drill that goes back, and one wants it to stay", "",
		"two persons agreed to {drill}, which goes back to {home}: let it, or bring it back with ham drill {group} --back; then ask for a switchover, which somebody else approves"},
		drillEnds, false, staysForTwo},
	{Rule{codeBlocked, "a drill, or something planned, is to begin in a blocked window", "",
		"no {what} of {group} begins {when}: {why}"},
		drillAsked | planAsked | swapAsked, true, isBlocked},
	{Rule{"R364", "what was due by the calendar is late", "",
		"this was due at {due} UTC, and nobody asked for it within {limit}: it is not made up for"},
		swapAsked | drillAsked, false, wasMissed},
	{Rule{"R365", "what the calendar holds is due while an incident is open", "",
		"incident {incident} is open, and what the calendar holds begins in quiet times alone"},
		drillAsked | swapAsked, false, troubled},
	{Rule{codeTrust, "the mode is auto, and the shadow ledger does not show yet what trust wants", "",
		"{group} is not trusted to swap by itself yet: {right} of {judged} judged shadows were right, and {precision} of at least {swaps} must be; ham shadow {group} shows them"},
		itself, false, untrusted},
	{Rule{"R367", "the last drill that went there and back is longer ago than drill_within", "",
		"{group} {when}, and nothing swaps by itself unless that worked within {within}: say ham drill {group}"},
		itself, false, drillLongAgo},
	{Rule{"R375", "told alone: the bus passes messages on, and nobody answers for the record of decisions", "",
		"no majority of the bus's servers answers for the record of decisions for {ago}, and what cannot be stored does not happen: see ham doctor"},
		itself, false, recordMute},
	{Rule{"R368", "there is no such entry in the shadow ledger", "",
		"the shadow ledger of {group} has no entry {entry}: ham shadow {group} lists them"},
		judgeAsked, false, noEntry},
	{Rule{"R369", "it is planned for a time that is past, or too far ahead", "",
		"{due} UTC is no time to plan for: now it is {now} UTC, and it has to be ahead, by {limit} days at most"},
		planAsked, false, notAhead},
	{Rule{"R370", "something is planned for that time already, or a planned drill holds then", "",
		"{name} is planned for {due} UTC{holding}: choose another time, or take it back with ham planned cancel {name}"},
		planAsked, false, plannedThen},
	{Rule{"R480", "a step of the plan to the standby would fail, as its driver says", "",
		"{to} is not ready: step {step} would fail, as {executor} found: {why}"},
		anySwap | standby, true, planFails},
	{Rule{codeLadder, "the ladder is over, or all its tries were made", "",
		"{member} is not mended any more: {why}"},
		mender, false, ladderSpent},
	{Rule{"R451", "the executor beside the member does not answer", "",
		"{member} cannot be mended: {why}; start its executor"},
		mender, false, menderGone},
	{Rule{"R452", "no rung of the ladder is for what is down", "",
		"no rung of the ladder of {group} is for what is down at {member}"},
		mender, false, noRung},
	{Rule{"R453", "a drill runs", "",
		"{drill} runs, and {member} is not mended meanwhile"},
		mender, false, drillHasIt},
	{Rule{"R454", "the member is in maintenance", "",
		"{member} is in maintenance by {who}, and is not mended meanwhile"},
		mender, false, personHasIt},
	{Rule{"R373", "nothing is planned under this name", "",
		"nothing of {group} is planned as {name}: it has begun, was taken back, or never was; ham planned {group} shows what is"},
		cancelAsked | drillAsked | swapAsked, false, nothingPlanned},
	{Rule{"R372", "as much is planned for the group as may be", "",
		"{count} plans of {group} stand, which is the most: take one back with ham planned cancel"},
		planAsked, false, plansMany},
	{Rule{codePool, "the group is a pool", "",
		"{group} is a pool and has no primary, so there is nothing to {verb}: take single members out with ham drain {group} <member>"},
		poolLess, false, poolHasNone},
	{Rule{"R431", "a member is to be taken out, and it is out", "",
		"{to} is in maintenance already, by {who}{reason} for {ago}: say ham undrain {group} {to} first, or renew it with ham drain {group} {to}"},
		drainAsked, false, alreadyOut},
	{Rule{"R432", "a member is to be put back, and it is not out", "",
		"{to} is in no maintenance, so there is nothing to put back"},
		undrainAsked, false, notOut},
	{Rule{"R433", "the primary is to be taken out", "",
		"{to} is primary of {group}: move the role first, with ham switchover {group}"},
		drainAsked, false, isPrimary},
	{Rule{"R434", "fewer than the pool's minimum would serve", "",
		"without {to} only {count} would serve ({left}), and the minimum of {group} is {minimum}{why}"},
		drainAsked, false, belowMinimum},
	{Rule{"R435", "no executor reaches any proxy of a route of the pool", "",
		"no executor reaches any proxy of route {route} ({where}), so nothing could keep clients from {to}: bring a proxy, an executor or the way between them back"},
		drainAsked | goOnAsked, true, poolCutOff},
	{Rule{"R436", "the standby is in maintenance", "",
		"{to} is not ready: it is in maintenance by {who}{reason} for {ago}; say ham undrain {group} {to}"},
		anySwap | standby, true, inMaintenance},
	{Rule{"R438", "a member is to be taken out or put back, and the pool is paused", "",
		"{group} was paused by {actor}{reason}, {until}, and no proxy is touched meanwhile: say ham resume {group} first"},
		drainAsked | goOnAsked | undrainAsked, false, poolPaused},
	{Rule{"R466", "no approval step waits", "",
		"no step of {group} waits for approval under this name: it was answered, has expired or never was; ham status {group} shows what waits"},
		stepJudged, false, noStepWaits},
	{Rule{"R467", "who approves a step is who asked for the swap, and the group wants two persons", "",
		"{asker} asked for this swap, and {group} wants two persons: somebody else has to approve step {step}"},
		stepJudged, false, approvesOwn},
	{Rule{"R468", "no person approves the step", "",
		"a step is approved by a person, and {who} may be anybody: sign in, or say who you are with --as NAME"},
		stepJudged, false, noPerson},
	{Rule{"R472", "a planned swap is due, and another member is primary than when it was planned", "",
		"{name} was planned while {was} was primary, and now {from} is: if it is still meant, plan it anew"},
		swapAsked, false, otherPrimary},
	{Rule{codeFrozen, "a change that a person chooses the time of is to begin in a freeze", "",
		"changes of {group} are frozen {when}, until {until} UTC: {why}"},
		drillAsked | planAsked | swapAsked | drainAsked | goOnAsked, true, isFrozen},
}

// codePool answers whatever concerns a primary in a pool; poolLess are those questions.
const (
	codePool = "R430"
	poolLess = anySwap | stepJudged | adoptAsked | drillEnds | abortAsked | stepAsked | planAsked | cancelAsked | approveAsked | rejectAsked | judgeAsked
)

// requestRule is what a verb leads to.
type requestRule struct {
	Rule
	verb message.Verb
	end  string // of a drill
	who  who
	act  func(*State, Time, *ask, question, *requestRule)
}

var requestRules = []requestRule{
	{Rule{"R401", "failover is asked for", "failover, if nothing refuses",
		"{actor} asked for a failover of {group} from {from} to {to}{reason}"}, message.VerbFailover, "", swapAsked, (*State).askedSwap},
	{Rule{"R402", "switchover is asked for", "switchover, if nothing refuses",
		"{actor} asked for a switchover of {group} from {from} to {to}{reason}"}, message.VerbSwitchover, "", swapAsked, (*State).askedSwap},
	{Rule{"R403", "failback is asked for", "switchover to the primary before, if nothing refuses",
		"{actor} asked for {group} to go back from {from} to {to}{reason}"}, message.VerbFailback, "", swapAsked, (*State).askedSwap},
	{Rule{"R404", "pause is asked for", "mark: paused",
		"{actor} paused {group} {until}{reason}"}, message.VerbPause, "", pauseAsked, (*State).askedMark},
	{Rule{"R405", "resume is asked for", "mark: no longer paused",
		"{actor} resumed {group}{reason}"}, message.VerbResume, "", resumeAsked, (*State).askedMark},
	{Rule{"R406", "abort is asked for", "resume: of the primary before, or after held of the new one without further steps",
		"{actor} aborted the {what}{reason}: {back} is primary{then}"}, message.VerbAbort, "", abortAsked, (*State).askedAbort},
	{Rule{"R407", "retry is asked for", "instruction to retry the paused step",
		"{actor} had step {step} of {group} tried again{reason}"}, message.VerbRetry, "", stepAsked, (*State).askedStep},
	{Rule{"R408", "skip is asked for", "instruction to skip the paused step",
		"{actor} had step {step} of {group} skipped{reason}"}, message.VerbSkip, "", stepAsked, (*State).askedStep},
	{Rule{"R409", "adopt is asked for", "adopt, if nothing refuses",
		"{actor} had {to} adopted as primary of {group}{reason}"}, message.VerbAdopt, "", adoptAsked, (*State).askedAdopt},
	{Rule{"R410", "note is asked for", "note",
		"{actor} notes: {text}"}, message.VerbNote, "", noteAsked, (*State).askedNote},
	{Rule{"R411", "a drill is asked for", "switchover there, if nothing refuses",
		"{actor} asked for a drill of {group}: {to} takes over from {from}, is primary for {hold}, then {from} again{reason}"}, message.VerbDrill, "", drillAsked, (*State).askedSwap},
	{Rule{"R412", "a drill is to go back now", "switchover back, if nothing refuses",
		"{actor} asked for the drill of {group} to go back from {from} to {to} now{reason}"}, message.VerbDrill, message.EndBack, drillBack, (*State).askedSwap},
	{Rule{"R413", "a drill is to end where the roles are", "end of the drill",
		"{actor} ended the drill of {group}: {from} stays primary{reason}"}, message.VerbDrill, message.EndStay, drillEnds, (*State).askedStay},
	{Rule{"R414", "a second person approves a swap that waits", "that swap with the plan as it was shown, if nothing refuses",
		"{by} approved{reason}: {what}"}, message.VerbApprove, "", approveAsked, (*State).askedApprove},
	{Rule{"R415", "a swap that waits for a second person is rejected", "entry in the chain: rejected",
		"{by} rejected{reason}: {what}"}, message.VerbReject, "", rejectAsked, (*State).askedReject},
	{Rule{"R416", "an entry of the shadow ledger is judged", "event",
		"{actor} judges {entry}: {judge}{reason}"}, message.VerbJudge, "", judgeAsked, (*State).askedJudge},
	{Rule{"R417", "a drill is planned for a time", "entry in the chain: planned",
		"{actor} planned a drill of {group} for {due} UTC: {to} takes over, is primary for {hold}, then it goes back{reason}"}, message.VerbDrill, endLater, planAsked, (*State).askedPlan},
	{Rule{"R418", "something planned is taken back", "entry in the chain: cancelled",
		"{actor} took back the {planned} of {group} planned for {due} UTC{reason}"}, message.VerbDrill, message.EndCancel, cancelAsked, (*State).askedCancel},
	{Rule{"R465", "a person approves a step that waits for it", "instruction to go on",
		"{actor} approved step {step} of the {what}{reason}: {ask}"}, message.VerbApprove, endStep, stepJudged, (*State).askedStepApproval},
	{Rule{"R474", "a person rejects a step that waits for approval", "instruction to end the swap there",
		"{actor} rejected step {step} of the {what}{reason}: {ask}"}, message.VerbReject, endStep, stepJudged, (*State).askedStepApproval},
	{Rule{"R470", "a switchover is planned for a time", "entry in the chain: planned",
		"{actor} planned a switchover of {group} for {due} UTC: {to} takes over from {from}{reason}"}, message.VerbSwitchover, endLater, planAsked, (*State).askedPlan},
	{Rule{"R471", "a failback is planned for a time", "entry in the chain: planned",
		"{actor} planned for {group} to go back at {due} UTC, from {from} to {to}{reason}"}, message.VerbFailback, endLater, planAsked, (*State).askedPlan},
	{Rule{"R446", "a member is to be taken out for maintenance", "entry in the chain: it begins",
		"{actor} takes {to} of {group} out for maintenance {lasts}{reason}"}, message.VerbDrain, "", drainAsked, (*State).askedMaintenance},
	{Rule{"R447", "a member is to be put back", "entry in the chain: it ends",
		"{actor} puts {to} of {group} back{reason}"}, message.VerbUndrain, "", undrainAsked, (*State).askedMaintenance},
	{Rule{"R448", "the maintenance of a member is to be renewed", "entry in the chain: it goes on",
		"{actor} renews {what}, {lasts}{reason}"}, message.VerbDrain, endRenews, renewAsked, (*State).askedMaintenance},
	{Rule{"R449", "more is to be done at a member that is in maintenance", "entry in the chain: it goes on",
		"{actor} goes on with {what}, {lasts}{reason}"}, message.VerbDrain, endGoesOn, goOnAsked, (*State).askedMaintenance},
}

// endRenews stands in the table for a drain of who is out already, endGoesOn for one that names the maintenance: whoever does so goes on with the work.
const (
	endRenews = "@renews"
	endGoesOn = "@goes-on"
)

// endLater stands in the table for what is planned for a time.
const endLater = "@time"

// otherRequest stands for the verbs that have no row: R355 refuses them.
var otherRequest = requestRule{who: otherAsked}

// Rules returns the whole table, in its order.
func Rules() []Rule {
	var out []Rule
	for _, r := range verdictRules {
		out = append(out, r.Rule)
	}
	for _, r := range situationRules {
		out = append(out, r.Rule)
	}
	for _, r := range reminderRules {
		out = append(out, r.Rule)
	}
	for _, r := range refusalRules {
		out = append(out, r.Rule)
	}
	for _, r := range requestRules {
		out = append(out, r.Rule)
	}
	for _, r := range figureRules {
		out = append(out, r.Rule)
	}
	return append(out, planSoon.Rule, clientsBegin, clientsOver, clientsUnseen)
}
