package spec

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// The kinds that measure. What they say never makes a verdict, a readiness or a swap: their effect is [EffectTell], always.
const (
	CheckHost        CheckKind = "host"
	CheckQueue       CheckKind = "queue"
	CheckCertificate CheckKind = "certificate"
)

// Bound is one figure of a check that is not to go too far.
//
// It warns once the figure was at Max or beyond for For, and resolves once it was at Clear or on the safe side of it for
// For, and for three looks in a row. In between nothing changes, so a figure that flutters at its bound is told once.
type Bound struct {
	// Figure is its key in the look's figures: "cpu", "disk /var".
	Figure string
	Unit   Unit
	// Max and Clear are in Unit. Below turns the bound around: less is worse, and Clear is not less than Max.
	Max, Clear float64
	Below      bool
	// For is 0 to 24h.
	For time.Duration
}

// Unit is what a figure is counted in.
type Unit string

const (
	Percent Unit = "%"
	Plain   Unit = ""
	Entries Unit = "entries"
	Days    Unit = "days"
)

// Show writes a figure with its unit: "92.4%", "1200 entries", "3 days".
func (u Unit) Show(v float64) string {
	text := strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	switch u {
	case Percent:
		return text + "%"
	case Plain:
		return text
	case Entries, Days:
		if text == "1" {
			return text + " " + map[Unit]string{Entries: "entry", Days: "day"}[u]
		}
	}
	return text + " " + string(u)
}

// Over says whether value is at the bound or beyond it, Well whether it is far enough on the safe side to resolve.
func (b Bound) Over(value float64) bool {
	if b.Below {
		return value <= b.Max
	}
	return value >= b.Max
}

func (b Bound) Well(value float64) bool {
	if b.Below {
		return value >= b.Clear && !b.Over(value)
	}
	return value <= b.Clear && !b.Over(value)
}

// HostCheck measures the machine that the prober runs on. Each bound is nil where it is not declared.
type HostCheck struct {
	CPU, Memory, Load *Bound
	// Disks are by path: the file system that holds it.
	Disks map[string]Bound
	// For is that of the bounds that declare none.
	For time.Duration
}

// QueueCheck measures the length of a Redis list.
type QueueCheck struct {
	// Address is host:port; empty: that of the member's redis, with its password.
	Address  string
	Password Secret
	List     string
	Bound    Bound
}

// CertificateCheck measures for how many days a certificate is still valid: of all that a server shows or a file holds, the one that ends first.
type CertificateCheck struct {
	// Exactly one of Address (host:port, TLS) and File (PEM, on the prober's machine) is set.
	Address, File string
	// ServerName is what the server is asked for; empty: the host of Address.
	ServerName string
	Bound      Bound
}

// Figures of the checks that have one.
const (
	FigureCPU    = "cpu"
	FigureMemory = "memory"
	FigureLoad   = "load"
	FigureLength = "length"
	FigureDays   = "days"
	diskPrefix   = "disk "
)

// FigureDisk is the figure of the file system that holds path.
func FigureDisk(path string) string { return diskPrefix + path }

// Measures says whether the check is one of the kinds that measure.
func (c *Check) Measures() bool {
	return c.Host != nil || c.Queue != nil || c.Certificate != nil
}

// Local says whether the check looks at the machine that the prober runs on, so that only the prober beside a member can look at it.
func (c *Check) Local() bool {
	return c.Host != nil || c.Certificate != nil && c.Certificate.File != ""
}

// Bounds are the check's bounds, sorted by figure; none for a check that does not measure.
func (c *Check) Bounds() []Bound {
	var out []Bound
	switch {
	case c.Host != nil:
		for _, b := range []*Bound{c.Host.CPU, c.Host.Memory, c.Host.Load} {
			if b != nil {
				out = append(out, *b)
			}
		}
		for _, b := range c.Host.Disks {
			out = append(out, b)
		}
	case c.Queue != nil:
		out = []Bound{c.Queue.Bound}
	case c.Certificate != nil:
		out = []Bound{c.Certificate.Bound}
	}
	slices.SortFunc(out, func(a, b Bound) int {
		if a.Figure < b.Figure {
			return -1
		}
		return 1
	})
	return out
}

// VantagesOf are the vantages from which m is looked at: all of From; for a check that is [Check.Local] the one beside m: called as the member, as
// its executor, or as its site, in this order.
func (c *Check) VantagesOf(m Member) []string {
	if !c.Local() {
		return c.From
	}
	for _, v := range []string{m.Name, m.Executor, m.Site} {
		if v != "" && slices.Contains(c.From, v) {
			return []string{v}
		}
	}
	return nil
}

// Deciding are the checks that a verdict or a readiness may come from: all but those that measure.
func (g *Group) Deciding() []Check {
	return slices.DeleteFunc(slices.Clone(g.Checks), func(c Check) bool { return c.Measures() })
}
