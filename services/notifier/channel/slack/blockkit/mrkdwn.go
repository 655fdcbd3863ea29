// Package blockkit says events in Slack's notation: mrkdwn and Block Kit, escaped, within Slack's limits.
package blockkit

import (
	"regexp"
	"strings"

	"github.com/isacloud/ha-manager/services/notifier/render"
)

// Limits of Slack, in characters: https://docs.slack.dev/reference/block-kit/blocks and chat.postMessage. They are taken as bytes
// here, which is never too much. Escaping is done before cutting, because Slack counts what is sent.
const (
	limitHeader  = 150
	limitSection = 3000
	limitContext = 2000
	limitText    = 3500 // beside blocks; Slack takes 40 000 but advises 4 000
	limitSimple  = 35000
	limitBlocks  = 50
)

var (
	entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "ˋ")
	mention  = regexp.MustCompile(`(?i)@(channel|here|everyone|group)`)
)

// Escape makes quoted text inert in mrkdwn: no mention, no link, no code span that it could end or begin. Slack's three
// characters become entities, as its documentation asks; a backtick becomes the letter that looks like it, because
// mrkdwn has no escape for it.
func Escape(s string) string {
	s = entities.Replace(render.Clean(s))
	// Clients with old settings still turn a bare @here into a mention.
	return mention.ReplaceAllString(s, "@\u200b$1")
}

// code is text in a code span.
func code(s string) string { return "`" + Escape(s) + "`" }

// cut shortens escaped text to limit bytes without leaving half an entity behind.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const room = 16 // an entity has at most 5 bytes; the mark counts what is missing, so it is made last
	short := render.Cut(s, limit-room)
	head, mark, _ := strings.Cut(short, "…")
	if i := strings.LastIndexByte(head, '&'); i >= 0 && !strings.Contains(head[i:], ";") {
		head = head[:i]
	}
	if strings.Count(head, "`")%2 == 1 {
		head += "`"
	}
	return head + "…" + mark
}
