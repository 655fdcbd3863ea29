package render

import "strings"

// repeatNote stands where a post may be there twice.
const repeatNote = "perhaps a repetition: it is unknown whether the first attempt arrived"

// HeadOf is what a post is about, in one line.
func HeadOf(texts []Text) string {
	if len(texts) == 0 {
		return "ham"
	}
	if len(texts) == 1 {
		return texts[0].Head()
	}
	worst := texts[0]
	for _, t := range texts {
		if !worst.Severity.AtLeast(t.Severity) {
			worst = t
		}
	}
	return worst.T("%d events, told together; the worst: %s", len(texts), worst.Head())
}

// Body is a whole post in plain lines, cut to so many bytes: one event with all that is known, or a line for each of several.
func Body(texts []Text, repeat bool, limit int) string {
	var w strings.Builder
	if repeat {
		w.WriteString("(" + frame(texts).T(repeatNote) + ")\n")
	}
	if len(texts) == 1 {
		w.WriteString(texts[0].Plain())
		return Cut(w.String(), limit)
	}
	w.WriteString(frame(texts).T("%d events, told together:", len(texts)) + "\n")
	for _, t := range texts {
		// Each keeps a share of the room, so that a long one pushes no other out.
		w.WriteString(Cut(t.Line(), max(80, (limit-400)/max(1, len(texts))-1)) + "\n")
	}
	if len(texts) == 0 {
		return w.String()
	}
	for i, c := range texts[len(texts)-1].Do {
		if i == 0 {
			w.WriteString("\n")
		}
		w.WriteString(c.Run + "   " + c.Says + "\n")
	}
	return Cut(w.String(), limit)
}

// frame has the language of a post.
func frame(texts []Text) Text {
	if len(texts) == 0 {
		return Text{}
	}
	return texts[0]
}
