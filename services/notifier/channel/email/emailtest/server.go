// Package emailtest is a mail server that keeps what it took and misbehaves on demand.
package emailtest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
)

// Password is the only one that it takes.
const Password = "hunter2mailsecret"

// Mail is one mail that was taken.
type Mail struct {
	From   string
	To     []string
	Header mail.Header
	// Subject and Body are decoded.
	Subject, Body string
}

// Fault is what the server does to the next mail.
type Fault struct {
	// At says where: "mail", "rcpt", "auth", "end" (once it has the whole mail). Code and Says answer there.
	At, Says string
	Code     int
	// Hang and Cut never answer and close there; Accept has the mail kept before.
	Hang, Cut, Accept bool
}

// Server is a mail server. Safe for concurrent use.
type Server struct {
	// TLS, if set, has it offer STARTTLS.
	TLS *tls.Config

	mu     sync.Mutex
	mails  []Mail
	fault  *Fault
	closed chan struct{}
	once   sync.Once
}

// New makes a server.
func New() *Server { return &Server{closed: make(chan struct{})} }

// Close lets clients go that hang.
func (s *Server) Close() { s.once.Do(func() { close(s.closed) }) }

// Next has the next mail go wrong; nil: not any more.
func (s *Server) Next(f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Mails are those taken, in order.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

func (s *Server) at(where string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fault
	if f == nil || f.At != where {
		return nil
	}
	s.fault = nil
	return f
}

// Serve speaks SMTP (RFC 5321) with one client.
func (s *Server) Serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	say := func(format string, args ...any) bool {
		_, err := fmt.Fprintf(conn, format+"\r\n", args...)
		return err == nil
	}
	// wrong does what the test asked for; true: the conversation is over.
	wrong := func(f *Fault) bool {
		switch {
		case f.Hang:
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				_, _ = in.ReadByte()
			}()
			select {
			case <-gone:
			case <-s.closed:
				_ = conn.Close()
				<-gone
			}
			return true
		case f.Cut:
			return true
		}
		return !say("%d %s", f.Code, f.Says)
	}
	say("220 mail.test ESMTP")
	var m Mail
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		where := map[string]string{"MAIL": "mail", "RCPT": "rcpt", "AUTH": "auth"}[strings.ToUpper(verb)]
		if f := s.at(where); where != "" && f != nil {
			if wrong(f) {
				return
			}
			continue
		}
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-mail.test")
			if _, secured := conn.(*tls.Conn); s.TLS != nil && !secured {
				say("250-STARTTLS")
			}
			say("250-8BITMIME")
			say("250 AUTH PLAIN")
		case "STARTTLS":
			say("220 go on")
			secured := tls.Server(conn, s.TLS)
			conn, in = secured, bufio.NewReader(secured)
		case "AUTH":
			_, given, _ := strings.Cut(rest, " ")
			b, _ := base64.StdEncoding.DecodeString(given)
			if strings.HasSuffix(string(b), "\x00"+Password) {
				say("235 welcome")
			} else {
				say("535 5.7.8 wrong")
			}
		case "MAIL":
			m = Mail{From: between(rest)}
			say("250 ok")
		case "RCPT":
			m.To = append(m.To, between(rest))
			say("250 ok")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				l, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(l, "."))
			}
			f := s.at("end")
			if f == nil || f.Accept {
				if err := s.take(m, text.String()); err != nil {
					say("554 5.6.0 %v", err)
					continue
				}
			}
			if f != nil {
				if wrong(f) {
					return
				}
				continue
			}
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

func (s *Server) take(m Mail, text string) error {
	for _, line := range strings.Split(text, "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
			return fmt.Errorf("a line of %d bytes, or one that does not end as it should", len(line))
		}
		for i := range len(line) {
			if line[i] > 126 {
				return fmt.Errorf("a byte that is not ASCII")
			}
		}
	}
	read, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(quotedprintable.NewReader(read.Body))
	if err != nil {
		return err
	}
	m.Header, m.Body = read.Header, strings.ReplaceAll(string(body), "\r\n", "\n")
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject")); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	return nil
}
