package page

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/isacloud/ha-manager/pkg/runbook"
	"github.com/isacloud/ha-manager/services/console/internal/board"
)

// runbookPage is the page that a person goes by when ham itself is gone.
type runbookPage struct {
	Frame
	Group    string
	Revision uint64
	Body     template.HTML
}

// written is the group's runbook, as Markdown; where there is none, it has answered by itself.
func (p *Pages) written(w http.ResponseWriter, r *http.Request) (board.Group, string, bool) {
	g, ok := p.Visible(w, r)
	if !ok {
		return g, "", false
	}
	back := "/g/" + g.Name
	if g.Spec == nil {
		p.Say(w, r, http.StatusServiceUnavailable, "Not known yet", "This console has not read the spec of this group yet.", "", back)
		return g, "", false
	}
	text, err := runbook.Write(g.Spec)
	if err != nil {
		p.Say(w, r, http.StatusInternalServerError, "Not shown", sentence(err), "", back)
		return g, "", false
	}
	return g, string(clean([]byte(text))), true
}

// runbook shows it.
func (p *Pages) runbook(w http.ResponseWriter, r *http.Request) {
	if g, text, ok := p.written(w, r); ok {
		p.render(w, r, http.StatusOK, "runbook", runbookPage{Frame: p.frame(r, in(r).T("The runbook"), "", ""), Group: g.Name, Revision: g.Spec.Revision, Body: fromMarkdown(text)})
	}
}

// runbookFile is the same as `ham runbook` prints it.
func (p *Pages) runbookFile(w http.ResponseWriter, r *http.Request) {
	if g, text, ok := p.written(w, r); ok {
		w.Header().Set("Content-Type", "text/markdown; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="runbook-`+g.Name+`.md"`)
		_, _ = w.Write([]byte(text))
	}
}

// fromMarkdown is HTML of the little Markdown that pkg/runbook writes: headings, paragraphs, numbered steps, lists, tables and commands. The numbers of
// steps stay as they are written, since commands stand between them. All text is escaped.
func fromMarkdown(text string) template.HTML {
	var out strings.Builder
	open := "" // the list or table that goes on
	end := func(next string) {
		if open != next {
			if open != "" {
				out.WriteString(map[string]string{"ul": "</ul>", "table": "</tbody></table>"}[open])
			}
			if open = next; open != "" {
				out.WriteString(map[string]string{"ul": `<ul>`, "table": `<table><tbody>`}[open])
			}
		}
	}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		l := strings.TrimSpace(lines[i])
		level := len(l) - len(strings.TrimLeft(l, "#"))
		switch {
		case strings.HasPrefix(l, "```"):
			end("")
			out.WriteString(`<pre><code>`)
			for i++; i < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[i]), "```"); i++ {
				out.WriteString(template.HTMLEscapeString(lines[i]) + "\n")
			}
			out.WriteString("</code></pre>")
		case level == 1 && strings.HasPrefix(l, "# "):
			end("") // the page has its own
		case level > 1 && level < 5 && l[level:] != "" && l[level] == ' ':
			end("")
			tag := map[int]string{2: "h2", 3: "h3", 4: "h4"}[level]
			out.WriteString("<" + tag + ">" + inLine(l[level+1:]) + "</" + tag + ">")
		case strings.HasPrefix(l, "- "):
			end("ul")
			out.WriteString("<li>" + inLine(l[2:]) + "</li>")
		case strings.HasPrefix(l, "|--"):
		case strings.HasPrefix(l, "|"):
			cell := "td"
			if open != "table" {
				cell = "th"
			}
			end("table")
			out.WriteString("<tr>")
			for _, c := range strings.Split(strings.Trim(l, "|"), "|") {
				out.WriteString("<" + cell + ">" + inLine(strings.TrimSpace(c)) + "</" + cell + ">")
			}
			out.WriteString("</tr>")
		case l == "":
			end("")
		default:
			end("")
			out.WriteString("<p>" + inLine(l) + "</p>")
		}
	}
	end("")
	return template.HTML(out.String())
}

// inLine is the text of a line, with its code and what is strong. What is open at the end of a line is none.
func inLine(text string) string {
	var out strings.Builder
	for i, piece := range strings.Split(text, "`") {
		switch {
		case i%2 == 1 && strings.Count(text, "`")%2 == 0:
			out.WriteString("<code>" + template.HTMLEscapeString(piece) + "</code>")
			continue
		case i > 0 && strings.Count(text, "`")%2 == 1:
			out.WriteString("`")
		}
		strong := strings.Split(piece, "**")
		for j, s := range strong {
			if j%2 == 1 && len(strong)%2 == 1 {
				out.WriteString("<strong>" + template.HTMLEscapeString(s) + "</strong>")
				continue
			}
			if j > 0 && len(strong)%2 == 0 {
				out.WriteString("**")
			}
			out.WriteString(template.HTMLEscapeString(s))
		}
	}
	return out.String()
}
