package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// Body is what is posted, as JSON. Fields are only ever added.
type Body struct {
	// ID is the same for every repetition of this post, also in the header Idempotency-Key.
	ID string `json:"id"`
	// To is the recipient as the rule names it, if it names one.
	To string `json:"to,omitempty"`
	// Repeat says that an earlier attempt may have arrived.
	Repeat bool   `json:"repeat,omitempty"`
	Events []Told `json:"events"`
}

// Told is one event, in words and whole.
type Told struct {
	ID       string           `json:"id"`
	Group    string           `json:"group,omitempty"`
	Incident string           `json:"incident,omitempty"`
	Epoch    uint64           `json:"epoch,omitempty"`
	Kind     string           `json:"kind"`
	Severity message.Severity `json:"severity"`
	DryRun   bool             `json:"dry_run"`
	At       time.Time        `json:"at"`
	Title    string           `json:"title"`
	// Text is the whole in plain lines, Do the commands a person may want to type.
	Text  string         `json:"text"`
	Do    []string       `json:"do,omitempty"`
	Event *message.Event `json:"event,omitempty"`
}

// maxBody is from where on the events are told in words alone, in bytes: many receivers take no more.
const maxBody = 256 << 10

func encode(p channel.Post) ([]byte, error) {
	b := Body{ID: p.ID, To: p.To, Repeat: p.Repeat, Events: make([]Told, len(p.Texts))}
	for i, t := range p.Texts {
		b.Events[i] = told(t)
	}
	body, err := marshal(b)
	if err != nil || len(body) <= maxBody && !p.Simple {
		return body, err
	}
	for i := range b.Events {
		b.Events[i].Event = nil
	}
	return marshal(b)
}

// marshal leaves '<', '>' and '&' as they are: no browser reads this, and people do.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func told(t render.Text) Told {
	out := Told{
		ID: t.ID, Group: t.Group, Incident: t.Incident, Epoch: t.Epoch, Kind: string(t.Kind), Severity: t.Severity, DryRun: t.DryRun, At: t.At,
		Title: t.Head(), Text: t.Plain(), Event: t.Event,
	}
	for _, c := range t.Do {
		out.Do = append(out.Do, c.Run)
	}
	return out
}

// SignatureHeader holds "t=<unix seconds>,v1=<hex HMAC-SHA256 of t, '.' and the body>" where a key is declared. A
// receiver computes the same, compares in constant time, and refuses a time that is too far from its own clock.
const SignatureHeader = "Ham-Signature"

// Sign returns that header's value.
func Sign(key string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
