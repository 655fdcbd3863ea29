package spec

import (
	"regexp"
	"time"
)

// CheckKind names the way of looking; each is a package under services/prober/check.
type CheckKind string

const (
	CheckHTTP     CheckKind = "http"
	CheckTCP      CheckKind = "tcp"
	CheckExec     CheckKind = "exec"
	CheckPostgres CheckKind = "postgres"
	CheckRedis    CheckKind = "redis"
	CheckGroup    CheckKind = "group"
)

// Effect is what a failing check means.
type Effect string

const (
	// EffectDown: the member is down when this check is. The default.
	EffectDown Effect = "down"
	// EffectReady: a standby is not ready while this check fails; a primary is not swapped for it.
	EffectReady Effect = "ready"
	// EffectTell: it is told and nothing else.
	EffectTell Effect = "tell"
)

// Check is one named way of looking at every member of a group (or at those named).
type Check struct {
	Name   string
	Kind   CheckKind
	Effect Effect
	// Every is the interval between looks, 50ms to 1h; Timeout bounds one look and is at most Every, unless Every is shorter
	// than 100 ms.
	Every, Timeout time.Duration
	// From are the vantages that look.
	From []string
	// Members limits the check to these; empty: all.
	Members []string

	HTTP     *HTTPCheck
	TCP      *TCPCheck
	Exec     *ExecCheck
	Postgres *PostgresCheck
	Redis    *RedisCheck
	// The kinds that measure: see [Bound].
	Host        *HostCheck        `json:",omitempty"`
	Queue       *QueueCheck       `json:",omitempty"`
	Certificate *CertificateCheck `json:",omitempty"`

	Group *GroupCheck `json:",omitempty"`

	// OfPrimary: it says nothing about a standby, where what it looks at does not run. Set for what only the primary's side runs.
	OfPrimary bool `json:",omitempty"`
}

// GroupCheck asks a decider what it knows of another group, and says what it says of one of its members.
type GroupCheck struct {
	Group string
	// Members maps each member to the one of the other group; one that is left out is called the same. Member is the one that is looked at, as
	// [Check.For] fills it in.
	Members map[string]string
	Member  string
	// Ready asks whether that member could take over there, or is primary already, instead of whether it is up.
	Ready bool
}

// HTTPCheck asks for a page. Its connection is kept open between looks, so that a reset or a close is noticed at once.
type HTTPCheck struct {
	// URL is absolute, or a path that is added to the member's URL. It may hold ${member.*}.
	URL    string
	Method string // default GET
	// Status are the accepted codes; default 200 to 299.
	Status []StatusRange
	// Body must match, if set, within the first 64 KiB.
	Body *regexp.Regexp
	// Headers are sent; values may be secrets.
	Headers map[string]Secret
	// Redirects is how many are followed; default 0: a redirect is an answer with its own status.
	Redirects int
	// SlowerThan makes the answer degraded when it took longer; zero: never.
	SlowerThan time.Duration
	TLS        TLS
}

// StatusRange is From to To, both included.
type StatusRange struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// TLS is how a check or a driver speaks it.
type TLS struct {
	CAFile     string `json:"ca,omitempty"`
	CertFile   string `json:"cert,omitempty"`
	KeyFile    string `json:"key,omitempty"`
	ServerName string `json:"server_name,omitempty"`
	// InsecureSkipVerify accepts any certificate; said in every plan and by doctor.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
}

// TCPCheck connects, and may send and expect bytes. The connection is kept open where Hold is set, so that its end is noticed at once.
type TCPCheck struct {
	Address string // host:port; empty: the member's URL
	Send    string
	Expect  *regexp.Regexp
	Hold    bool
	// Soft: a refusal is no hard evidence; several in a row are needed, as for silence. For what may be restarted without harm.
	Soft bool
	TLS  *TLS // nil: plain
}

// ExecCheck runs a command that follows the Nagios plugin convention: 0 up, 1 degraded, 2 down, 3 unknown; perfdata after '|'.
type ExecCheck struct {
	Command []string // argv; no shell
	Env     map[string]Secret
	Dir     string
}

// PostgresCheck logs in and looks; on a primary it also writes. Its connection is kept open, so that its end is noticed at once.
type PostgresCheck struct {
	// DSN is a URL or key=value string; empty: the member's. ham's user needs no more than what `ham init postgres` prints.
	DSN Secret
	// ReadOnly leaves out the probe transaction on a primary. That transaction waits for the local disk alone, never for a standby.
	ReadOnly bool
}

// RedisCheck asks for the role and the state of replication.
type RedisCheck struct {
	// Address is host:port; empty: the member's. Password is optional.
	Address  string
	Password Secret
}
