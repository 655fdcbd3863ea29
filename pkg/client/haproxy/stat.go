package haproxy

import (
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// Stats are the counters of a backend and of its servers.
type Stats struct {
	Backend Stat
	Servers []Stat // in the order of the configuration
}

// Server finds a server's counters; ok is false where the backend has none of this name.
func (s Stats) Server(name string) (stat Stat, ok bool) {
	for _, stat := range s.Servers {
		if stat.Server == name {
			return stat, true
		}
	}
	return Stat{}, false
}

// Stat is one line of "show stat": a server, or a backend as a whole.
type Stat struct {
	Backend     string
	Server      string        // "BACKEND" for the backend as a whole
	Status      string        // HAProxy's words: "UP", "DOWN", "MAINT", "DRAIN", "no check", "UP 1/3", …
	Sessions    int           // now on it (scur)
	Queued      int           // waiting for it (qcur)
	Total       int64         // sessions since start
	Weight      int           // effective
	Active      int           // active servers: 1 or 0 for a server, how many for a backend
	Backup      bool          // a server is marked "backup"; a backend has such servers in use
	CheckStatus string        // of the last check: "L4OK", "L7STS", …; "* " before it while one runs; empty without checks
	LastCheck   string        // what the last check saw, in words
	Downtime    time.Duration // in whole seconds
	ConnErrors  int64         // connections to it that failed
	Retries     int64
	Redispatch  int64  // requests sent elsewhere after it failed them
	Addr        string // address and port; empty on sockets below level operator
}

// Drained tells whether nothing is on the server nor waits for it.
func (s Stat) Drained() bool { return s.Sessions == 0 && s.Queued == 0 }

// ParseStat reads the answer to "show stat" in CSV. Columns are found by their names; lines that are neither a backend
// nor a server are passed over. An answer without a backend is ErrNoSuchBackend: the name is a frontend's.
// Other errors wrap [ErrProtocol].
func ParseStat(text string) (Stats, error) {
	header, ok := strings.CutPrefix(text, "# ")
	if !ok {
		return Stats{}, protocolError("show stat: does not begin with the names of the columns")
	}
	r := csv.NewReader(strings.NewReader(header))
	r.FieldsPerRecord = -1 // the header ends in a comma, lines of older versions do not
	r.ReuseRecord = true
	names, err := r.Read()
	if err != nil {
		return Stats{}, protocolError("show stat: %v", err)
	}
	column := make(map[string]int, len(names))
	for i, name := range names {
		column[name] = i
	}
	for _, name := range []string{"pxname", "svname", "qcur", "scur", "status", "type"} {
		if _, ok := column[name]; !ok {
			return Stats{}, protocolError("show stat: no column %s", name)
		}
	}
	var stats Stats
	seen := false
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Stats{}, protocolError("show stat: %v", err)
		}
		stat, kind, err := parseStat(column, record)
		if err != nil {
			return Stats{}, err
		}
		switch kind {
		case "1":
			stats.Backend, seen = stat, true
		case "2":
			stats.Servers = append(stats.Servers, stat)
		}
	}
	if !seen {
		return Stats{}, ErrNoSuchBackend
	}
	return stats, nil
}

func parseStat(column map[string]int, record []string) (stat Stat, kind string, failed error) {
	field := func(name string) string {
		if i, ok := column[name]; ok && i < len(record) {
			return strings.Clone(record[i])
		}
		return ""
	}
	numberFrom := func(least int64, name string) int64 {
		value := field(name)
		if value == "" {
			return 0 // not kept for this kind of line
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if (err != nil || n < least) && failed == nil {
			failed = protocolError("show stat: column %s is %q, not a number from %d", name, shorten(value, 40), least)
		}
		return n
	}
	number := func(name string) int64 { return numberFrom(0, name) }
	stat = Stat{
		Backend:     field("pxname"),
		Server:      field("svname"),
		Status:      field("status"),
		Sessions:    int(number("scur")),
		Queued:      int(number("qcur")),
		Total:       number("stot"),
		Weight:      int(number("weight")),
		Active:      int(number("act")),
		Backup:      number("bck") > 0,
		CheckStatus: field("check_status"),
		LastCheck:   field("last_chk"),
		Downtime:    time.Duration(max(0, min(numberFrom(-1, "downtime"), maxSeconds))) * time.Second, // -1 as in SinceChange
		ConnErrors:  number("econ"),
		Retries:     number("wretr"),
		Redispatch:  number("wredis"),
		Addr:        field("addr"),
	}
	return stat, field("type"), failed
}
