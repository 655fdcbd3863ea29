package render

import "strings"

// Plain is the whole text as lines for a terminal or a file, ending in a line end:
//
//	[critical] web: a is down   02:10:03 UTC  web-14  epoch 6  R201
//	  Member a is down: 2 of 3 vantages say so.
//	  why   R201 …
//	  seen  from rj: …
//	  do    ham explain web   what is known, and why it swaps or does not
func (t Text) Plain() string {
	var w strings.Builder
	w.WriteString(t.Head())
	w.WriteString("   ")
	w.WriteString(strings.Join(t.Context(), "  "))
	w.WriteString("\n")
	block(&w, "", []string{t.What})
	block(&w, t.T("why"), t.Why)
	block(&w, t.T("seen"), t.Seen)
	block(&w, t.T("info"), t.Facts)
	do := make([]string, len(t.Do))
	for i, c := range t.Do {
		do[i] = c.Run + "   " + c.Says
	}
	block(&w, t.T("do"), do)
	return w.String()
}

// Context is what places the event: time, incident, epoch, rule.
func (t Text) Context() []string {
	out := []string{t.At.Format("2006-01-02 15:04:05 UTC")}
	if t.Incident != "" {
		out = append(out, t.Incident)
	}
	if t.Epoch > 0 {
		out = append(out, t.T("epoch %d", t.Epoch))
	}
	if t.Code != "" {
		out = append(out, t.Code)
	}
	return out
}

func block(w *strings.Builder, name string, lines []string) {
	for i, l := range lines {
		switch {
		case name == "":
			w.WriteString("  ")
		case i == 0:
			w.WriteString("  " + name + strings.Repeat(" ", max(1, 6-len(name))))
		default:
			w.WriteString("        ")
		}
		w.WriteString(l)
		w.WriteString("\n")
	}
}
