package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Source is a replication session with a server that a standby may follow. Not safe for concurrent use.
// https://www.postgresql.org/docs/15/protocol-replication.html
type Source struct{ pg *pgconn.PgConn }

// Identity is which cluster a server is, and how far.
type Identity struct {
	SystemID string
	Timeline uint32
	Flush    LSN
	// Recovery: it is a standby itself.
	Recovery bool
}

// Fork is the end of a timeline in a server's history.
type Fork struct {
	Timeline uint32
	End      LSN
}

// ErrLogGone says that the server no longer has the log that was asked for.
var ErrLogGone = errors.New("the log that is needed is no longer there")

// ConnectSource opens a replication session, within ctx. The DSN is as for [Parse]; its role needs REPLICATION.
func ConnectSource(ctx context.Context, dsn string) (*Source, error) {
	t, err := Parse(dsn)
	if err != nil {
		return nil, err
	}
	config := t.config.Config.Copy()
	config.MaxProtocolMessageBodyLen = mostSaid
	config.RuntimeParams = map[string]string{"replication": "true", "application_name": "ham_look"}
	config.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Source{pg}, nil
}

// Close ends the session.
func (s *Source) Close() { _ = s.pg.Conn().Close() } // it holds nothing that would have to be brought to an end

func (s *Source) row(ctx context.Context, command string) ([]string, error) {
	results, err := s.pg.Exec(ctx, command).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return nil, fmt.Errorf("%s: want one row", command)
	}
	var row []string
	for _, field := range results[0].Rows[0] {
		row = append(row, string(field))
	}
	return row, nil
}

// Identify asks who it is.
func (s *Source) Identify(ctx context.Context) (id Identity, err error) {
	row, err := s.row(ctx, "IDENTIFY_SYSTEM")
	if err != nil {
		return id, err
	}
	if len(row) < 3 {
		return id, errors.New("IDENTIFY_SYSTEM: want a system, a timeline and a place in the log")
	}
	timeline, err := strconv.ParseUint(row[1], 10, 32)
	if err != nil {
		return id, fmt.Errorf("IDENTIFY_SYSTEM: timeline %q", row[1])
	}
	id.SystemID, id.Timeline = row[0], uint32(timeline)
	if id.Flush, err = ParseLSN(row[2]); err != nil {
		return id, fmt.Errorf("IDENTIFY_SYSTEM: %w", err)
	}
	if row, err = s.row(ctx, "SHOW in_hot_standby"); err != nil {
		return id, err
	}
	id.Recovery = row[0] == "on"
	return id, nil
}

// History lists the timelines that led to one, oldest first, each with where it was left. Timeline 1 has none.
func (s *Source) History(ctx context.Context, timeline uint32) ([]Fork, error) {
	if timeline <= 1 {
		return nil, nil
	}
	row, err := s.row(ctx, "TIMELINE_HISTORY "+strconv.FormatUint(uint64(timeline), 10))
	if err != nil {
		return nil, err
	}
	if len(row) != 2 {
		return nil, errors.New("TIMELINE_HISTORY: want a file's name and content")
	}
	return parseHistory(row[1])
}

func parseHistory(text string) (forks []Fork, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			return nil, fmt.Errorf("timeline history: the line %q", line)
		}
		timeline, err := strconv.ParseUint(words[0], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("timeline history: the line %q", line)
		}
		end, err := ParseLSN(words[1])
		if err != nil {
			return nil, fmt.Errorf("timeline history: %w", err)
		}
		forks = append(forks, Fork{uint32(timeline), end})
	}
	return forks, nil
}

// idle is how long a source that took the request may say nothing: it has nothing to send then, and misses nothing.
const idle = time.Second

// Has says whether it can send the log of a timeline from that place on; ErrLogGone: it has it no more. The session is over afterwards.
func (s *Source) Has(ctx context.Context, timeline uint32, from LSN) error {
	defer s.Close()
	stop := context.AfterFunc(ctx, s.Close)
	defer stop()
	accepted := false
	s.pg.Frontend().Send(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION PHYSICAL %s TIMELINE %d", from, timeline)})
	if err := s.pg.Frontend().Flush(); err != nil {
		return err
	}
	for {
		message, err := s.pg.Frontend().Receive()
		if err != nil {
			var slow net.Error
			switch cause := context.Cause(ctx); {
			case cause != nil:
				return cause
			case accepted && errors.As(err, &slow) && slow.Timeout():
				return nil
			}
			return err
		}
		switch m := message.(type) {
		case *pgproto3.ErrorResponse:
			said := pgconn.ErrorResponseToPgError(m)
			if said.Code == "58P01" { // undefined_file: the segment was removed
				return fmt.Errorf("%w: %s", ErrLogGone, said.Message)
			}
			return said
		case *pgproto3.CopyBothResponse:
			accepted = true
			if err := s.pg.Conn().SetReadDeadline(time.Now().Add(idle)); err != nil {
				return err
			}
		case *pgproto3.CopyData: // 'w': log; 'k': alive, and nothing to send
			return nil
		case *pgproto3.CopyDone, *pgproto3.ReadyForQuery, *pgproto3.CommandComplete:
			return nil // the timeline ends there
		}
	}
}
