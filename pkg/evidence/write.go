package evidence

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
)

// Writer writes one file. What it has written is worth nothing before Close: only then is it signed.
type Writer struct {
	out  *bufio.Writer
	key  ed25519.PrivateKey
	line []byte
	link link
	end  End
	err  error
}

// link is the chain of hashes as far as it goes.
type link struct {
	sha  hash.Hash
	last [sha256.Size]byte
	hex  [2 * sha256.Size]byte
}

// add takes what stands after a line's first tab, and returns the line's hash in hex, valid until the next add.
func (l *link) add(rest []byte) []byte {
	if l.sha == nil {
		l.sha = sha256.New()
	}
	l.sha.Reset()
	l.sha.Write(l.last[:])
	l.sha.Write(rest)
	l.sha.Sum(l.last[:0])
	hex.Encode(l.hex[:], l.last[:])
	return l.hex[:]
}

// what is signed: that this chain ends here.
func (l *link) statement() []byte { return append([]byte(signed), l.last[:]...) }

// NewWriter begins a file. Version and Key of the head are filled in. The key is checked by the signature that it gives.
func NewWriter(out io.Writer, key ed25519.PrivateKey, h Head) (*Writer, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("the key has %d bytes, want an ed25519 key of %d", len(key), ed25519.PrivateKeySize)
	}
	h.Version, h.Key = Version, key.Public().(ed25519.PublicKey)
	w := &Writer{out: bufio.NewWriterSize(out, 64<<10), key: key}
	return w, w.object("pack", h)
}

// Add writes one message. It keeps nothing of r. After an error the file is of no use.
func (w *Writer) Add(r *Record) error {
	b := append(w.line[:0], "msg\t"...)
	if r.Masked {
		b = append(w.line[:0], "mask\t"...)
		w.end.Masked++
	}
	b = append(b, r.Stream...)
	b = append(b, '\t')
	b = strconv.AppendUint(b, r.Seq, 10)
	b = append(b, '\t')
	b = strconv.AppendInt(b, r.Time, 10)
	b = append(b, '\t')
	b = escape(b, []byte(r.Subject))
	b = append(b, '\t')
	b = escape(b, r.Header)
	b = append(b, '\t')
	b = escape(b, r.Body)
	w.end.Messages++
	if len(b) > maxLine-128 {
		w.err = fmt.Errorf("message %d of %s has %d bytes, more than a line holds", r.Seq, r.Stream, len(r.Body))
	}
	w.write(b)
	return w.err
}

// Close signs what was written. It does not close what lies below.
func (w *Writer) Close() error {
	w.end.Signature = ed25519.Sign(w.key, w.link.statement())
	if err := w.object("end", w.end); err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	w.err = errors.New("the file is closed")
	return nil
}

// Written is what was written so far.
func (w *Writer) Written() End { return w.end }

func (w *Writer) object(kind string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.write(append([]byte(kind+"\t"), text...))
	return w.err
}

// write writes one line.
func (w *Writer) write(rest []byte) {
	w.line = rest[:0]
	if w.err != nil {
		return
	}
	for _, part := range [...][]byte{w.link.add(rest), {'\t'}, rest, {'\n'}} {
		if _, w.err = w.out.Write(part); w.err != nil {
			return
		}
	}
}
