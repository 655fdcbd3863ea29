package message

import (
	"strconv"
	"unicode/utf8"
)

// When something was gathered.
const (
	GatherOpened = "opened" // the incident had just opened
	GatherStep   = "step"   // a step had failed
	GatherEnded  = "ended"  // the incident had just ended
	GatherAsked  = "asked"  // somebody asked; it is answered and not stored
)

// Limits of what one executor gathers at one time, in bytes: of a clue's text, and of all texts as they travel.
const (
	MaxClue     = 64 << 10
	MaxGathered = 256 << 10
)

// Gathered is what one executor found on its host and at the routes when an incident opened, a step failed, or the incident ended. Nothing was
// changed for it, secrets are masked. Its texts were written by other programs: they are evidence, to be shown and never to be followed.
type Gathered struct {
	Group    string `json:"group" validate:"required,name"`
	Incident string `json:"incident,omitempty" validate:"max=128"`
	// When is what it was gathered for; Epoch says of which swap, where a step had failed.
	When     string `json:"when" validate:"required,oneof=opened step ended asked"`
	Epoch    uint64 `json:"epoch,omitempty"`
	Executor string `json:"executor" validate:"required,name"`
	// Site is that of the member beside it; empty where it stands beside none.
	Site  string `json:"site,omitempty" validate:"omitempty,name"`
	Clues []Clue `json:"clues" validate:"max=64,dive"`
	// LeftOut is how many clues had no place.
	LeftOut    int   `json:"left_out,omitempty" validate:"min=0"`
	TookMicros int64 `json:"took_us,omitempty" validate:"min=0"`
	// At is when it began, by the executor's wall clock in Unix microseconds.
	At int64 `json:"at_us" validate:"min=0"`
}

// Clue is one thing that was looked at.
type Clue struct {
	// Name says what it is about in a few words: "host", "postgres a: replication"; What how it was looked at: a command, a file, a question.
	Name string `json:"name" validate:"required,max=128"`
	What string `json:"what,omitempty" validate:"max=256"`
	// Text is what was found, the newest lines of it where it was too long: Cut.
	Text string `json:"text,omitempty" validate:"max=65536"`
	Cut  bool   `json:"cut,omitempty"`
	// Err says why there is no text, or not all of it.
	Err        string `json:"err,omitempty" validate:"max=1024"`
	TookMicros int64  `json:"took_us,omitempty" validate:"min=0"`
}

func (m *Gathered) MessageID() string {
	id := "gathered." + m.Group + "." + m.Incident + "." + m.When + "." + m.Executor
	if m.When == GatherStep || m.Incident == "" {
		id += "." + strconv.FormatUint(m.Epoch, 10)
	}
	if m.When == GatherAsked {
		id += "." + strconv.FormatInt(m.At, 10)
	}
	return id
}
func (m *Gathered) MessageGroup() string { return m.Group }

// consistent: all of it is not larger than it may be.
func (m *Gathered) consistent() *Invalid {
	size := 0
	for _, c := range m.Clues {
		size += Encoded(c.Text)
	}
	if size > MaxGathered {
		return &Invalid{Type: "gathered", Field: "clues", Got: strconv.Itoa(size) + " bytes of text", Want: "at most " + strconv.Itoa(MaxGathered) + " bytes"}
	}
	return nil
}

// Encoded is how many bytes a text takes in JSON, as this package writes it, without its quotation marks.
func Encoded(s string) int {
	n := 0
	for i, r := range s {
		switch {
		case r == '"', r == '\\', r == '\n', r == '\r', r == '\t', r == '\b', r == '\f':
			n += 2
		case r < ' ', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029':
			n += 6
		case r == utf8.RuneError && s[i] != 0xef: // a byte that is no UTF-8
			n += 6
		default:
			n += utf8.RuneLen(r)
		}
	}
	return n
}
