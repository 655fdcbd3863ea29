package evidence

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Broken says which line of a file is not as it was written.
type Broken struct {
	Line int // from 1
	Why  string
}

func (e *Broken) Error() string { return "line " + strconv.Itoa(e.Line) + " " + e.Why }

// ErrSignature says that the lines fit each other, but are not the ones that were signed, or not by that key.
var ErrSignature = errors.New("the signature is not of these lines")

// Reader reads one file, and checks it as it goes.
type Reader struct {
	in     *bufio.Reader
	head   Head
	end    End
	rec    Record
	link   link
	line   int
	spill  []byte
	count  End
	fail   error
	names  map[string]string
	before [sha256.Size]byte // the chain before the line at hand
	trust  bool
	over   []byte // "<stream>\t" of what is passed over
}

// PassOver says that messages of the stream are checked and counted from now on, and not handed over.
func (r *Reader) PassOver(stream string) { r.over = append([]byte(stream), '\t') }

// NewReader reads the first line. The error is a [*Broken], or the one of what lies below.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 256<<10), names: map[string]string{}}
	kind, rest, err := r.next()
	if err != nil {
		return nil, err
	}
	if string(kind) != "pack" {
		return nil, r.broken("is no beginning of an evidence pack: want <hash> pack …")
	}
	if err := strict(rest, &r.head); err != nil {
		return nil, r.broken("holds no head: " + err.Error())
	}
	if r.head.Version != Version {
		return nil, r.broken(fmt.Sprintf("says version %d, this program reads version %d", r.head.Version, Version))
	}
	if len(r.head.Key) != ed25519.PublicKeySize {
		return nil, r.broken(fmt.Sprintf("holds a key of %d bytes, want %d", len(r.head.Key), ed25519.PublicKeySize))
	}
	return r, nil
}

// Again is NewReader for a file that was read to its end a moment ago and found intact: hashes and signature are not checked a second time.
func Again(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 256<<10), names: map[string]string{}, trust: true}
	_, rest, err := r.next()
	if err != nil {
		return nil, err
	}
	return r, strict(rest, &r.head)
}

// Head is the first line.
func (r *Reader) Head() Head { return r.head }

// End is the last line, once Next has returned io.EOF.
func (r *Reader) End() End { return r.end }

// Next returns the next message, valid until the call after it. io.EOF: the file ends here, it is intact, and it was signed with the key of
// its head. Otherwise a [*Broken], [ErrSignature], or the error of what lies below; then nothing of the file can be relied on, and Next says
// the same again.
func (r *Reader) Next() (*Record, error) {
	if r.fail != nil {
		return nil, r.fail
	}
	rec, err := r.record()
	if err != nil {
		r.fail = err
		return nil, err
	}
	return rec, nil
}

func (r *Reader) record() (*Record, error) {
	kind, rest, err := r.next()
	for len(r.over) > 0 && err == nil && string(kind) == "msg" && bytes.HasPrefix(rest, r.over) {
		r.count.Messages++
		kind, rest, err = r.next()
	}
	if errors.Is(err, io.EOF) {
		return nil, &Broken{r.line + 1, "is missing: the file was cut off before its signature"}
	}
	if err != nil {
		return nil, err
	}
	switch string(kind) {
	case "msg", "mask":
		r.count.Messages++
		if r.rec.Masked = len(kind) == 4; r.rec.Masked {
			r.count.Masked++
		}
		return r.message(rest)
	case "end":
		return nil, r.finish(rest)
	}
	return nil, r.broken("is of a kind that this program does not know: " + strconv.Quote(string(kind[:min(len(kind), 20)])))
}

// message takes the fields of one apart.
func (r *Reader) message(rest []byte) (*Record, error) {
	var f [6][]byte
	for i := range f[:5] {
		end := bytes.IndexByte(rest, '\t')
		if end < 0 {
			return nil, r.broken("holds no message: want stream, sequence, time, subject, headers and body, parted by tabs")
		}
		f[i], rest = rest[:end], rest[end+1:]
	}
	if f[5] = rest; bytes.IndexByte(rest, '\t') >= 0 {
		return nil, r.broken("holds more than a message: a tab in it is written as \\t")
	}
	var ok1, ok2, ok3 bool
	m := &r.rec
	f[3], ok1 = unescape(f[3])
	m.Header, ok2 = unescape(f[4])
	m.Body, ok3 = unescape(f[5])
	if !ok1 || !ok2 || !ok3 {
		return nil, r.broken(`holds a backslash that is none of \\ \t \n \r`)
	}
	if m.Subject = r.name(f[3]); m.Stream != string(f[0]) {
		m.Stream = r.name(f[0])
	}
	seq, ok1 := number(f[1])
	at, ok2 := number(f[2])
	if !ok1 || !ok2 {
		return nil, r.broken("holds a sequence or a time that is no number")
	}
	m.Seq, m.Time = seq, int64(at)
	return m, nil
}

// number reads digits alone, up to the largest int64.
func number(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' || n > (1<<63-1)/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, len(b) > 0 && n < 1<<63
}

// name makes a string of what comes again and again.
func (r *Reader) name(b []byte) string {
	if s, ok := r.names[string(b)]; ok { // no allocation
		return s
	}
	s := string(b)
	if len(r.names) < 1<<14 && len(s) < 256 {
		r.names[s] = s
	}
	return s
}

// finish checks the last line, and that it is the last.
func (r *Reader) finish(rest []byte) error {
	if err := strict(rest, &r.end); err != nil {
		return r.broken("holds no end: " + err.Error())
	}
	if r.end.Messages != r.count.Messages || r.end.Masked != r.count.Masked {
		return r.broken(fmt.Sprintf("says %d messages, %d of them masked, and there are %d and %d", r.end.Messages, r.end.Masked, r.count.Messages, r.count.Masked))
	}
	if _, err := r.in.ReadByte(); err == nil {
		return &Broken{r.line + 1, "stands behind the signature"}
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	if r.trust {
		return io.EOF
	}
	if !ed25519.Verify(r.head.Key, append([]byte(signed), r.before[:]...), r.end.Signature) {
		return ErrSignature
	}
	return io.EOF
}

// next reads one line, checks its place in the chain, and returns its kind and what follows.
func (r *Reader) next() (kind, rest []byte, err error) {
	line, err := r.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		r.spill = r.spill[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			if r.spill = append(r.spill, line...); len(r.spill) > maxLine {
				return nil, nil, &Broken{r.line + 1, fmt.Sprintf("is longer than %d bytes", maxLine)}
			}
			line, err = r.in.ReadSlice('\n')
		}
		r.spill = append(r.spill, line...)
		line = r.spill
	}
	switch {
	case errors.Is(err, io.EOF) && len(line) == 0:
		return nil, nil, io.EOF
	case errors.Is(err, io.EOF):
		return nil, nil, &Broken{r.line + 1, "does not end: the file was cut off"}
	case err != nil:
		return nil, nil, err
	}
	r.line++
	const hashed = 2 * sha256.Size
	if len(line) < hashed+2 || line[hashed] != '\t' {
		return nil, nil, r.broken("does not begin with a hash")
	}
	sum, rest := line[:hashed], line[hashed+1:len(line)-1]
	if !r.trust {
		r.before = r.link.last
		if !bytes.Equal(r.link.add(rest), sum) {
			return nil, nil, r.broken("is not as it was written, or the one before it was taken out or changed")
		}
	}
	end := bytes.IndexByte(rest, '\t')
	if end < 0 {
		return rest, nil, nil
	}
	return rest[:end], rest[end+1:], nil
}

func (r *Reader) broken(why string) error { return &Broken{r.line, why} }

// strict decodes one JSON object and nothing behind it.
func strict(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something stands behind it")
	}
	return nil
}

// Found is what [Verify] found of an intact file.
type Found struct {
	Head
	End
	// Known says that the signature is by the key that was asked for; false where none was named.
	Known bool
}

// ErrOtherKey says that a file is intact, but signed with another key than the one that was asked for.
var ErrOtherKey = errors.New("it is signed with another key")

// Verify reads a file to its end. Key is whose signature it should be; nil: whoever's. Errors as of [Reader.Next], and [ErrOtherKey].
func Verify(in io.Reader, key ed25519.PublicKey) (Found, error) {
	r, err := NewReader(in)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = &Broken{1, "is missing: the file is empty"}
		}
		return Found{}, err
	}
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, io.EOF) {
		return Found{Head: r.head}, err
	}
	f := Found{Head: r.head, End: r.end, Known: key != nil}
	if key != nil && !key.Equal(ed25519.PublicKey(r.head.Key)) {
		return f, fmt.Errorf("%w: %s", ErrOtherKey, KeyText(r.head.Key))
	}
	return f, nil
}

// KeyText is how a public key is written for people: base64.
func KeyText(key []byte) string { return base64.StdEncoding.EncodeToString(key) }
