package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Report is what the bus looks like, for `ham doctor`. Looking changes nothing.
type Report struct {
	Server  string // the one this Bus is connected to
	Version string
	Cluster string // "" for a single server
	RTT     time.Duration
	// StoreLimit and StoreUsed are JetStream's room on disk for this account, in bytes. Limit 0: unlimited or unknown.
	StoreLimit, StoreUsed uint64
	// Servers are all servers of the cluster; empty where this identity may not see them (only the system account may).
	Servers []ServerReport
	Streams []StreamReport
	// Problems are sentences: what does not fit the layout, is missing, or is not healthy, and what to do.
	Problems []string
}

// ServerReport is one server, as the system account sees it.
type ServerReport struct {
	Name, Version string
	// SyncAlways: what is acknowledged was synced to disk.
	SyncAlways bool
	StoreDir   string
}

// StreamReport is one stream or bucket of ham.
type StreamReport struct {
	Name          string
	Exists        bool
	Replicas      int
	Leader        string
	Behind        []string // replicas that are offline or not current
	Messages      uint64
	Bytes         uint64
	LastSeq       uint64
	First, Newest time.Time
	// MaxBytes and MaxAge bound it; zero or less: nothing does.
	MaxBytes int64
	MaxAge   time.Duration
}

// Inspect looks at the bus and compares it with the layout that it should have. It asks the servers too how they sync what they acknowledge, which only
// the system account may see: for anybody else that is not known, and the attempt is a line in the server's log. Its error says that nothing could be seen at all.
func (b *Bus) Inspect(ctx context.Context, l Layout) (Report, error) {
	ctx, cancel := b.bound(ctx)
	defer cancel()
	r, err := b.InspectStreams(ctx, l)
	if err != nil {
		return r, err
	}
	r.Servers = b.inspectServers(ctx)
	for _, s := range r.Servers {
		if !s.SyncAlways {
			r.Problems = append(r.Problems, fmt.Sprintf("Server %s acknowledges commands before they are synced to disk: a power cut may lose up to two minutes of them. Set jetstream { sync_interval: always }.", s.Name))
		}
		if s.Version != r.Version {
			r.Problems = append(r.Problems, fmt.Sprintf("Server %s runs %s, %s runs %s: bring them to one version.", s.Name, s.Version, r.Server, r.Version))
		}
	}
	return r, nil
}

// InspectStreams is Inspect without the question to the servers: it asks for nothing that a user who may read the streams may not ask.
func (b *Bus) InspectStreams(ctx context.Context, l Layout) (Report, error) {
	ctx, cancel := b.bound(ctx)
	defer cancel()
	r := Report{Server: b.nc.ConnectedServerName(), Version: b.nc.ConnectedServerVersion(), Cluster: b.nc.ConnectedClusterName()}
	begin := time.Now()
	if err := b.nc.FlushWithContext(ctx); err != nil {
		return r, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r.RTT = time.Since(begin)
	var account jetstream.AccountInfo
	switch err := b.api(ctx, "INFO", nil, &account); {
	case err == nil:
		r.StoreUsed, r.StoreLimit = account.Store, uint64(max(account.Limits.MaxStore, 0))
	case apiCode(err) != 0:
		return r, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !errors.Is(err, ErrPermission):
		r.Problems = append(r.Problems, fmt.Sprintf("JetStream does not answer (%s): nothing can be decided or recorded; look at the servers' logs.", err))
	}
	for _, want := range l.assets() {
		s, problems := b.inspectStream(ctx, want.cfg)
		r.Streams = append(r.Streams, s)
		r.Problems = append(r.Problems, problems...)
	}
	if n := b.nc.MaxPayload(); n < maxMessage {
		r.Problems = append(r.Problems, fmt.Sprintf("The server takes messages of at most %d bytes: a command with much evidence may be refused. Set max_payload to 1MB.", n))
	}
	if older(r.Version, oldest) {
		r.Problems = append(r.Problems, fmt.Sprintf("Server %s runs nats-server %s: repairs of the consensus code that ham relies on came up to %s. Update it.", r.Server, r.Version, oldest))
	}
	return r, nil
}

// oldest is the first version with all repairs of Raft and of synced writes that are known to matter for commands.
const oldest = "2.15.0"

// older compares "2.9.25" with "2.15.0" by numbers; what cannot be read counts as not older.
func older(v, than string) bool {
	var a, b [3]int
	if n, _ := fmt.Sscanf(v, "%d.%d.%d", &a[0], &a[1], &a[2]); n < 3 {
		return false
	}
	if n, _ := fmt.Sscanf(than, "%d.%d.%d", &b[0], &b[1], &b[2]); n < 3 {
		return false
	}
	return slices.Compare(a[:], b[:]) < 0
}

func (b *Bus) inspectStream(ctx context.Context, want jetstream.StreamConfig) (StreamReport, []string) {
	r := StreamReport{Name: want.Name}
	var info jetstream.StreamInfo
	switch err := b.api(ctx, "STREAM.INFO."+want.Name, nil, &info); {
	case apiCode(err) == int(jetstream.JSErrCodeStreamNotFound):
		return r, []string{fmt.Sprintf("Stream %s does not exist: start `ham up` once with the right to make it, or provision the bus.", want.Name)}
	case errors.Is(err, ErrPermission):
		return r, nil // it may exist; this identity cannot say
	case err != nil:
		return r, []string{fmt.Sprintf("Stream %s does not answer: %s.", want.Name, err)}
	}
	r.Exists, r.Replicas, r.Messages, r.Bytes, r.LastSeq = true, info.Config.Replicas, info.State.Msgs, info.State.Bytes, info.State.LastSeq
	r.First, r.Newest = info.State.FirstTime, info.State.LastTime
	r.MaxBytes, r.MaxAge = info.Config.MaxBytes, info.Config.MaxAge
	var problems []string
	for _, m := range compare(want, info.Config) {
		problems = append(problems, m.String()+".")
	}
	if c := info.Cluster; c != nil {
		r.Leader = c.Leader
		if c.Leader == "" {
			problems = append(problems, fmt.Sprintf("Stream %s has no leader: nothing can be written to it until a majority of its servers is back.", want.Name))
		}
		for _, p := range c.Replicas {
			if p.Offline || !p.Current {
				r.Behind = append(r.Behind, p.Name)
			}
		}
		if len(r.Behind) > 0 {
			problems = append(problems, fmt.Sprintf("Stream %s: %s offline or not current: one failure more may stop it.", want.Name, strings.Join(r.Behind, ", ")))
		}
	}
	if info.State.Lost != nil {
		problems = append(problems, fmt.Sprintf("Stream %s lost %d messages to damage on disk: restore it from a replica or a backup.", want.Name, len(info.State.Lost.Msgs)))
	}
	return r, problems
}

// inspectServers asks all servers, which only a member of the system account may.
func (b *Bus) inspectServers(ctx context.Context) []ServerReport {
	const subj = "$SYS.REQ.SERVER.PING.VARZ"
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer b.perms.enter(subj, &waiter{stop: stop, asking: true})()
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer func() { _ = sub.Unsubscribe() }()
	if b.nc.PublishMsg(&nats.Msg{Subject: subj, Reply: inbox}) != nil {
		return nil
	}
	var out []ServerReport
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			break
		}
		var v struct {
			Data struct {
				Name      string `json:"server_name"`
				Version   string `json:"version"`
				JetStream struct {
					Config *struct {
						SyncAlways bool   `json:"sync_always"`
						StoreDir   string `json:"store_dir"`
					} `json:"config"`
				} `json:"jetstream"`
			} `json:"data"`
		}
		if json.Unmarshal(m.Data, &v) == nil && v.Data.JetStream.Config != nil {
			c := v.Data.JetStream.Config
			out = append(out, ServerReport{v.Data.Name, v.Data.Version, c.SyncAlways, c.StoreDir})
		}
	}
	slices.SortFunc(out, func(a, b ServerReport) int { return strings.Compare(a.Name, b.Name) })
	return out
}
