// Package email sends each post as a plain text mail, those of one incident as one conversation. A mail server cannot be asked what it took: a
// mail of unknown outcome is sent again with a mark, and under the same Message-ID, by which most mailboxes keep one of the two.
package email

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base32"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// Driver is this kind of channel.
var Driver = channel.Driver{
	Kind:    "email",
	Summary: "plain text mail by a mail server, one conversation an incident",
	Example: `channels:
  - name: mail
    kind: email
    server: mail.example.org:587
    from: ham@example.org
    user: ham
    token: ${file:/etc/ham/mail-password}
    default: ops@example.org`,
	Limit: channel.Limit{Burst: 5, Every: 2 * time.Second},
	New:   New,
}

// Email is one mail server and sender.
type Email struct {
	config       channel.Config
	host, domain string
	mode         string
	dial         func(ctx context.Context, network, address string) (net.Conn, error)
	roots        *x509.CertPool // nil: those of the machine
}

var _ channel.Channel = (*Email)(nil)

// New makes the channel.
func New(c channel.Config) (channel.Channel, error) {
	host, port, err := net.SplitHostPort(c.Spec.Server)
	if err != nil {
		return nil, fmt.Errorf("channel %s: server is %q, want host:port", c.Spec.Name, c.Spec.Server)
	}
	from, err := mail.ParseAddress(c.Spec.From)
	if err != nil {
		return nil, fmt.Errorf("channel %s: from is %q, want a mail address", c.Spec.Name, c.Spec.From)
	}
	e := &Email{config: c, host: host, domain: from.Address[strings.LastIndexByte(from.Address, '@')+1:], mode: c.Spec.TLS, dial: c.Dial}
	if e.mode == "" {
		e.mode = "starttls"
		if port == "465" {
			e.mode = "tls"
		}
	}
	if e.dial == nil {
		e.dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	return e, nil
}

// Send sends p as one mail to all its recipients, or to none.
func (e *Email) Send(ctx context.Context, p channel.Post) (channel.Ref, error) {
	list, err := mail.ParseAddressList(p.To)
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Denied, "recipient", "%q is no list of mail addresses", render.Cut(render.Clean(p.To), 100))
	}
	password, err := e.config.Spec.Token.Resolve(e.config.Secrets)
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Denied, "no password", "%v", err)
	}
	password = strings.TrimRight(password, "\r\n")
	to := make([]string, len(list))
	for i, a := range list {
		to[i] = a.Address
	}
	s := session{e: e, password: password}
	if err := s.run(ctx, to, e.message(p, to)); err != nil {
		return channel.Ref{}, s.failed(ctx, err)
	}
	return channel.Ref{}, nil
}

// session is one conversation with the server.
type session struct {
	e        *Email
	password string
	// doing is what is asked of the server at the moment; sent says that it has the whole mail and may have taken it.
	doing string
	sent  bool
}

func (s *session) run(ctx context.Context, to []string, text []byte) error {
	s.doing = "connect"
	conn, err := s.e.dial(ctx, "tcp", s.e.config.Spec.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	settings := &tls.Config{ServerName: s.e.host, RootCAs: s.e.roots, MinVersion: tls.VersionTLS12}
	if s.e.mode == "tls" {
		s.doing = "speak TLS"
		conn = tls.Client(conn, settings)
	}
	s.doing = "greet"
	c, err := smtp.NewClient(conn, s.e.host)
	if err != nil {
		return err
	}
	if err := c.Hello(s.e.domain); err != nil {
		return err
	}
	if s.e.mode == "starttls" {
		s.doing = "STARTTLS"
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return channel.Fail(channel.Denied, "no STARTTLS", "the mail server does not offer it, and nothing is said in the clear: want tls: tls, or a server that does")
		}
		if err := c.StartTLS(settings); err != nil {
			return err
		}
	}
	if s.e.config.Spec.User != "" {
		s.doing = "sign in"
		if err := c.Auth(smtp.PlainAuth("", s.e.config.Spec.User, s.password, s.e.host)); err != nil {
			return err
		}
	}
	s.doing = "sender"
	if err := c.Mail(s.e.config.Spec.From); err != nil {
		return err
	}
	s.doing = "recipient"
	for _, a := range to {
		if err := c.Rcpt(a); err != nil {
			return err // one of several that is wrong would be missed for ever if the others got it
		}
	}
	s.doing = "mail"
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err // without its last line no mail is taken
	}
	s.sent = true
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the mail is taken
	return nil
}

// failed classifies by the server's code (RFC 5321, section 4.2) and by how far it came.
func (s *session) failed(ctx context.Context, err error) *channel.Error {
	var own *channel.Error
	if errors.As(err, &own) {
		return own
	}
	var said *textproto.Error
	if errors.As(err, &said) {
		f := &channel.Error{Class: channel.Later, Code: fmt.Sprintf("SMTP %d", said.Code)}
		f.Says = channel.Redact(render.Cut(render.Clean(fmt.Sprintf("%s: %s", s.doing, said.Msg)), 300), s.password)
		if said.Code >= 500 {
			if f.Class = channel.Denied; s.sent {
				f.Class = channel.Refused
			}
		}
		return f
	}
	class, code := channel.Later, "no connection"
	if s.sent {
		class, code = channel.Unsure, "no answer"
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		class, code = channel.Denied, "certificate"
	}
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		code = "cancelled"
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		code = "timeout"
	}
	return channel.Fail(class, code, "%s: %s", s.doing, channel.Redact(render.Clean(err.Error()), s.password))
}

// message is the mail for p.
func (e *Email) message(p channel.Post, to []string) []byte {
	var out bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&out, "%s: %s\r\n", name, value) }
	header("From", e.config.Spec.From)
	header("To", strings.Join(to, ", "))
	header("Subject", mime.QEncoding.Encode("utf-8", subject(p)))
	header("Date", time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	header("Message-ID", e.id(p.ID))
	if p.Incident != "" {
		// A mail that nobody got holds the conversation together: each mail may be the first.
		header("In-Reply-To", e.id("incident "+p.Incident))
		header("References", e.id("incident "+p.Incident))
	}
	header("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday answers it
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	out.WriteString("\r\n")
	w := quotedprintable.NewWriter(&out)
	_, _ = w.Write([]byte(strings.ReplaceAll(render.Body(p.Texts, p.Repeat, maxBody), "\n", "\r\n")))
	_ = w.Close()
	return out.Bytes()
}

// maxBody bounds a mail, in bytes.
const maxBody = 256 << 10

func subject(p channel.Post) string {
	if len(p.Texts) == 0 {
		return "ham"
	}
	return render.Cut(render.HeadOf(p.Texts), 200)
}

// id makes a Message-ID of any text.
func (e *Email) id(of string) string {
	sum := sha256.Sum256([]byte(of))
	return "<" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:15])) + "@" + e.domain + ">"
}

// Find says that a mailbox cannot be read.
func (*Email) Find(context.Context, channel.Post, time.Time) (channel.Ref, error) {
	return channel.Ref{}, channel.ErrCannotLook
}
