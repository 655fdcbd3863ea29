package notifier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel"
)

// Options of a notifier. Bus and Channels are required.
type Options struct {
	// Bus must be provisioned.
	Bus *bus.Bus
	// Name of this notifier among others; default the bus's name.
	Name string
	// Channels are those declared for this process. Notifiers that declare a channel of the same name share the work on it.
	Channels []spec.Channel
	// Notify is what is done beside telling each event.
	Notify spec.Notify
	// Secrets reads references; default spec.LookupSecret. It is asked at each post.
	Secrets spec.Lookup
	// Out is where log channels print.
	Out io.Writer
	// HTTP is the client that channels use; default channel.NewClient.
	HTTP *http.Client
	// Dial opens connections of channels that do not speak HTTP; nil: as the machine does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Ready is called with the reason why the notifier does not work yet, and with "" once it does. May be nil.
	Ready func(reason string)
	// Log gets what happens to the channels; nil: nothing is logged.
	Log *slog.Logger
}

// ErrOptions says what is wrong with the options, by channel and field.
var ErrOptions = errors.New("wrong notifier options")

func (o *Options) complete() error {
	if o.Bus == nil {
		return fmt.Errorf("%w: bus is missing", ErrOptions)
	}
	if o.Name == "" {
		o.Name = o.Bus.Name()
	}
	if !message.IsName(o.Name) {
		return fmt.Errorf("%w: name is %q, want 1 to %d letters, digits, '-' or '_'", ErrOptions, o.Name, message.MaxName)
	}
	if o.Secrets == nil {
		o.Secrets = spec.LookupSecret
	}
	if o.HTTP == nil {
		o.HTTP = channel.NewClient()
	}
	if o.Ready == nil {
		o.Ready = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// open makes the declared channels.
func (o Options) open() (map[string]opened, error) {
	drivers := Drivers()
	out := map[string]opened{}
	for i, c := range o.Channels {
		if !message.IsName(c.Name) {
			return nil, fmt.Errorf("%w: channels[%d].name is %q, want 1 to %d letters, digits, '-' or '_'", ErrOptions, i, c.Name, message.MaxName)
		}
		if _, twice := out[c.Name]; twice {
			return nil, fmt.Errorf("%w: channel %s is declared twice: give one of them another name", ErrOptions, c.Name)
		}
		at := slices.IndexFunc(drivers, func(d channel.Driver) bool { return d.Kind == c.Kind })
		if at < 0 {
			kinds := make([]string, len(drivers))
			for i, d := range drivers {
				kinds[i] = d.Kind
			}
			return nil, fmt.Errorf("%w: channel %s: kind is %q, want one of %s", ErrOptions, c.Name, c.Kind, strings.Join(kinds, ", "))
		}
		ch, err := drivers[at].New(channel.Config{Spec: c, Secrets: o.Secrets, HTTP: o.HTTP, Out: o.Out, Dial: o.Dial})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOptions, err)
		}
		out[c.Name] = opened{drivers[at], ch, c.Lang}
	}
	return out, nil
}

// opened is a declared channel, ready for use.
type opened struct {
	driver  channel.Driver
	channel channel.Channel
	lang    string
}
