package blockkit_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/blockkit"
	"github.com/isacloud/ha-manager/services/notifier/internal/golden"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/render/rendertest"
)

func asJSON(t *testing.T, p channel.Post) []byte {
	t.Helper()
	text, blocks := blockkit.Message(p)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(struct {
		Text   string        `json:"text"`
		Blocks []slack.Block `json:"blocks,omitempty"`
	}{text, blocks}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBlocksOfEveryKind(t *testing.T) {
	t.Parallel()
	var summary render.Summary
	var all []render.Text
	for _, s := range rendertest.Samples() {
		text := render.Event(s.Event)
		all = append(all, text)
		golden.Check(t, s.Name+".json", asJSON(t, channel.Post{Texts: []render.Text{text}}))
		if s.Event.Incident != "web-14" {
			continue
		}
		summary = summary.Apply(s.Event)
		switch s.Name {
		case "verdict-down", "decision", "shadow", "step-paused", "incident-closed", "hostile":
			golden.Check(t, "card-"+s.Name+".json", asJSON(t, channel.Post{Card: &summary}))
		}
	}
	golden.Check(t, "several.json", asJSON(t, channel.Post{Texts: all[:5]}))
	golden.Check(t, "simple.json", asJSON(t, channel.Post{Texts: all[:5], Simple: true}))
	golden.Check(t, "repeat.json", asJSON(t, channel.Post{Texts: all[:1], Repeat: true}))
}

// Whatever is quoted: no '<' of its own reaches Slack, no code span ends early, no bare @here.
func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"<!channel>":         "&lt;!channel&gt;",
		"a & b":              "a &amp; b",
		"&lt;!here&gt;":      "&amp;lt;!here&amp;gt;",
		"`x` then":           "ˋxˋ then",
		"@here @HERE @heres": "@\u200bhere @\u200bHERE @\u200bheres",
		"line\nbreak":        "line break",
		"<https://a|b>":      "&lt;https://a|b&gt;",
	} {
		if got := blockkit.Escape(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(rendertest.Hostile)
	f.Add(strings.Repeat("<", 5000))
	f.Add(strings.Repeat("&", 2990) + "`")
	f.Fuzz(func(t *testing.T, s string) {
		e := *rendertest.Samples()[0].Event
		e.Sentence, e.Code = s, s
		e.Reasons[0].Sentence, e.Views[0].Evidence = "because "+s, s
		summary := render.Summary{}.Apply(&e)
		for _, p := range []channel.Post{{Texts: []render.Text{render.Event(&e)}}, {Card: &summary}, {Texts: []render.Text{render.Event(&e), render.Event(&e)}}} {
			text, blocks := blockkit.Message(p)
			body, err := json.Marshal(blocks)
			if err != nil {
				t.Fatal(err)
			}
			check := func(name, s string) {
				if !utf8.ValidString(s) || strings.ContainsAny(s, "<>") || strings.Contains(strings.ToLower(s), "@here") {
					t.Errorf("%s: %q", name, s)
				}
				if len(s) > 3500 {
					t.Errorf("%s: %d bytes", name, len(s))
				}
			}
			check("text", text)
			var objects []struct {
				Type string                 `json:"type"`
				Text *slack.TextBlockObject `json:"text"`
			}
			if err := json.Unmarshal(body, &objects); err != nil {
				t.Fatal(err)
			}
			for _, o := range objects {
				if o.Text == nil || o.Type == "header" {
					continue // a header is plain text: Slack shows what stands there
				}
				check(o.Type, o.Text.Text)
				if len(o.Text.Text) > 3000 || o.Text.Text == "" {
					t.Errorf("section of %d bytes", len(o.Text.Text))
				}
				if !o.Text.Verbatim {
					t.Error("a text that Slack may turn into links and mentions")
				}
			}
		}
	})
}
