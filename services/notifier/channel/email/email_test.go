package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/isacloud/ha-manager/pkg/certtest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/channeltest"
	"github.com/isacloud/ha-manager/services/notifier/channel/email/emailtest"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/render/rendertest"
)

// office is a mail server, and a channel that sends there.
func office(t *testing.T, change func(*spec.Channel, *emailtest.Server)) (*emailtest.Server, *channeltest.Net, *Email) {
	t.Helper()
	server := emailtest.New()
	t.Cleanup(server.Close)
	s := spec.Channel{Name: "mail", Kind: "email", Server: "localhost:25", TLS: "none", From: "ham@example.org", User: "ham", Token: "${file:/password}"}
	if change != nil {
		change(&s, server)
	}
	network := channeltest.NewNet()
	network.ServeConn(t, "localhost", server.Serve)
	ch, err := New(channel.Config{
		Spec: s, Secrets: func(string, string) (string, error) { return emailtest.Password + "\n", nil }, Dial: network.Dial,
	})
	if err != nil {
		t.Fatal(err)
	}
	return server, network, ch.(*Email)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, func(t *testing.T) channeltest.Subject {
		server, network, ch := office(t, nil)
		return channeltest.Subject{
			Channel: ch, Secrets: []string{emailtest.Password}, To: "ops@example.org", Active: []string{"\x1b", "\u202e", "\nBcc:"},
			Arrived: func() []string {
				var out []string
				for _, m := range server.Mails() {
					// The body says all; its head stands in the subject again.
					out = append(out, m.Body)
				}
				return out
			},
			Fail: func(f channeltest.Fault) bool {
				network.Down("localhost", f == channeltest.Unreachable)
				faults := map[channeltest.Fault]*emailtest.Fault{
					channeltest.Hang: {At: "end", Hang: true}, channeltest.AcceptAndHang: {At: "end", Hang: true, Accept: true}, channeltest.Cut: {At: "end", Cut: true},
					channeltest.Deny: {At: "auth", Code: 535, Says: "no: " + emailtest.Password}, channeltest.RefuseOnce: {At: "end", Code: 554, Says: "5.6.0 what is this"},
					channeltest.Unreachable: nil,
				}
				fault, ok := faults[f]
				if ok {
					server.Next(fault)
				}
				return ok
			},
		}
	})
}

// What a mail says of itself: who, to whom, what about, in which conversation; the same again has the same id.
func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _, ch := office(t, nil)
		e := *rendertest.Samples()[0].Event
		e.Sentence = "Não há réplica.\r\nBcc: evil@example.org"
		p := channel.Post{ID: "mail.event.x", To: "ops@example.org, Night <night@example.org>", Incident: "web-14", Texts: []render.Text{render.Event(&e)}}
		for range 2 {
			if _, err := ch.Send(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		got := server.Mails()
		if len(got) != 2 || got[0].Header.Get("Message-ID") != got[1].Header.Get("Message-ID") || got[0].Header.Get("References") == "" {
			t.Fatalf("%d mails: %v", len(got), got)
		}
		m := got[0]
		if m.From != "ham@example.org" || strings.Join(m.To, " ") != "ops@example.org night@example.org" || m.Header.Get("Bcc") != "" || m.Header.Get("Auto-Submitted") == "" {
			t.Errorf("%+v", m)
		}
		if !strings.Contains(m.Subject, "[critical] web") || !strings.Contains(m.Body, "Não há réplica. Bcc: evil") {
			t.Errorf("subject %q, body %q", m.Subject, m.Body)
		}
	})
}

// How far a mail came says what to do about a failure.
func TestFailuresByStage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _, ch := office(t, nil)
		for _, c := range []struct {
			fault emailtest.Fault
			class channel.Class
		}{
			{emailtest.Fault{At: "mail", Code: 421, Says: "too busy"}, channel.Later},
			{emailtest.Fault{At: "mail", Cut: true}, channel.Later},
			{emailtest.Fault{At: "rcpt", Code: 450, Says: "greylisted"}, channel.Later},
			{emailtest.Fault{At: "rcpt", Code: 550, Says: "no such user"}, channel.Denied},
			{emailtest.Fault{At: "end", Code: 452, Says: "disk full"}, channel.Later},
			{emailtest.Fault{At: "end", Cut: true}, channel.Unsure},
		} {
			server.Next(&c.fault)
			_, err := ch.Send(t.Context(), channel.Post{ID: "x", To: "a@example.org, b@example.org", Texts: []render.Text{render.Event(rendertest.Samples()[0].Event)}})
			if got := channel.As(err); err == nil || got.Class != c.class {
				t.Errorf("%+v: %v, want %s", c.fault, err, c.class)
			}
		}
		if len(server.Mails()) != 0 {
			t.Error("some of the recipients got a mail that failed")
		}
		if _, err := ch.Send(t.Context(), channel.Post{ID: "x", To: "nobody"}); channel.As(err).Class != channel.Denied {
			t.Errorf("no address: %v", err)
		}
	})
}

// A password is said to nobody who has not shown that it is the server meant.
func TestNothingInTheClear(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t)
	pair, _, _ := ca.Issue(t, "localhost")
	settings := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	for _, c := range []struct {
		name   string
		server bool
		trust  bool
		want   channel.Class // "": sent
	}{
		{"by STARTTLS", true, true, ""}, {"of a server that nobody vouches for", true, false, channel.Denied}, {"of a server without STARTTLS", false, true, channel.Denied},
	} {
		server, _, ch := office(t, func(s *spec.Channel, server *emailtest.Server) {
			s.TLS = "starttls"
			if c.server {
				server.TLS = settings
			}
		})
		// Both sides of TLS write at once now and then, for which a pipe has no room.
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var served sync.WaitGroup
		served.Go(func() {
			if conn, err := listener.Accept(); err == nil {
				defer conn.Close()
				server.Serve(conn)
			}
		})
		ch.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
		}
		ch.roots = x509.NewCertPool()
		if c.trust {
			ch.roots = ca.Pool
		}
		_, err = ch.Send(t.Context(), channel.Post{ID: "x", To: "a@example.org", Texts: []render.Text{render.Event(rendertest.Samples()[0].Event)}})
		_ = listener.Close()
		served.Wait()
		switch {
		case c.want == "" && (err != nil || len(server.Mails()) != 1):
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || channel.As(err).Class != c.want || len(server.Mails()) != 0):
			t.Errorf("%s: %v, %d mails", c.name, err, len(server.Mails()))
		}
	}
}
