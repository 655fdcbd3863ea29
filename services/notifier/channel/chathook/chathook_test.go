package chathook_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/channeltest"
	"github.com/isacloud/ha-manager/services/notifier/channel/chathook"
	"github.com/isacloud/ha-manager/services/notifier/channel/webhook/webhooktest"
)

// chat is one of them with a far side that checks what the service documents, and gives back the text that a reader sees.
type chat struct {
	driver channel.Driver
	spec   spec.Channel
	secret string
	to     string
	path   string
	ok     int
	read   func(t *testing.T, body []byte) (text string, problem string)
	limit  webhooktest.Fault
}

var chats = map[string]chat{
	"discord": {
		driver: chathook.Discord, spec: spec.Channel{URL: "${file:/x}"}, secret: "http://chat.test/api/webhooks/1/hooksecret", path: "/api/webhooks/1/hooksecret", ok: 200,
		limit: webhooktest.Fault{Status: 429, RetryAfter: 7},
		read: func(_ *testing.T, body []byte) (string, string) {
			var m struct {
				Embeds []struct{ Title, Description string }
				Allow  *struct{ Parse []string } `json:"allowed_mentions"`
			}
			if err := json.Unmarshal(body, &m); err != nil || len(m.Embeds) != 1 || m.Allow == nil || len(m.Allow.Parse) != 0 {
				return "", "wrong form"
			}
			if e := m.Embeds[0]; len(e.Title) > 256*4 || len([]rune(e.Title)) > 256 || len([]rune(e.Description)) > 4096 || e.Description == "" {
				return "", "too long, or empty"
			}
			return unescape(m.Embeds[0].Description), ""
		},
	},
	"teams": {
		driver: chathook.Teams, spec: spec.Channel{URL: "${file:/x}"}, secret: "http://chat.test/workflows/hooksecret", path: "/workflows/hooksecret", ok: 202,
		limit: webhooktest.Fault{Status: 429, RetryAfter: 7},
		read: func(_ *testing.T, body []byte) (string, string) {
			var m struct {
				Type        string
				Attachments []struct {
					ContentType string
					Content     struct {
						Type, Version string
						Body          []struct {
							Type    string
							Inlines []struct{ Type, Text string }
						}
					}
				}
			}
			if err := json.Unmarshal(body, &m); err != nil || m.Type != "message" || len(m.Attachments) != 1 || m.Attachments[0].Content.Type != "AdaptiveCard" {
				return "", "wrong form"
			}
			if len(body) > 28<<10 {
				return "", "too long"
			}
			var lines []string
			for _, b := range m.Attachments[0].Content.Body[1:] {
				for _, i := range b.Inlines {
					if b.Type != "RichTextBlock" || i.Type != "TextRun" {
						return "", "a text that is read as markdown"
					}
					lines = append(lines, i.Text)
				}
			}
			return strings.Join(lines, "\n"), ""
		},
	},
	"telegram": {
		driver: chathook.Telegram, spec: spec.Channel{Token: "${file:/x}", API: "http://chat.test"}, secret: "123:hooksecret", to: "-100", path: "/bot123:hooksecret/sendMessage", ok: 200,
		limit: webhooktest.Fault{Status: 429, Says: `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7}}`},
		read: func(_ *testing.T, body []byte) (string, string) {
			var m struct {
				Chat     string `json:"chat_id"`
				Text     string
				Entities []struct {
					Type           string
					Offset, Length int
				}
				Mode string `json:"parse_mode"`
			}
			if err := json.Unmarshal(body, &m); err != nil || m.Chat == "" || m.Mode != "" || len(m.Entities) != 1 {
				return "", "wrong form"
			}
			n := len(utf16.Encode([]rune(m.Text)))
			if n > 4096 || n == 0 || m.Entities[0].Type != "pre" || m.Entities[0].Length != n {
				return "", "too long, or not all of it preformatted"
			}
			return m.Text, ""
		},
	},
}

func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, c := range chats {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			channeltest.Run(t, func(t *testing.T) channeltest.Subject { return c.subject(t) })
		})
	}
}

func (c chat) subject(t *testing.T) channeltest.Subject {
	server := webhooktest.New()
	t.Cleanup(server.Close)
	server.Answer = func(r *http.Request, body []byte) (int, string) {
		if r.Method != http.MethodPost || r.URL.Path != c.path || r.Header.Get("Content-Type") != "application/json" {
			return http.StatusNotFound, ""
		}
		if _, problem := c.read(t, body); problem != "" {
			return http.StatusBadRequest, `{"message":"` + problem + `"}`
		}
		return c.ok, "{}"
	}
	network := channeltest.NewNet()
	network.Serve(t, "chat.test", server)
	c.spec.Name = "chat"
	ch, err := c.driver.New(channel.Config{Spec: c.spec, Secrets: func(string, string) (string, error) { return c.secret + "\n", nil }, HTTP: network.Client(t)})
	if err != nil {
		t.Fatal(err)
	}
	return channeltest.Subject{
		Channel: ch, Secrets: []string{"hooksecret"}, To: c.to, Active: []string{"\x1b", "\u202e"},
		Arrived: func() []string {
			var out []string
			for _, got := range server.Got() {
				text, _ := c.read(t, got.Body)
				out = append(out, text)
			}
			return out
		},
		Fail: func(f channeltest.Fault) bool {
			network.Down("chat.test", f == channeltest.Unreachable)
			faults := map[channeltest.Fault]webhooktest.Fault{
				channeltest.Hang: {Hang: true}, channeltest.AcceptAndHang: {Hang: true, Accept: true}, channeltest.Limit: c.limit,
				channeltest.Broken: {Status: 502}, channeltest.Cut: {Cut: true}, channeltest.RefuseOnce: {Status: 400, Says: `{"description":"Bad Request: what is this"}`},
				channeltest.Deny: {Status: 401, Says: `{"description":"Unauthorized: hooksecret"}`},
			}
			if fault, ok := faults[f]; ok {
				server.Next(fault)
			}
			return true
		},
	}
}

// What is quoted makes no mention, no link and no heading in Discord, whose texts have a notation.
func TestDiscordNotation(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{"@everyone", "[x](http://evil.test)", "# big", "`code`", "||spoiler||", "<@123>", "http://evil.test", `\*bold*`} {
		got := chathook.Escape(hostile)
		if unescape(got) != hostile || active.MatchString(got) {
			t.Errorf("%q became %q", hostile, got)
		}
	}
}

// active is a sign of Discord's notation without a backslash before it, or a link.
var active = regexp.MustCompile("(^|[^\\\\])[*_`~|<>#\\[\\]()@]|://")

// A bot that is in no such chat is for a person to mend.
func TestTelegramWithoutChat(t *testing.T) {
	t.Parallel()
	server := webhooktest.New()
	t.Cleanup(server.Close)
	network := channeltest.NewNet()
	network.Serve(t, "chat.test", server)
	c := chats["telegram"]
	ch, err := c.driver.New(channel.Config{Spec: c.spec, Secrets: func(string, string) (string, error) { return c.secret, nil }, HTTP: network.Client(t)})
	if err != nil {
		t.Fatal(err)
	}
	server.Next(webhooktest.Fault{Status: 400, Says: `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`})
	if _, err := ch.Send(t.Context(), channel.Post{ID: "x", To: "7", Texts: nil}); channel.As(err).Class != channel.Denied {
		t.Errorf("got %v, want denied", err)
	}
}
