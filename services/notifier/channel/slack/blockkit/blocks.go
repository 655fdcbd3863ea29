package blockkit

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// RepeatMark stands under a post that may be there twice.
const RepeatMark = "This may be a repetition: it is unknown whether the first attempt arrived."

// Message returns what to post for p: the text that notifications show, and the blocks. Simple posts have no blocks.
func Message(p channel.Post) (text string, blocks []slack.Block) {
	switch {
	case p.Card != nil:
		text, blocks = card(*p.Card)
	case len(p.Texts) == 1:
		text, blocks = event(p.Texts[0])
	default:
		text, blocks = several(p.Texts)
	}
	if p.Repeat {
		blocks = append(blocks, context(RepeatMark))
	}
	if len(blocks) > limitBlocks {
		blocks = blocks[:limitBlocks]
	}
	if p.Simple {
		return simple(p, text), nil
	}
	return cut(text, limitText), blocks
}

// simple is the same without blocks, every line of it.
func simple(p channel.Post, text string) string {
	lines := []string{text}
	if len(p.Texts) > 1 {
		lines = lines[:0]
		for _, t := range p.Texts {
			lines = append(lines, Escape(t.Line()))
		}
	}
	if p.Repeat {
		lines = append(lines, RepeatMark)
	}
	return cut(strings.Join(lines, "\n"), limitSimple)
}

func event(t render.Text) (string, []slack.Block) {
	head := sign(t.Severity) + " *" + Escape(t.Head()) + "*"
	blocks := []slack.Block{section(head + "\n" + Escape(t.What))}
	add := func(name string, lines []string) {
		if len(lines) > 0 {
			blocks = append(blocks, section("*"+name+"*\n"+list(lines)))
		}
	}
	add(t.T("Why"), t.Why)
	add(t.T("Seen"), t.Seen)
	add(t.T("Info"), t.Facts)
	if len(t.Do) > 0 {
		blocks = append(blocks, section("*"+t.T("What to do")+"*\n"+commands(t.Do)))
	}
	blocks = append(blocks, context(Escape(strings.Join(t.Context(), " · "))))
	return Escape(t.Head() + ". " + t.What), blocks
}

// several is what was held back: a line for each event, nothing left out.
func several(texts []render.Text) (string, []slack.Block) {
	head := fmt.Sprintf("%d events, told together", len(texts))
	if n := len(texts); n > 0 {
		head = texts[0].T("%d events from %s to %s UTC, told together", n, texts[0].At.Format("2006-01-02 15:04:05"), texts[n-1].At.Format("15:04:05"))
	}
	blocks := []slack.Block{section("*" + Escape(head) + "*")}
	var lines strings.Builder
	for _, t := range texts {
		l := "• " + sign(t.Severity) + " " + cut(Escape(t.Line()), 1500) + "\n"
		if lines.Len()+len(l) > limitSection {
			blocks = append(blocks, section(lines.String()))
			lines.Reset()
		}
		lines.WriteString(l)
	}
	if lines.Len() > 0 {
		blocks = append(blocks, section(lines.String()))
	}
	newest := texts[len(texts)-1]
	if len(newest.Do) > 0 {
		blocks = append(blocks, section("*"+newest.T("What to do")+"*\n"+commands(newest.Do)))
	}
	return Escape(head + ". " + newest.Head()), blocks
}

func card(s render.Summary) (string, []slack.Block) {
	epoch, rule := "-", "-"
	if s.Epoch > 0 {
		epoch = fmt.Sprint(s.Epoch)
	}
	if s.Rule != "" {
		rule = Escape(s.Rule)
	}
	group := s.Group
	if group == "" {
		group = "ham"
	}
	blocks := []slack.Block{
		slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, render.Cut(render.Clean(stageSign(s)+" "+s.Head()), limitHeader), false, false)),
		section("*" + s.T("Now") + "*\n" + Escape(s.Now)),
		section("*" + s.T("Began") + "*\n" + Escape(s.Began)),
		slack.NewSectionBlock(nil, []*slack.TextBlockObject{
			mrkdwn("*" + s.T("State") + "*\n" + Escape(s.T(string(s.Stage)))), mrkdwn("*" + s.T("Group") + "*\n" + Escape(group)), mrkdwn("*" + s.T("Epoch") + "*\n" + epoch), mrkdwn("*" + s.T("Rule") + "*\n" + rule),
		}, nil),
	}
	if len(s.Do) > 0 && s.Stage != render.StageClosed {
		blocks = append(blocks, section("*"+s.T("What to do")+"*\n"+commands(s.Do)))
	}
	blocks = append(blocks, context(Escape(s.Times())+" · "+s.T("the thread has every event")))
	return Escape(s.Head() + ". " + s.Now), blocks
}

func commands(do []render.Command) string {
	lines := make([]string, len(do))
	for i, c := range do {
		lines[i] = code(c.Run) + "  " + Escape(c.Says)
	}
	return strings.Join(lines, "\n")
}

func list(lines []string) string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "• " + Escape(l)
	}
	return strings.Join(out, "\n")
}

func section(text string) slack.Block {
	return slack.NewSectionBlock(mrkdwn(cut(text, limitSection)), nil, nil)
}

func context(text string) slack.Block {
	return slack.NewContextBlock("", mrkdwn(cut(text, limitContext)))
}

// mrkdwn is verbatim: Slack then makes no links and mentions of its own out of what looks like one.
func mrkdwn(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, text, false, true)
}

func sign(s message.Severity) string {
	switch {
	case s.AtLeast(message.Critical):
		return "🔴"
	case s.AtLeast(message.Warning):
		return "🟠"
	case s.AtLeast(message.Notice):
		return "🔵"
	}
	return "⚪"
}

func stageSign(s render.Summary) string {
	switch s.Stage {
	case render.StageClosed:
		return "✅"
	case render.StagePaused:
		return "✋"
	}
	return sign(s.Severity)
}
