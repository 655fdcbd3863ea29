package file

import (
	"fmt"
	"strings"
)

//go:generate go test -count=1 -run ^TestReference$ . -args -update

// section is one table of the reference.
type section struct {
	title, means string
	rows         []row
}

type row struct {
	name, form, limits, def, means, section string
	required                                bool
}

func sectionOf[T any](o *object[T]) section {
	s := section{title: o.title, means: o.means}
	for _, k := range o.keys {
		s.rows = append(s.rows, row{k.name, k.form, k.limits, k.def, k.means, k.section, k.required})
	}
	return s
}

// sections are all tables, in the order of the reference: those of a group, then those of a process.
func sections() []section {
	all := []section{
		sectionOf(&groupObject), sectionOf(&objectivesObject), sectionOf(&memberObject), sectionOf(&poolObject), sectionOf(&postgresObject), sectionOf(&redisObject),
		sectionOf(&checkObject), sectionOf(&httpObject), sectionOf(&tcpObject), sectionOf(&execObject),
		sectionOf(&postgresCheckObject), sectionOf(&redisCheckObject), sectionOf(&groupCheckObject),
		sectionOf(&hostObject), sectionOf(shareObject), sectionOf(loadObject), sectionOf(&queueObject), sectionOf(&certificateObject), sectionOf(&tlsObject),
		sectionOf(&routeObject), sectionOf(&haproxyObject), sectionOf(&vipObject), sectionOf(&pgbouncerObject),
		sectionOf(&leaseObject), sectionOf(&fenceObject), sectionOf(&policyObject), sectionOf(&trustObject), sectionOf(&drillObject), sectionOf(&blockedObject), sectionOf(&freezeObject),
		sectionOf(&resourceObject), sectionOf(&runObject),
		sectionOf(&stepObject), sectionOf(&stepExecObject), sectionOf(&stepHTTPObject), sectionOf(&stepLookObject), sectionOf(&remedyObject), sectionOf(&remedyExecObject), sectionOf(&gatherObject),
		sectionOf(&verifyObject), sectionOf(&canaryObject), sectionOf(&notifyObject), sectionOf(&silenceObject),
		sectionOf(&processObject), sectionOf(&busObject), sectionOf(&busUserObject), sectionOf(&busClusterObject), sectionOf(&proberObject), sectionOf(&executorObject),
		sectionOf(&channelObject), sectionOf(&scheduleObject), sectionOf(&notifierObject), sectionOf(&processSilenceObject), sectionOf(&aliveObject),
		sectionOf(&chatPersonObject),
		sectionOf(&consoleObject), sectionOf(&consoleUserObject), sectionOf(&oidcObject), sectionOf(&sessionObject),
	}
	for _, p := range presets() {
		all = append(all, p.with, p.member)
	}
	return append(all, sectionOf(&pairWitnessObject))
}

// Reference is every key with its meaning, form, range and default, as Markdown tables under headings of the third level. It
// comes from the same tables as the reader.
func Reference() string {
	var b strings.Builder
	for _, s := range sections() {
		fmt.Fprintf(&b, "### %s\n\n%s\n\n| key | what is written | default | meaning |\n|---|---|---|---|\n", s.title, s.means)
		for _, r := range s.rows {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.name, r.written(), r.byDefault(), cell(r.means))
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (r row) written() string {
	form := cell(r.form)
	if strings.HasPrefix(form, "a mapping with ") {
		form = "a mapping"
	}
	if r.limits != "" {
		form += ", " + cell(r.limits)
	}
	if r.section != "" {
		form += fmt.Sprintf(": [%s](#%s)", r.section, anchor(r.section))
	}
	return form
}

func (r row) byDefault() string {
	switch {
	case r.required:
		return "required"
	case r.def == "":
		return "none"
	}
	return cell(r.def)
}

// anchor is how Markdown calls a heading.
func anchor(title string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(title), ",", ""), " ", "-")
}

// cell keeps a text within one cell: <, > and | would be read as something else.
func cell(s string) string {
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "|", "\\|").Replace(s)
}
