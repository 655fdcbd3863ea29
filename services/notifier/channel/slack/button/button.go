// Package button is what a button in Slack carries: what it asks for, about which group and epoch, until when. It is signed, because what comes
// back with a press came over other people's machines: a value that was changed, or made by somebody else, opens nothing.
package button

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Do is what a press asks for: a verb, or one of the questions below.
type Do string

// Questions change nothing and do not expire.
const (
	Why Do = "why" // why did it not swap?
	Can Do = "can" // what can I do now?
)

// Question says whether d only asks.
func (d Do) Question() bool { return d == Why || d == Can }

// Verb is the verb of a request; "" for a question, and for what no button asks for.
func (d Do) Verb() message.Verb {
	switch v := message.Verb(d); v {
	case message.VerbFailover, message.VerbSwitchover, message.VerbPause, message.VerbResume,
		message.VerbApprove, message.VerbReject, message.VerbRetry, message.VerbSkip, message.VerbAbort:
		return v
	}
	return ""
}

// Swaps says whether a press of d may move the primary.
func (d Do) Swaps() bool {
	return d == Do(message.VerbFailover) || d == Do(message.VerbSwitchover) || d == Do(message.VerbApprove)
}

// Lasts is how long a button may be pressed that asks for something.
const Lasts = 10 * time.Minute

// Button is one button.
type Button struct {
	Do       Do     `json:"do"`
	Group    string `json:"g"`
	Incident string `json:"i,omitempty"`
	// Post is the id of the post that it stands under: pressed elsewhere it counts for nothing.
	Post string `json:"p"`
	// Request names what it asks for, the same whoever presses, wherever, and however often.
	Request string `json:"r,omitempty"`
	// Epoch and Plan are those that were shown; Of is the request to approve or reject, Step the step that stopped.
	Epoch *uint64 `json:"e,omitempty"`
	Plan  string  `json:"h,omitempty"`
	Of    string  `json:"o,omitempty"`
	Step  string  `json:"s,omitempty"`
	// For is how long a pause lasts, in seconds. Until is when it expires, in Unix seconds; a question does not.
	For   int64 `json:"f,omitempty"`
	Until int64 `json:"u,omitempty"`
}

// Key signs. It is the same for every notifier that posts with the same bot token, and changes with it.
type Key []byte

// KeyOf makes the key out of the bot token.
func KeyOf(token string) Key { return sum([]byte(token), "ham button v1") }

// ErrForged says that no notifier with this bot token made the button.
var ErrForged = errors.New("this button was not made with the bot token that is in use now")

// Sign puts b in the words that Slack carries: 2000 bytes at most, as Slack takes them.
func (k Key) Sign(b Button) string {
	body, err := json.Marshal(b)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	return text + "." + base64.RawURLEncoding.EncodeToString(sum(k, text))
}

// Open reads what Sign made. The error is [ErrForged].
func (k Key) Open(value string) (Button, error) {
	text, mac, _ := strings.Cut(value, ".")
	got, err := base64.RawURLEncoding.Strict().DecodeString(mac)
	if err != nil || !hmac.Equal(got, sum(k, text)) {
		return Button{}, ErrForged
	}
	var b Button
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(body, &b) != nil {
		return Button{}, ErrForged
	}
	return b, nil
}

func sum(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// RequestOf names what a button asks for, out of what it is about: the same words make the same name.
func RequestOf(about ...string) string {
	all := sha256.Sum256([]byte(strings.Join(about, "\x00")))
	return "chat-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(all[:15]))
}

// RequestBy is the id of the request that user makes by pressing b: pressing again asks the same again, and another person asks for themselves.
func (b Button) RequestBy(user string) string { return b.Request + "." + user }
