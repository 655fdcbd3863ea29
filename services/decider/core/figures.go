package core

import (
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// figures are what the newest look at a database said of its replication.
type figures struct {
	known bool
	at    time.Duration
	// acts: it takes writes, by its own word.
	acts bool
	// wrote is the write position of one that acts, got what one that follows has received; both in bytes of the write-ahead log.
	wrote, got float64
	limit      time.Duration // silence after which they are the past
}

// actsNow says that it took writes a moment ago.
func (f *figures) actsNow(at Time) bool { return f.known && f.acts && at.Mono-f.at <= f.limit }

// written is how far a primary had come at a moment.
type written struct {
	at  time.Duration
	lsn float64
}

// mostWritten and writtenApart bound what is kept of a primary's progress: about a minute of it.
const (
	mostWritten  = 120
	writtenApart = 500 * time.Millisecond
)

// figure takes the figures of a look into account. What a look of the past said is no use.
func (m *member) figure(at time.Duration, hb *message.Heartbeat, limit time.Duration) {
	recovery, ok := hb.Perf["recovery"]
	if !ok || hb.Blind || hb.Answer == message.Unknown {
		return
	}
	f := figures{known: true, at: at, acts: recovery == 0, limit: limit}
	lsn, has := hb.Perf["lsn"]
	if f.acts {
		f.wrote = lsn
		if n := len(m.progress); has && (n == 0 || at-m.progress[n-1].at >= writtenApart) {
			if n >= mostWritten {
				copy(m.progress, m.progress[1:])
				m.progress = m.progress[:n-1]
			}
			m.progress = append(m.progress, written{at, lsn})
		}
	} else {
		f.got = lsn
		if got, ok := hb.Perf["received"]; ok {
			f.got = got
		}
		m.progress = m.progress[:0]
	}
	f.known = has
	m.figures = f
}

// lag is how far a standby is behind its primary: what a failover would lose.
type lag struct {
	bytes float64
	// behind is since when the primary has written what the standby has not received; more: it may be longer ago than that.
	behind time.Duration
	more   bool
	// age is that of the older of the two figures.
	age time.Duration
}

// lag says what would be lost if to took over from from: from the newest looks at both, else from what the primary last said. Not known: nobody
// has said anything.
func (s *State) lag(at Time, from, to string) (lag, bool) {
	p, t := s.member(from), s.member(to)
	if p == nil || t == nil {
		return lag{}, false
	}
	if p.figures.known && p.figures.acts && t.figures.known && !t.figures.acts {
		l := lag{bytes: max(0, p.figures.wrote-t.figures.got), age: at.Mono - min(p.figures.at, t.figures.at)}
		if l.bytes == 0 {
			return l, true
		}
		l.more = true
		since := p.figures.at
		for i := len(p.progress) - 1; i >= 0; i-- {
			since = p.progress[i].at
			if p.progress[i].lsn <= t.figures.got {
				l.more = false
				break
			}
		}
		l.behind = p.figures.at - since
		return l, true
	}
	if w, age := s.standbyWord(at, to); w != nil && w.State != message.StandbyLost {
		return lag{bytes: float64(w.LagBytes), behind: time.Duration(w.LagMicros) * time.Microsecond, age: age}, true
	}
	return lag{}, false
}

// words say it with its age.
func (l lag) words() string {
	if l.bytes == 0 {
		return "had everything " + span(l.age) + " ago"
	}
	behind := ", " + span(l.behind)
	if l.more {
		behind = ", more than " + span(l.behind)
	}
	return "was " + size(l.bytes) + behind + " behind, " + span(l.age) + " ago"
}

// size writes bytes as people say them.
func size(bytes float64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if bytes < 1024 {
			return strconv.FormatFloat(bytes, 'f', map[bool]int{true: 0, false: 1}[unit == "B" || bytes >= 100], 64) + " " + unit
		}
		bytes /= 1024
	}
	return strconv.FormatFloat(bytes, 'f', 1, 64) + " GiB"
}
