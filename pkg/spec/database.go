package spec

import "time"

// Postgres is how ham reaches a member's PostgreSQL server, and how its executor runs it.
type Postgres struct {
	// DSN is how ham's probers and executors reach it over the network, as its own user.
	DSN Secret `json:"dsn"`
	// Local is how the executor beside it reaches it, by unix socket; it needs a superuser or the rights that `ham init postgres` prints.
	Local Secret `json:"local"`
	// Upstream is how a standby streams from this member: host, port, user and password of a replication user.
	Upstream Secret `json:"upstream"`
	// Service is who runs the server process: "pg_ctl", "systemd:<unit>", or "cluster:<version>/<name>" for the distribution's pg_ctlcluster.
	Service string `json:"service"`
	// Data is the data directory, Bin the directory of pg_ctl and its like (empty: found by the version in Data).
	Data string `json:"data"`
	Bin  string `json:"bin,omitempty"`
	// RunAs is the user that owns Data and runs the server; empty: the executor's own.
	RunAs string `json:"run_as,omitempty"`
	// Slot is the name of the replication slot that this member streams by as a standby: ham_<member>.
	Slot string `json:"slot"`
	// AppName is its application_name as a standby, by which synchronous_standby_names calls it. It is the member's name.
	AppName string `json:"app_name"`
}

// PostgresArgs is what the postgres driver is given in a plan.
type PostgresArgs struct {
	// Action is one of:
	//   still-down   look: ends the swap if Member is up as a primary after all
	//   streaming    look: ends the swap unless the target streams and lags at most MaxLag bytes
	//   checkpoint   on the old primary: what a clean stop would otherwise wait for
	//   catch-up     on the new one: wait until it lags at most MaxLag bytes
	//   give-up      on the old primary: shut the guard, stop cleanly, say fenced
	//   promote      on the new primary: become writable on a new timeline; or start as primary where it was one
	//   writable     look: the new primary takes a write
	Action string   `json:"action"`
	Member string   `json:"member"`
	Server Postgres `json:"server"`
	// MaxLag is in bytes; negative: no matter.
	MaxLag  int64         `json:"max_lag,omitempty"`
	Timeout time.Duration `json:"timeout_ns"`
}

// Redis is how ham reaches a member's Redis server.
type Redis struct {
	// Address is host:port.
	Address  string `json:"address"`
	Password Secret `json:"password,omitempty"`
	// Service is who runs the server process: "systemd:<unit>", or empty: nobody, ham only sends it commands.
	Service string `json:"service,omitempty"`
}

// RedisArgs is what the redis driver is given in a plan: actions as for postgres, still-down, streaming, give-up, promote, writable.
type RedisArgs struct {
	Action  string        `json:"action"`
	Member  string        `json:"member"`
	Server  Redis         `json:"server"`
	MaxLag  int64         `json:"max_lag,omitempty"`
	Timeout time.Duration `json:"timeout_ns"`
}

// VIPArgs is what the vip driver is given in a plan: the floating address is on the member's interface, and nowhere else that ham manages.
type VIPArgs struct {
	// Address is an IP with its prefix length: 192.0.2.100/24. Interface is where it goes.
	Address   string `json:"address"`
	Interface string `json:"interface"`
	// Present: it shall be there; else it shall not.
	Present bool `json:"present"`
}

// PgBouncerArgs is what the pgbouncer driver is given in a plan.
type PgBouncerArgs struct {
	Route string `json:"route"`
	// Admins are the DSNs of the admin consoles (database pgbouncer).
	Admins   []Secret `json:"admins"`
	Database string   `json:"database"`
	// Action is pause, or resume: with Server, the [databases] entry is pointed there first.
	Action string `json:"action"`
	// Server is host:port of the new primary; File the configuration (or an included file that holds nothing else) that says so to PgBouncer.
	Server  string        `json:"server,omitempty"`
	File    string        `json:"file,omitempty"`
	Timeout time.Duration `json:"timeout_ns"`
}
