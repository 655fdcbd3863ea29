package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Record is one message as a stream holds it.
type Record struct {
	Stream, Subject string
	Seq             uint64
	// Time is when the stream stored it, in Unix nanoseconds.
	Time int64
	// Header holds the message's headers as a JSON object of lists; nil: it has none. See [Record.Headers].
	Header []byte
	Body   []byte
	// Masked: a secret in it was replaced, so that it is not as the stream has it.
	Masked bool
}

// At is Time for people.
func (r *Record) At() time.Time { return time.Unix(0, r.Time).UTC() }

// Headers decodes Header.
func (r *Record) Headers() (message.Header, error) {
	if len(r.Header) == 0 {
		return nil, nil
	}
	h := message.Header{}
	if err := json.Unmarshal(r.Header, &h); err != nil {
		return nil, fmt.Errorf("the headers of %s %d are no JSON object of lists: %w", r.Stream, r.Seq, err)
	}
	return h, nil
}

var typeKey = []byte(`"` + message.HeaderType + `":["`)

// Type is the message's ce-type, "" where it has none. It does not read the rest of the headers.
func (r *Record) Type() []byte {
	i := bytes.LastIndex(r.Header, typeKey) // headers are sorted by name: it stands near the end
	if i < 0 {
		return nil
	}
	rest := r.Header[i+len(typeKey):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return nil
	}
	return rest[:end]
}

// Head is the first line of a file.
type Head struct {
	Version int `json:"version"`
	// Incident is the one that it is about, if it is about one.
	Incident string `json:"incident,omitempty"`
	Group    string `json:"group"`
	// From and Until bound the heartbeats and the events that are only told; what decisions rest on reaches back to its beginning.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// Began is the first word of the incident: decisions before it rest on heartbeats that may not be here.
	Began time.Time `json:"began"`
	Made  time.Time `json:"made"`
	By    string    `json:"by"`
	// Programs are the versions of what wrote and stored it, by name.
	Programs map[string]string `json:"programs,omitempty"`
	// Key is the public key of the signature, 32 bytes.
	Key []byte `json:"key"`
}

// End is the last line of a file.
type End struct {
	// Messages is how many there are, Masked in how many of them a secret was replaced.
	Messages  uint64 `json:"messages"`
	Masked    uint64 `json:"masked"`
	Signature []byte `json:"signature"`
}

// Version is the one that this program writes, and the only one that it reads.
const Version = 1

const signed = "ham evidence 1\n"

// maxLine bounds a line, in bytes: a message of the greatest size, every byte of it escaped, with its headers.
const maxLine = 4 << 20

func escape(out, b []byte) []byte {
	for {
		i := bytes.IndexAny(b, "\\\t\n\r")
		if i < 0 {
			return append(out, b...)
		}
		out = append(out, b[:i]...)
		switch b[i] {
		case '\\':
			out = append(out, `\\`...)
		case '\t':
			out = append(out, `\t`...)
		case '\n':
			out = append(out, `\n`...)
		case '\r':
			out = append(out, `\r`...)
		}
		b = b[i+1:]
	}
}

// unescape works in place: what it returns is part of b.
func unescape(b []byte) ([]byte, bool) {
	i := bytes.IndexByte(b, '\\')
	if i < 0 {
		return b, true
	}
	out := b[:i]
	for ; i < len(b); i++ {
		c := b[i]
		if c == '\\' {
			i++
			if i == len(b) {
				return nil, false
			}
			switch b[i] {
			case '\\':
			case 't':
				c = '\t'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			default:
				return nil, false
			}
		}
		out = append(out, c)
	}
	return out, true
}
