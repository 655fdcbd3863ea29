package spec

import "time"

// Process is how one process of ham is set up: the document of a file that begins with "ham:".
type Process struct {
	// Name is the writer's name on the bus; default the host's name made into a name.
	Name string
	// Site is where this process stands.
	Site string
	Bus  Bus
	// HTTP is the address of /healthz, /readyz and /metrics; default 127.0.0.1:8322. "off": none.
	HTTP string
	// Prober, Executor, Decider, Notifier set up the parts that run here.
	Prober   Prober
	Executor Executor
	Channels []Channel
	// Notify is what the notifier does beside telling each event.
	Notify  Notify
	Console Console
	// Remind are the days before the end of a certificate of ham's own at which people are reminded of it, each once; none: [DefaultRemind].
	Remind []int `json:",omitempty"`
	// StateDir is where the embedded server and the executor keep their files.
	StateDir string
	// ShutdownTimeout bounds an orderly stop.
	ShutdownTimeout time.Duration
}

// DefaultRemind is when people are reminded where nobody says otherwise.
var DefaultRemind = []int{14, 7, 1}

// Bus is how to reach NATS: an embedded server, or URLs of an external one.
type Bus struct {
	URLs   []string
	Listen string // embedded: address for clients, "" in-process only
	Creds  string // file with user JWT and seed
	NKey   string // file with an nkey seed
	User   string
	Pass   Secret
	TLS    TLS
	// Users of the embedded server, needed to listen beyond loopback.
	Users []BusUser
	// Cert and key of the embedded server.
	ServerCert, ServerKey string
	// Cluster makes the embedded server one of several; nil: it stands alone.
	Cluster  *BusCluster
	Replicas int // default 1
}

// BusCluster joins the embedded server to those of other processes. Servers speak TLS to each other with the server's certificate.
type BusCluster struct {
	// Name is the same on every server of the cluster.
	Name string
	// Listen is host:port for the other servers.
	Listen string
	// Routes are where the others listen: host:port. One that is this server's own is harmless, so all may be given the same list.
	Routes []string
	// CA signed the servers' certificates: each asks the other for one of these. Empty: only this machine can reach Listen.
	CA string
	// Pass is what the servers show each other.
	Pass Secret
}

// BusUser may connect to the embedded server.
type BusUser struct {
	NKey string // public key
	Name string
	Pass Secret
}

// Prober is the prober of this process.
type Prober struct {
	// Vantages are the names it looks from; default the site.
	Vantages []string
	// References are targets that it must see to count as a witness: tcp://host:port or http(s)://…; empty: it is never blind.
	References []string
	Timeout    time.Duration
}

// Executor is the executor of this process.
type Executor struct {
	// Sites are those whose members it may change; empty: all.
	Sites []string
	// Peer is the address (host:port) at which it answers the executors of other members; empty: it does not.
	Peer string
	// PeerSecret authenticates their requests to each other.
	PeerSecret Secret
}

// Channel is one way to reach people.
type Channel struct {
	Name string // "slack", "pager": what notify rules name
	Kind string // slack, slack-webhook, webhook, email, discord, teams, telegram, pagerduty, log
	// Token is a Slack or Telegram bot's token, PagerDuty's integration key, a mail server's password, or the key that a webhook's posts are signed
	// with; URL where a kind that has an address of its own posts.
	Token   Secret
	URL     Secret
	API     string // address of the API, for tests, proxies and other regions
	Headers map[string]Secret
	// Default is the channel or recipient where a rule names none: "#ops", "ops@example.org".
	Default string
	// People are who may press what a Slack channel shows; none: it shows no buttons. What they press comes by Socket Mode, for which
	// AppToken is, or as requests to Listen, signed with SigningSecret.
	People        []ChatPerson
	AppToken      Secret
	SigningSecret Secret
	Listen        string
	// Lang is the language of what is told: en or pt-BR; empty: English.
	Lang string
	// Server (host:port), TLS (starttls, tls or none), User and From are those of a mail channel.
	Server, TLS, User, From string
	// Digest is when the week is told in one message, Daily when a line says that all is well or not; nil: never.
	Digest, Daily *Schedule
}

// DefaultChatListen is where what is pressed in Slack comes in, if it does not come by Socket Mode.
const DefaultChatListen = "127.0.0.1:8322"

// ChatPerson is one user of a workspace.
type ChatPerson struct {
	ID    string // the workspace's: U024BE7LH
	Name  string // stands in the record of all that they press
	Roles Roles
}
