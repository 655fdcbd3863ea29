package haproxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// prompt is what interactive mode adds after the empty line that ends each answer.
const prompt = "> "

// exchange is one line of commands and the answers that belong to it.
//
// HAProxy ends each answer with an empty line and promises that no answer holds one, so answers to several commands on a
// line are told apart by counting.
type exchange struct {
	count       int  // answers to read
	silent      int  // how many of them, from the first, must be empty: the greeting, which tells HAProxy from anything else
	interactive bool // a prompt follows each answer
	budget      int  // bytes the answers may have together
}

// read gives the raw answers. Its errors wrap ErrProtocol, or are what reading said.
func (x exchange) read(r *bufio.Reader) ([]string, error) {
	answers := make([]string, 0, x.count)
	for i := range x.count {
		if i < x.silent {
			if err := expectSilence(r); err != nil {
				return nil, err
			}
		}
		answer, err := readAnswer(r, &x.budget)
		if err != nil {
			return nil, err
		}
		if x.interactive {
			if err := expectPrompt(r); err != nil {
				return nil, err
			}
		}
		answers = append(answers, answer)
	}
	if n := r.Buffered(); n > 0 {
		return nil, protocolError("%d bytes after the last answer, beginning %q", n, excerpt(r))
	}
	return answers, nil
}

// readAnswer reads up to and with the next empty line. A long line is read in pieces, so memory stays within the budget.
func readAnswer(r *bufio.Reader, budget *int) (string, error) {
	var b strings.Builder
	for atStart := true; ; {
		piece, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) && b.Len()+len(piece) > 0 {
				err = fmt.Errorf("%w in the middle of an answer", io.ErrUnexpectedEOF)
			}
			return "", err
		}
		if *budget -= len(piece); *budget < 0 {
			return "", protocolError("the answer is longer than the limit set for it")
		}
		if atStart && len(piece) == 1 {
			return b.String(), nil
		}
		b.Write(piece)
		atStart = err == nil // else the line goes on
	}
}

func expectSilence(r *bufio.Reader) error {
	first, err := r.Peek(1)
	if err != nil {
		return err
	}
	if first[0] != '\n' {
		return protocolError("it answered %q to %q (is this HAProxy's \"stats socket\"? the master's socket, -S, is another)", excerpt(r), askSeverity)
	}
	return nil
}

func expectPrompt(r *bufio.Reader) error {
	next, err := r.Peek(len(prompt))
	switch {
	case !strings.HasPrefix(prompt, string(next)):
		return protocolError("no prompt after an answer but %q", excerpt(r))
	case err != nil:
		return err
	}
	_, err = r.Discard(len(prompt))
	return err
}

// excerpt shows the start of what has arrived and not been read.
func excerpt(r *bufio.Reader) string {
	b, _ := r.Peek(min(r.Buffered(), 60))
	return strings.ToValidUTF8(string(b), "?")
}
