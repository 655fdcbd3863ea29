package spec

import "time"

// When a step of the operator's own takes part.
const (
	WhenAlways     = "always"
	WhenGraceful   = "graceful"   // switchover, failback, drill
	WhenUngraceful = "ungraceful" // failover
)

// Place of a step relative to the routes.
const (
	BeforeRoutes = "before-routes" // the default: make the new primary ready first
	AfterRoutes  = "after-routes"
	// First is with the looks, before anything is changed: only for steps that change nothing (wait, assert).
	First = "first"
	// BeforeLooks is where an approval step stands that is first: a person may take long, so what ham looks at it looks at after that.
	BeforeLooks = "before-looks"
)

// ApprovalPatience is how long an approval step waits for a person that does not say how long.
const ApprovalPatience = 30 * time.Minute

// Step is one of the operator's own steps.
type Step struct {
	Name      string
	When      string
	Place     string
	On        string // any, new, old, executor:<name>
	After     []string
	Timeout   time.Duration
	Retries   int
	Backoff   time.Duration
	OnFailure string // pause (default), abort, go-on

	Exec   *ExecArgs
	HTTP   *HTTPArgs
	Wait   *WaitArgs
	Assert *AssertArgs
	// Approve makes it an approval step: the swap waits until a person approves it, for Timeout at most.
	Approve *ApproveArgs
}

// ApproveArgs is what an approval step asks.
type ApproveArgs struct {
	// Text is what a person is asked to make sure of.
	Text string `json:"text"`
}

// ExecArgs is the exec driver's configuration: a command, and how to tell whether it is done already.
type ExecArgs struct {
	// Command is an argv, run without a shell, in its own process group. HAM_GROUP, HAM_EPOCH, HAM_OLD, HAM_NEW, HAM_ROLE, HAM_STEP, HAM_KIND are set.
	Command []string `json:"command"`
	// Done is a command that exits 0 when the step is done already, 1 when not. Without it a step of unknown outcome pauses for a person.
	Done []string          `json:"done,omitempty"`
	Env  map[string]Secret `json:"env,omitempty"`
	Dir  string            `json:"dir,omitempty"`
	// Look, if set, is run by dry run and prints what is there now; it must change nothing.
	Look []string `json:"look,omitempty"`
}

// HTTPArgs is the http driver's configuration: a call that must be idempotent by its own nature, or has a Done call.
type HTTPArgs struct {
	URL     string            `json:"url"`
	Method  string            `json:"method,omitempty"` // default POST
	Headers map[string]Secret `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	// Status are accepted codes; default 200 to 299.
	Status []StatusRange `json:"status,omitempty"`
	// Done is a GET that answers an accepted status when the step is done already.
	Done string `json:"done,omitempty"`
	TLS  *TLS   `json:"tls,omitempty"`
}

// WaitArgs is the wait driver's configuration: wait until a look answers as wanted.
type WaitArgs struct {
	Until LookArgs      `json:"until"`
	Every time.Duration `json:"every_ns,omitempty"` // default 200ms
}

// AssertArgs is the assert driver's configuration: the swap is right only while a look answers as wanted.
type AssertArgs struct {
	That LookArgs `json:"that"`
	// Ends: an assertion that does not hold ends the swap without having applied anything, instead of failing the step.
	Ends bool `json:"ends,omitempty"`
}

// What a database is that a look looks at.
const (
	RolePrimary = "primary" // it takes writes
	RoleStandby = "standby" // it follows
)

// LookArgs is one look at one place, from the executor that runs the step.
type LookArgs struct {
	HTTP string `json:"http,omitempty"` // URL
	TCP  string `json:"tcp,omitempty"`  // host:port
	// Command follows the Nagios plugin convention: 0 up, 1 degraded (counts as up), 2 down, 3 unknown.
	Command []string          `json:"command,omitempty"`
	Env     map[string]Secret `json:"env,omitempty"` // of Command
	Dir     string            `json:"dir,omitempty"` // of Command
	Status  []StatusRange     `json:"status,omitempty"`
	Body    string            `json:"body,omitempty"` // regular expression
	// Headers and TLS are those of the check that the look was made from.
	Headers map[string]Secret `json:"headers,omitempty"`
	TLS     *TLS              `json:"tls,omitempty"`
	// Postgres is a DSN; up is a server that answers and has the Role.
	Postgres Secret `json:"postgres,omitempty"`
	// Role is RolePrimary, RoleStandby, or empty: no matter.
	Role    string        `json:"role,omitempty"`
	Timeout time.Duration `json:"timeout_ns"`
	// Want is "up" or "down".
	Want string `json:"want"`
}
