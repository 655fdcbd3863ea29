package core

import (
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// TestLooksInARow: what one vantage says after a series of looks. Each letter is a look a second: U up, D down, H hard down, ? unknown, B
// blind, L late, g one that got lost, o an old one (up) that comes again, s silence of a minute, n a new boot of the prober.
func TestLooksInARow(t *testing.T) {
	for looks, want := range map[string]string{
		"U":         "up",
		"D":         "suspect",
		"DD":        "suspect",
		"DDD":       "down",
		"H":         "down",
		"DDUD":      "suspect",
		"DDgD":      "suspect", // the lost one may have been up
		"DDoD":      "down",    // an old copy changes nothing
		"DDD?":      "unknown",
		"DDD?D":     "suspect", // it has to see it anew
		"DDDB":      "blind",
		"DDDBDD":    "suspect",
		"DDDL":      "slow",
		"DDDLDDD":   "down",
		"DDsD":      "suspect",
		"DDDs":      "silent",
		"DDDU":      "suspect", // up again, not yet often enough
		"DDDUU":     "up",
		"DDDUD":     "down", // it had not recovered
		"DDDUgU":    "suspect",
		"DDnD":      "suspect", // a new boot of the prober counts anew
		"HU":        "suspect",
		"HUU":       "up",
		"UUUUDDDUU": "up",
	} {
		p := &spec.Policy{Fall: 3, Rise: 2, MaxLate: 500 * time.Millisecond}
		v := &sight{vantage: "sp", limit: 3 * time.Second}
		at, boot, seq := time.Duration(0), "boot1", uint64(0)
		for _, look := range looks {
			at += time.Second
			seq++
			hb := &message.Heartbeat{Boot: boot, Seq: seq, Answer: message.Up}
			switch look {
			case 'D':
				hb.Answer = message.Down
			case 'H':
				hb.Answer, hb.Hard = message.Down, true
			case '?':
				hb.Answer = message.Unknown
			case 'B':
				hb.Answer, hb.Blind = message.Down, true
			case 'L':
				hb.Answer, hb.LateMicros = message.Down, 600_000
			case 'g':
				continue
			case 'o':
				at -= time.Second
				seq--
				hb.Seq = seq - 1
			case 's':
				at += time.Minute
				seq--
				continue
			case 'n':
				boot, seq = boot+"x", 0
				at -= time.Second
				continue
			}
			if v.old(hb) {
				continue
			}
			v.take(at, &HeartbeatSeen{Heartbeat: hb}, p, true)
		}
		if got := v.says(at); got != want {
			t.Errorf("%s: it says %s, want %s", looks, got, want)
		}
	}
}

// TestAnOldBootIsOldNews: what a prober published before its restart may come late; it is not taken for the newest.
func TestAnOldBootIsOldNews(t *testing.T) {
	v := &sight{limit: time.Minute}
	p := &spec.Policy{Fall: 1, Rise: 1}
	for _, look := range []struct {
		boot string
		seq  uint64
		old  bool
	}{{"b1", 1, false}, {"b1", 2, false}, {"b1", 2, true}, {"b1", 1, true}, {"b2", 1, false}, {"b1", 3, true}, {"b3", 7, false}, {"b2", 2, true}, {"b1", 9, true}, {"b3", 8, false}} {
		hb := &message.Heartbeat{Boot: look.boot, Seq: look.seq, Answer: message.Up}
		if got := v.old(hb); got != look.old {
			t.Errorf("look %s/%d: old %t, want %t", look.boot, look.seq, got, look.old)
		}
		if !look.old {
			v.take(0, &HeartbeatSeen{Heartbeat: hb}, p, true)
		}
	}
}
