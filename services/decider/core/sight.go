package core

import (
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// sight is what one vantage sees of one member by one check.
type sight struct {
	vantage string
	// limit is the silence after which the vantage does not count: two intervals and a time-out.
	limit time.Duration
	// decides: it is by a check that makes the member down.
	decides bool

	// boot and seq are those of the newest look; gone are boots that were left, so that their late copies are known for what they are.
	boot string
	seq  uint64
	gone [3]string

	heard     bool
	heardAt   time.Duration // of the newest look
	answer    message.Answer
	hard      bool
	blind     bool
	late      bool
	evidence  string
	streamSeq uint64

	// mark is the look with which the present row, or the present lack of evidence, began.
	markBoot string
	markSeq  uint64
	// renewed: what it fails by counts from later than that.
	renewed bool

	// downs and ups count answers in a row, of looks that are evidence. At most one of them is above zero.
	downs, ups int
	// failingSince is when the first of the downs was heard that no up has followed, counted or not.
	failingSince time.Duration
	// saysDown: `fall` downs in a row or a hard one, and not yet `rise` ups in a row since.
	saysDown bool
}

// old says whether this look, or a newer one of the same prober, was taken before.
func (v *sight) old(hb *message.Heartbeat) bool {
	if hb.Boot == v.boot {
		return hb.Seq <= v.seq
	}
	for _, b := range v.gone {
		if b == hb.Boot {
			return true
		}
	}
	return false
}

// take counts one look and says whether anything but the row of ups has changed.
//
// A look that is no evidence (unknown, blind, late) ends both rows and takes back what the vantage said: it has to see it
// anew. A gap in the numbers ends the rows too: in a row means in a row. While counts is false (the decider does not judge yet) no look counts; but
// since when it fails is known all the same, so that who has seen the member up since then is heard.
func (v *sight) take(at time.Duration, in *HeartbeatSeen, p *spec.Policy, counts bool) bool {
	hb := in.Heartbeat
	before, class := *v, v.class()
	gap := hb.Boot != v.boot || hb.Seq != v.seq+1 || v.silent(at)
	if hb.Boot != v.boot {
		v.gone = [3]string{v.boot, v.gone[0], v.gone[1]}
		v.boot = hb.Boot
	}
	v.seq, v.heard, v.heardAt = hb.Seq, true, at
	v.answer, v.hard, v.blind = hb.Answer, hb.Hard, hb.Blind
	v.late = p.MaxLate > 0 && hb.LateMicros > p.MaxLate.Microseconds()
	v.evidence, v.streamSeq = hb.Evidence, in.Seq
	if gap || v.class() != class {
		v.markBoot, v.markSeq, v.renewed = v.boot, v.seq, false
	}
	if gap {
		v.downs, v.ups = 0, 0
	}
	switch {
	case !v.witnesses():
		v.forget()
	case hb.Answer == message.Down:
		if class != failing {
			v.failingSince = at
		}
		v.ups = 0
		if counts {
			v.downs++
			v.saysDown = v.saysDown || v.hard || v.downs >= p.Fall
		}
	default:
		v.downs = 0
		if counts {
			v.ups++
			v.saysDown = v.saysDown && v.ups < p.Rise
		}
	}
	return before.answer != v.answer || before.blind != v.blind || before.late != v.late || before.hard != v.hard ||
		before.saysDown != v.saysDown || before.silent(at) || v.downs > 0 || v.saysDown
}

// class is what the newest look is worth.
type class int

const (
	nothing class = iota // none, or no evidence
	serving
	failing
)

func (v *sight) class() class {
	switch {
	case !v.heard || !v.witnesses():
		return nothing
	case v.up():
		return serving
	}
	return failing
}

// forget ends the rows and what was concluded from them.
func (v *sight) forget() { v.downs, v.ups, v.saysDown, v.failingSince = 0, 0, false, 0 }

// anew begins the rows again: what was seen until now was about something else.
func (v *sight) anew(at time.Duration) {
	v.forget()
	if v.class() == failing {
		v.failingSince, v.renewed = at, true
	}
}

// silent says that nothing was heard for too long.
func (v *sight) silent(at time.Duration) bool { return !v.heard || at-v.heardAt > v.limit }

// witnesses says whether the newest look is evidence at all.
func (v *sight) witnesses() bool { return !v.blind && !v.late && v.answer != message.Unknown }

// sees says whether the vantage counts now.
func (v *sight) sees(at time.Duration) bool { return !v.silent(at) && v.witnesses() }

// up says that the newest look found the member serving.
func (v *sight) up() bool { return v.answer == message.Up || v.answer == message.Degraded }

// says is the vantage's word in evidence.
func (v *sight) says(at time.Duration) string {
	switch {
	case v.silent(at):
		return "silent"
	case v.blind:
		return "blind"
	case v.late:
		return "slow"
	case v.answer == message.Unknown:
		return "unknown"
	case v.saysDown && !v.up():
		return "down"
	case v.saysDown || !v.up():
		return "suspect"
	}
	return "up"
}

func (v *sight) view(at time.Duration, member, check string) message.View {
	view := message.View{
		Member: member, Vantage: v.vantage, Check: check, Says: v.says(at), Hard: v.hard,
		InARow: max(v.downs, v.ups), Evidence: v.evidence, Seq: v.streamSeq,
	}
	if v.heard {
		view.AgoMS = max(0, (at - v.heardAt).Milliseconds())
	}
	return view
}
