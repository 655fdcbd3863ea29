package render

import "time"

// Again says of an event how often it was so, and what came last.
type Again struct {
	// Times is how often it happened since Since, this event and those after it included.
	Times int
	Since time.Time
	// Newest is what was said last, at At; empty: the event itself was the last.
	Newest string
	At     time.Time
}

// With returns the text with a line that says how often it was so.
func (t Text) With(a Again) Text {
	l := t.T("%d times since %s", a.Times, a.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
	if a.Newest != "" {
		l = t.T("%d times since %s; the newest, at %s: %s", a.Times, a.Since.UTC().Format("2006-01-02 15:04:05 UTC"), a.At.UTC().Format("15:04:05 UTC"), t.say(a.Newest))
	}
	t.Facts = append(t.Facts[:len(t.Facts):len(t.Facts)], line("%s", l))
	return t
}

func (t Text) say(sentence string) string {
	if t.speaker == nil {
		return sentence
	}
	return t.speaker.Say(sentence)
}
