package haproxy

import (
	"strconv"
	"strings"
	"time"
)

// Info is what "show info" says of a process.
type Info struct {
	Version  string
	Node     string        // the host's name, or "node" of the configuration
	Pid      int           // in HAProxy's own process namespace: in a container often the same after a restart
	Uptime   time.Duration // in whole seconds
	Started  time.Time     // by the clock of HAProxy's host, in whole seconds; zero where HAProxy does not say (before 2.5)
	Stopping bool          // it was replaced by a reload, takes no connections and leaves when its sessions have ended
	Conns    int           // client connections now, those to the runtime API not counted
}

// Same tells whether two answers came from one process. Pid alone does not: a restarted container has the same again.
func (i Info) Same(other Info) bool {
	return i.Node == other.Node && i.Pid == other.Pid && i.Started.Equal(other.Started)
}

// ParseInfo reads the answer to "show info". Unknown fields are passed over. The error wraps [ErrProtocol].
func ParseInfo(text string) (Info, error) {
	fields := make(map[string]string, 80)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ":"); ok {
			fields[key] = strings.TrimSpace(value)
		}
	}
	number := func(key string, required bool) (int64, error) {
		value, ok := fields[key]
		if !ok && !required {
			return 0, nil
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return 0, protocolError("show info: field %s is %q, not a number from 0", key, shorten(value, 40))
		}
		return n, nil
	}
	info := Info{Version: fields["Version"], Node: fields["node"]}
	if info.Version == "" {
		return Info{}, protocolError("show info: no field Version")
	}
	pid, err := number("Pid", true)
	if err != nil {
		return Info{}, err
	}
	uptime, err := number("Uptime_sec", true)
	if err != nil {
		return Info{}, err
	}
	stopping, err := number("Stopping", false)
	if err != nil {
		return Info{}, err
	}
	started, err := number("Start_time_sec", false)
	if err != nil {
		return Info{}, err
	}
	conns, err := number("CurrConns", false)
	if err != nil {
		return Info{}, err
	}
	if uptime > int64(maxSeconds) {
		return Info{}, protocolError("show info: an uptime of %d s", uptime)
	}
	info.Pid = int(pid)
	info.Uptime = time.Duration(uptime) * time.Second
	info.Stopping = stopping != 0
	info.Conns = int(conns)
	if started > 0 {
		info.Started = time.Unix(started, 0).UTC()
	}
	return info, nil
}

// maxSeconds is the longest time that a time.Duration holds.
const maxSeconds = (1<<63 - 1) / int64(time.Second)
