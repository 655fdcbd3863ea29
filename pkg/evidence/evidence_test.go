package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/evidence"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func key(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// some are records of every form: bodies with what the format uses itself, without headers, empty, large.
func some() []evidence.Record {
	out := []evidence.Record{
		{Stream: "HAM_COMMANDS", Subject: "ham.v1.command.web", Seq: 1, Time: 1_780_000_000_000_000_001, Header: []byte(`{"ce-type":["io.isacloud.ham.v1.command"],"x":["a","b"]}`), Body: []byte(`{"a":"tab\there"}`)},
		{Stream: "HAM_EVENTS", Subject: "ham.v1.event.web.note.me", Seq: 1<<63 - 1, Time: 2, Body: []byte("a\tb\nc\rd\\e\x00\xff\\n")},
		{Stream: "KV_ham_spec", Subject: "$KV.ham_spec.web", Seq: 3, Masked: true},
		{Stream: "HAM_EVENTS", Subject: "ham.v1.event.web.note.me", Seq: 4, Time: 5, Body: bytes.Repeat([]byte("\\\n"), 450<<10)},
	}
	for i := range 20 {
		out = append(out, evidence.Record{Stream: "HAM_HEARTBEATS", Subject: "ham.v1.heartbeat.web.a.sp", Seq: uint64(i), Time: int64(i), Body: fmt.Appendf(nil, `{"seq":%d}`, i)})
	}
	return out
}

func write(t testing.TB, k ed25519.PrivateKey, records []evidence.Record) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := evidence.NewWriter(&out, k, evidence.Head{Incident: "web-1", Group: "web", By: "ana", Made: time.Unix(1_780_000_000, 0).UTC()})
	require.NoError(t, err)
	for i := range records {
		require.NoError(t, w.Add(&records[i]))
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// read returns all records, or the error that ended the reading.
func read(text []byte) ([]evidence.Record, error) {
	r, err := evidence.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	var all []evidence.Record
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			if _, again := r.Next(); again == nil || again.Error() != err.Error() {
				return nil, fmt.Errorf("said %v, and then %v", err, again)
			}
			return nil, err
		}
		own := *rec
		own.Header, own.Body = bytes.Clone(rec.Header), bytes.Clone(rec.Body)
		all = append(all, own)
	}
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	want := some()
	text := write(t, key(1), want)
	got, err := read(text)
	require.NoError(t, err)
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, string(want[i].Body), string(got[i].Body), i)
		require.Equal(t, string(want[i].Header), string(got[i].Header), i)
		want[i].Body, got[i].Body, want[i].Header, got[i].Header = nil, nil, nil, nil
		require.Equal(t, want[i], got[i])
	}
	found, err := evidence.Verify(bytes.NewReader(text), public(key(1)))
	require.NoError(t, err)
	require.True(t, found.Known)
	require.Equal(t, "web-1", found.Incident)
	require.Equal(t, uint64(len(want)), found.Messages)
	require.Equal(t, uint64(1), found.Masked)
	first, err := evidence.NewReader(bytes.NewReader(text))
	require.NoError(t, err)
	rec, err := first.Next()
	require.NoError(t, err)
	require.Equal(t, "io.isacloud.ham.v1.command", string(rec.Type()))
	h, err := rec.Headers()
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, h["x"])
	again, err := evidence.Again(bytes.NewReader(text))
	require.NoError(t, err)
	for n := 0; ; n++ {
		if _, err := again.Next(); errors.Is(err, io.EOF) {
			require.Equal(t, len(want), n)
			break
		} else {
			require.NoError(t, err)
		}
	}
}

// TestEveryChangeIsNoticed: each byte of a file, changed; each line, taken out, doubled, or exchanged with the next; each end, cut off.
func TestEveryChangeIsNoticed(t *testing.T) {
	records := some()
	records = append(records[:3:3], records[4:10]...)
	text := write(t, key(1), records)
	verify := func(b []byte) error {
		_, err := evidence.Verify(bytes.NewReader(b), nil)
		return err
	}
	require.NoError(t, verify(text))
	lines := bytes.SplitAfter(text, []byte{'\n'})
	lines = lines[:len(lines)-1]
	at, line := 0, 1
	for i := range text {
		if i >= at+len(lines[line-1]) {
			at += len(lines[line-1])
			line++
		}
		changed := bytes.Clone(text)
		changed[i] ^= 1
		err := verify(changed)
		var broken *evidence.Broken
		require.ErrorAs(t, err, &broken, "byte %d of line %d", i, line)
		require.Equal(t, line, broken.Line, "byte %d: %v", i, err)
	}
	join := func(parts ...[][]byte) []byte {
		return bytes.Join(append(append([][]byte{}, parts[0]...), flat(parts[1:])...), nil)
	}
	refused := func(line int, text []byte, what string) { // and the line is named at which the file stops being what was written
		t.Helper()
		var broken *evidence.Broken
		err := verify(text)
		require.ErrorAs(t, err, &broken, "line %d %s", line, what)
		require.Equal(t, line, broken.Line, "line %d %s: %v", line, what, err)
	}
	for i := range lines {
		refused(i+1, join(lines[:i], lines[i+1:]), "taken out")
		refused(i+2, join(lines[:i+1], lines[i:]), "doubled")
		if i+1 < len(lines) {
			refused(i+1, join(lines[:i], [][]byte{lines[i+1], lines[i]}, lines[i+2:]), "exchanged")
			refused(i+2, join(lines[:i+1], [][]byte{lines[len(lines)-1]})[:len(join(lines[:i+1]))+30], "cut off in the midst")
		}
		refused(i+1, join(lines[:i]), "cut off")
	}
	refused(len(lines)+1, append(bytes.Clone(text), "more\n"...), "added")
	refused(1, nil, "of nothing")
}

func flat(parts [][][]byte) (out [][]byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// TestOnlyTheKeySigns: whoever writes all hashes anew has a chain that fits, and no signature; with a key of their own it is another's file.
func TestOnlyTheKeySigns(t *testing.T) {
	records := some()[4:8]
	honest := write(t, key(1), records)
	records[2].Body = []byte(`{"seq":999}`)
	forged := write(t, key(2), records)
	_, err := evidence.Verify(bytes.NewReader(forged), public(key(1)))
	require.ErrorIs(t, err, evidence.ErrOtherKey)
	require.ErrorContains(t, err, evidence.KeyText(public(key(2))))

	// The honest head, with the honest key in it, before forged lines with hashes that fit, and either signature.
	for _, from := range [][]byte{honest, forged} {
		text := relink(t, honest, forged, from)
		_, err = evidence.Verify(bytes.NewReader(text), nil)
		require.ErrorIs(t, err, evidence.ErrSignature)
	}
}

func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "evidence.key")
	first, made, err := evidence.OwnKey(path)
	require.NoError(t, err)
	require.True(t, made)
	second, made, err := evidence.OwnKey(path)
	require.NoError(t, err)
	require.False(t, made)
	require.True(t, first.Equal(second))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)

	got, err := evidence.ParsePublicKey(evidence.KeyText(public(first)))
	require.NoError(t, err)
	require.Equal(t, public(first), got)
	file := filepath.Join(t.TempDir(), "pub")
	require.NoError(t, os.WriteFile(file, []byte(evidence.KeyText(public(first))+"\n"), 0o600))
	got, err = evidence.ParsePublicKey(file)
	require.NoError(t, err)
	require.Equal(t, public(first), got)
	for _, wrong := range []string{"", "abc", path, filepath.Dir(file)} {
		_, err = evidence.ParsePublicKey(wrong)
		require.Error(t, err, wrong)
	}
	require.NoError(t, os.WriteFile(path, []byte("no key"), 0o600))
	_, _, err = evidence.OwnKey(path)
	require.ErrorContains(t, err, "holds no key")
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		`{"text":"dsn: postgres://ham:s3cret@db:5432/app"}`:     `{"text":"dsn: postgres://ham:***@db:5432/app"}`,
		`{"text":"dsn: \"host=db password=s3cret user=x\""}`:    `{"text":"dsn: \"host=db password=*** user=x\""}`,
		`{"text":"token: \"abc123\"\nurl: http://192.0.2.1/x"}`: `{"text":"token: \"***\"\nurl: http://192.0.2.1/x"}`,
		`{"text":"auth: Bearer abcdefgh12345"}`:                 `{"text":"auth: Bearer ***"}`,
		// All of it is hidden, whatever it holds.
		`{"password":"correct horse, \"battery\"; staple","b":1}`:                   `{"password":"***","b":1}`,
		`{"text":"{\"client_secret\": \"one two,\\\"three\\\" four\"}, x"}`:         `{"text":"{\"client_secret\": \"***\"}, x"}`,
		`{"text":"password='one two, three' user=x"}`:                               `{"text":"password='***' user=x"}`,
		`{"text":"password=one,two{three\\four, user: x"}`:                          `{"text":"password=***, user: x"}`,
		`{"text":"{password: one, user: x}"}`:                                       `{"text":"{password: ***, user: x}"}`,
		`{"password":"$ecret","token":12345,"x":2}`:                                 `{"password":"***","token":"***","x":2}`,
		`{"text":"-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----"}`: `{"text":"-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----"}`,
		`{"password":"","token":null}`:                                              "",

		`{"text":"dsn: ${file:/etc/ham/a.dsn}"}`:                 "",
		`{"text":"password: ${env:PW}"}`:                         "",
		`{"text":"dsn: postgres://ham:${env:PW}@db/app"}`:        "",
		`{"sentence":"b takes over from a: the token of epoch"}`: "",
	} {
		got, found := evidence.Mask([]byte(in))
		if want == "" {
			require.False(t, found, in)
			require.Equal(t, in, string(got))
			continue
		}
		require.True(t, found, in)
		require.Equal(t, want, string(got))
		require.True(t, json.Valid(got), want)
		twice, found := evidence.Mask(got)
		require.False(t, found, in)
		require.Equal(t, want, string(twice))
	}
}

// FuzzReader: whatever the bytes, the reader ends, says what is wrong, and never takes anything for intact that was not written so.
func FuzzReader(f *testing.F) {
	whole := write(f, key(1), some()[:3])
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte(strings.Repeat("0", 64) + "\tpack\t{}\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := read(text)
		again, err2 := evidence.Again(bytes.NewReader(text))
		for n := 0; err2 == nil; n++ {
			_, err2 = again.Next()
			require.Less(t, n, len(text)+2)
		}
		if err != nil || bytes.Equal(text, whole) {
			return
		}
		// Only what is signed by the key in it is taken for intact: of our own key there is one such file.
		r, err := evidence.NewReader(bytes.NewReader(text))
		require.NoError(t, err)
		require.NotEqual(t, []byte(public(key(1))), r.Head().Key, "%d records", len(got))
	})
}

func BenchmarkReader(b *testing.B) {
	records := some()[4:]
	var all []evidence.Record
	for range 500 {
		all = append(all, records...)
	}
	text := write(b, key(1), all)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := evidence.Verify(bytes.NewReader(text), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRestsHoldJudgements: what people judged opens the gate of trust, so decisions rest on it.
func TestRestsHoldJudgements(t *testing.T) {
	for _, p := range evidence.Rests("web", time.Now()) {
		if p.Subject == subject.EventsOfKind("web", message.EventJudged) {
			return
		}
	}
	t.Fatal("no part of what decisions rest on holds judgements")
}
