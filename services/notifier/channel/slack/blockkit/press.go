package blockkit

import (
	"fmt"
	"slices"

	"github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/button"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// Ids of the blocks that come and go while people press.
const (
	blockActions = "ham_actions"
	blockPressed = "ham_pressed"
)

// Limits of a button and of what it asks back: https://docs.slack.dev/reference/block-kit/block-elements/button-element
const (
	limitLabel   = 75
	limitConfirm = 300
	limitWord    = 30
	limitButtons = 25
)

// Actions are the buttons under the post, signed, in a language.
func Actions(lang words.Lang, key button.Key, post string, offers []button.Offer) slack.Block {
	w := words.Of(lang)
	text := func(text, arg string) string {
		if arg == "" {
			return w.T(text)
		}
		return w.T(text, arg)
	}
	var elements []slack.BlockElement
	for i, o := range offers[:min(len(offers), limitButtons)] {
		o.Post = post
		b := slack.NewButtonBlockElement(fmt.Sprintf("ham_%s_%d", o.Do, i), key.Sign(o.Button), plain(text(o.Label, o.Arg), limitLabel)).WithStyle(slack.Style(o.Style))
		will := w.Say(o.Will)
		if o.Confirm != "" {
			will = text(o.Confirm, o.ConfirmArg)
		}
		if will != "" {
			b.WithConfirm(slack.NewConfirmationBlockObject(plain(w.T("Do this?"), limitWord), plain(will, limitConfirm), plain(text(o.Label, o.Arg), limitWord), plain(w.T("No"), limitWord)))
		}
		elements = append(elements, b)
	}
	return slack.NewActionBlock(blockActions, elements...)
}

// plain is text that Slack shows as it is.
func plain(s string, limit int) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, render.Cut(render.Clean(s), limit), false, false)
}

// Panel is what can be done now, with the words for it.
type Panel struct {
	Lang  words.Lang
	Head  string
	Lines []string // what holds, a paragraph each
	Steps []string // of the plan, in their order
	Why   []string // against it
	Foot  string
}

// Blocks returns the text that notifications show, and the blocks.
func (p Panel) Blocks() (string, []slack.Block) {
	w := words.Of(p.Lang)
	blocks := []slack.Block{section("*" + Escape(p.Head) + "*")}
	for _, l := range p.Lines {
		blocks = append(blocks, section(Escape(l)))
	}
	if len(p.Steps) > 0 {
		blocks = append(blocks, section("*"+w.T("Its steps")+"*\n"+list(p.Steps)))
	}
	if len(p.Why) > 0 {
		blocks = append(blocks, section("*"+w.T("What stands against it")+"*\n"+list(p.Why)))
	}
	if p.Foot != "" {
		blocks = append(blocks, context(Escape(p.Foot)))
	}
	return Escape(p.Head), blocks
}

// Plain is one line for one reader.
func Plain(s string) string { return cut(Escape(s), limitText) }

// Pressed is a message after somebody pressed: what was pressed stands under it, and the buttons are gone unless open.
func Pressed(blocks []slack.Block, lines []string, open bool) []slack.Block {
	out := slices.DeleteFunc(slices.Clone(blocks), func(b slack.Block) bool {
		id := b.ID()
		return id == blockPressed || id == blockActions && !open
	})
	if len(lines) == 0 {
		return out
	}
	text := ""
	for i, l := range lines {
		if i > 0 {
			text += "\n"
		}
		text += Escape(l)
	}
	said := slack.NewContextBlock(blockPressed, mrkdwn(cut(text, limitContext)))
	// Above the buttons, where there still are some.
	if i := slices.IndexFunc(out, func(b slack.Block) bool { return b.ID() == blockActions }); i >= 0 {
		return slices.Insert(out, i, slack.Block(said))
	}
	return append(out[:min(len(out), limitBlocks-1)], said)
}
