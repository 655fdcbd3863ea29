package redis

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Info is what INFO tells, as far as it matters here. Offsets are in bytes of the replication stream.
type Info struct {
	// RunID is another one after every start.
	RunID, Version string
	// Master: it is nobody's replica.
	Master bool
	// Loading: it reads its files and answers nothing else yet. Loaded is how much of it, in per cent.
	Loading bool
	Loaded  float64
	// Offset is how far its own data reaches; on a replica Received is what it has of its master, applied or not.
	Offset, Received int64
	// Upstream is host:port of the master that a replica follows, LinkUp whether it does, Syncing that it gets a whole copy and Synced how much
	// of it, in per cent; LastIO the seconds since it last heard the master (-1: never).
	Upstream        string
	LinkUp, Syncing bool
	Synced          float64
	LastIO          int64
	// Replicas are those that follow it.
	Replicas []Replica
	// SaveFailed and AppendFailed: the last snapshot, or the last write to the append-only file, did not work.
	SaveFailed, AppendFailed bool
}

// Replica is one that follows, as its master sees it.
type Replica struct {
	// Addr is host:port at which it answers.
	Addr string
	// Online: it follows. Otherwise it gets a whole copy first.
	Online bool
	// Offset is what it has said to have, at most a second ago; Lag the seconds since it last said so.
	Offset, Lag int64
}

// Info asks for it.
func (c *Conn) Info(ctx context.Context) (Info, error) {
	r, err := c.Do(ctx, "INFO")
	if err != nil {
		return Info{}, err
	}
	return ParseInfo(r.Text)
}

// ParseInfo reads the answer to INFO. What it does not know is left out; an answer without a role is an error.
func ParseInfo(text string) (Info, error) {
	i := Info{LastIO: -1}
	role := ""
	var host, port string
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		n, _ := strconv.ParseInt(value, 10, 64) // 0 where it is no number
		switch key {
		case "run_id":
			i.RunID = value
		case "redis_version":
			i.Version = value
		case "role":
			role = value
		case "loading":
			i.Loading = n == 1
		case "loading_loaded_perc":
			i.Loaded, _ = strconv.ParseFloat(value, 64)
		case "master_repl_offset":
			if i.Offset == 0 {
				i.Offset = n
			}
		case "slave_repl_offset":
			i.Offset = n
		case "slave_read_repl_offset":
			i.Received = n
		case "master_host":
			host = value
		case "master_port":
			port = value
		case "master_link_status":
			i.LinkUp = value == "up"
		case "master_sync_in_progress":
			i.Syncing = n == 1
		case "master_sync_perc":
			i.Synced, _ = strconv.ParseFloat(value, 64)
		case "master_last_io_seconds_ago":
			i.LastIO = n
		case "rdb_last_bgsave_status":
			i.SaveFailed = value != "ok"
		case "aof_last_write_status":
			i.AppendFailed = value != "ok"
		default:
			if rest, ok := strings.CutPrefix(key, "slave"); ok && isNumber(rest) {
				i.Replicas = append(i.Replicas, parseReplica(value))
			}
		}
	}
	switch role {
	case "master":
		i.Master = true
		i.Received = i.Offset
	case "slave":
		i.Upstream = net.JoinHostPort(host, port)
		i.Received = max(i.Received, i.Offset) // before 7.0 it says only what it has applied
	default:
		return i, fmt.Errorf("%w: INFO tells no role", ErrProtocol)
	}
	return i, nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// parseReplica reads ip=127.0.0.1,port=6380,state=online,offset=14,lag=1.
func parseReplica(s string) Replica {
	r := Replica{}
	var host, port string
	for field := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(field, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "ip":
			host = value
		case "port":
			port = value
		case "state":
			r.Online = value == "online"
		case "offset":
			r.Offset = n
		case "lag":
			r.Lag = n
		}
	}
	r.Addr = net.JoinHostPort(host, port)
	return r
}
