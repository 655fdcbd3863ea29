package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// oneTry bounds a single request, so that an answer that got lost is asked for again well before the caller gives up.
const oneTry = 500 * time.Millisecond

// request sends once and waits for the answer. It ends early, with [ErrPermission], when the server says that the subject
// is not permitted.
func (b *Bus) request(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, oneTry, errNoAnswer)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer b.perms.watch(msg.Subject, stop)()
	resp, err := b.nc.RequestMsgWithContext(ctx, msg)
	if err != nil {
		cause := context.Cause(ctx)
		if errors.Is(cause, ErrPermission) || errors.Is(cause, errNoAnswer) {
			return nil, cause
		}
		return nil, err
	}
	return resp, nil
}

var errNoAnswer = fmt.Errorf("no answer within %s", oneTry)

// api calls the JetStream API once, into out. The server's own "no" comes back as a [*jetstream.APIError].
func (b *Bus) api(ctx context.Context, subj string, in, out any) error {
	body := []byte(nil)
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	resp, err := b.request(ctx, &nats.Msg{Subject: "$JS.API." + subj, Data: body})
	if err != nil {
		return err
	}
	var fail struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(resp.Data, &fail); err != nil {
		return fmt.Errorf("answer of the server is no JSON: %w", err)
	}
	if fail.Error != nil {
		return fail.Error
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(resp.Data, out)
}

func apiCode(err error) int {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return int(api.ErrorCode)
	}
	return 0
}

// Codes of the server's answers that decide something.
const (
	codeWrongLast         = 10071 // the expected sequence is not the last one: decided
	codeWrongLastInFlight = 10164 // another write on the subject is in flight: not decided
	codeDuplicateInFlight = 10158 // our own Msg-Id is in process: not decided
	codeNotReady          = 10163 // expected sequence cannot be checked for the moment: not decided
	codeNoResources       = 10023 // the server's disk or memory limit is reached
)

// transient says that the same request may be accepted in a moment: no answer, an election, a full inbound queue.
func transient(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		for _, never := range []error{ErrPermission, nats.ErrMaxPayload, nats.ErrBadSubject, nats.ErrHeadersNotSupported} {
			if errors.Is(err, never) {
				return false
			}
		}
		return true
	}
	switch int(api.ErrorCode) {
	case codeWrongLastInFlight, codeDuplicateInFlight, codeNotReady,
		10004, 10005, 10007, 10008, 10009, // cluster: incomplete, too few servers yet, not assigned, not available, not leader
		10118: // stream is offline
		return true
	}
	return api.Code == 429
}

// refused turns the server's "no" into ErrRefused, with what to do where that is known.
func refused(what string, err error) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return fmt.Errorf("%w: %s: %w", ErrRefused, what, err)
	}
	hint, kind := "", ErrRefused
	switch int(api.ErrorCode) {
	case codeNoResources, 10002, codeNoStore:
		hint, kind = ": JetStream has no room left; free disk space or raise the server's max_file_store", ErrFull
	case 10077:
		hint, kind = ": the stream is full or its disk is", ErrFull
	case 10059, 10060, 10039, 10076:
		hint = ": provision the bus first, and turn JetStream on"
	case 10054:
		hint = ": shorten it, or raise max_msg_size of the stream"
	}
	return fmt.Errorf("%w: %s: %s (code %d)%s", kind, what, api.Description, int(api.ErrorCode), hint)
}

// backoff grows from 5-25 ms to 100-200 ms: a new stream leader shows up within milliseconds or within seconds.
func backoff(try int) time.Duration {
	if try < 4 {
		return jitter(5*time.Millisecond, 25*time.Millisecond)
	}
	return jitter(100*time.Millisecond, 200*time.Millisecond)
}
