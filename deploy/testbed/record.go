//go:build linux

package main

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// record is all that a sequence left to be judged by: what the bus holds, what people were answered and what clients were told. It is kept, so that a
// rule that is written later can be held against sequences that were run before.
type record struct {
	Seed    uint64    `json:"seed"`
	Commit  string    `json:"commit,omitempty"`
	Since   time.Time `json:"since,omitzero"` // what was written before was judged before
	Began   time.Time `json:"began"`
	Healed  time.Time `json:"healed"` // everything that was broken was healed by then
	Ended   time.Time `json:"ended"`
	Acts    []deed    `json:"acts"`
	Asked   []asked   `json:"asked"`
	Tried   []tried   `json:"tried"` // writes that were acknowledged
	Entries []entry   `json:"entries"`
	Crashes []string  `json:"crashes,omitempty"` // lines of the managers' logs that no program may print
}

// deed is an act as it was carried out.
type deed struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until,omitzero"` // zero: nothing ended it
	What  string    `json:"what"`
	A     string    `json:"a,omitempty"`
	B     string    `json:"b,omitempty"`
}

// asked is one request and its answer. Answer is nil where none came: then the request may have been taken, or not.
type asked struct {
	At     time.Time        `json:"at"`
	Reason string           `json:"reason"` // that nobody else gives
	Answer *message.Outcome `json:"answer,omitempty"`
	Error  string           `json:"error,omitempty"`
}

// tried is one write that was acknowledged, and by whom.
type tried struct {
	Call   time.Time `json:"call"`
	Return time.Time `json:"return"`
	Node   string    `json:"node"`
}

// entry is one message of a stream, or one revision of a bucket's key.
type entry struct {
	Stream  string          `json:"stream"`
	Seq     uint64          `json:"seq"`
	At      time.Time       `json:"at"` // when it was stored
	Subject string          `json:"subject"`
	Type    string          `json:"type,omitempty"`
	Body    json.RawMessage `json:"body,omitempty"`
}

// recorded are the streams that a record has.
var recorded = []string{
	subject.StreamRequests, subject.StreamCommands, subject.StreamSafety, subject.StreamEvents, subject.StreamDeadLetter,
	"KV_" + subject.BucketJournal, "KV_" + subject.BucketIncident, "KV_" + subject.BucketSpec,
}

// entries reads what the bus holds, from the router, as an auditor would.
func (s *ham) entries(ctx context.Context) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	text, err := os.ReadFile(s.pki.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	var urls []string
	for _, h := range []*host{s.b.witness, s.b.rj, s.b.sp} {
		urls = append(urls, fmt.Sprintf("tls://%s:%d", h.addr, natsPort))
	}
	b, err := bus.Connect(ctx, bus.Options{
		Name: "bed", Service: "cli", URLs: urls, NKeySeedFile: s.nkey, TLS: &tls.Config{RootCAs: roots}, Dialer: dialFrom{s.b.router}, Timeout: 5 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	defer b.Close()
	var out []entry
	for _, name := range recorded {
		found, err := stream(ctx, b, name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// dialFrom connects from a host of the bed.
type dialFrom struct{ h *host }

func (d dialFrom) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return d.h.dial(ctx, network, addr)
}

// stream reads a stream from its first message to what was its last one when it was asked.
func stream(ctx context.Context, b *bus.Bus, name string) ([]entry, error) {
	st, err := b.JS().Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	last := st.CachedInfo().State.LastSeq
	if st.CachedInfo().State.Msgs == 0 {
		return nil, nil
	}
	consumer, err := st.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return nil, err
	}
	defer messages.Stop()
	var out []entry
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		e := entry{Stream: name, Seq: meta.Sequence.Stream, At: meta.Timestamp.UTC(), Subject: m.Subject(), Type: message.Header(m.Headers()).Get(message.HeaderType)}
		if body := m.Data(); json.Valid(body) {
			e.Body = body
		} else if len(body) > 0 {
			if e.Body, err = json.Marshal(string(body)); err != nil {
				return nil, err
			}
		}
		out = append(out, e)
		if e.Seq >= last {
			return out, nil
		}
	}
}

// shouts are how a Go program, or ham, says that it is wrong itself.
var shouts = []string{"panic:", "fatal error:", "WARNING: DATA RACE", "goroutine 1 [", "level=ERROR msg=bug"}

// crashes looks through the managers' logs.
func (b *bed) crashes() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(b.logs, "*-ham.log"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for l := range strings.Lines(string(text)) {
			for _, s := range shouts {
				if strings.Contains(l, s) {
					out = append(out, filepath.Base(f)+": "+tail(l, 300))
				}
			}
		}
	}
	return out, nil
}

func (r *record) save(file string) error {
	f, err := os.Create(file + ".tmp")
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	if err := errors.Join(json.NewEncoder(z).Encode(r), z.Close(), f.Close()); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}

func loadRecord(file string) (*record, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	r := new(record)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}
