package file

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

const (
	measureEvery       = 10 * time.Second
	measureTimeout     = 2 * time.Second
	certificateEvery   = time.Minute
	certificateTimeout = 5 * time.Second
	measureFor         = time.Minute
	mostFor            = 24 * time.Hour
	// clearShare of the bound is where it resolves, unless another value is declared.
	clearShare = 0.9
	unset      = time.Duration(-1)
)

// measuring are the kinds whose effect is tell, always.
var measuring = []string{string(spec.CheckHost), string(spec.CheckQueue), string(spec.CheckCertificate)}

// figureForm is how a figure is written.
type figureForm struct {
	unit        spec.Unit
	least, most float64
	whole       bool
	such        string
}

var (
	percentForm = figureForm{unit: spec.Percent, least: 1, most: 100, such: "a share such as 90%, from 1% to 100%"}
	loadForm    = figureForm{unit: spec.Plain, least: 0.1, most: 10000, such: "a number such as 4, from 0.1 to 10000"}
	lengthForm  = figureForm{unit: spec.Entries, least: 1, most: 1e12, whole: true, such: "a whole number such as 1000, from 1 to 1000000000000"}
	daysForm    = figureForm{unit: spec.Days, least: 1, most: 3650, whole: true, such: "a whole number of days such as 14, from 1 to 3650"}
)

// figure reads a value of at least least. False: it was none, and that was told.
func (c cursor) figure(f figureForm, least float64, into *float64) bool {
	text := c.node.Value
	if f.unit == spec.Percent {
		var ok bool
		if text, ok = strings.CutSuffix(text, "%"); !ok {
			c.want(f.such)
			return false
		}
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if !c.scalar() || err != nil || math.IsNaN(v) || v < least || v > f.most || f.whole && v != math.Trunc(v) {
		c.want(f.such)
		return false
	}
	*into = v
	return true
}

// boundKeys are max (or days), clear and for of a bound.
func boundKeys(name string, f figureForm, resolves, def string, most time.Duration) []key[spec.Bound] {
	least := f.least
	if f.unit == spec.Entries {
		least = 0
	}
	wait := duration("for", 0, 0, mostFor, "How long it must be so, at every look, before anything is told; the same for the end.", func(b *spec.Bound) *time.Duration { return &b.For })
	wait.def = def
	wait.fill = func(b *spec.Bound) { b.For = most }
	return []key[spec.Bound]{
		required(key[spec.Bound]{
			name: name, form: f.such, means: "Where a warning is told: there and beyond.",
			read: func(c cursor, b *spec.Bound) { c.figure(f, f.least, &b.Max) },
		}),
		{
			name: "clear", form: f.such, def: resolves, means: "Where it resolves: there and on the safe side. In between nothing changes.",
			read: func(c cursor, b *spec.Bound) { c.figure(f, least, &b.Clear) },
		},
		wait,
	}
}

// settle fills the clear value that is not written, and refuses one on the wrong side.
func settle(c cursor, written bool, b *spec.Bound, name string) {
	switch {
	case b.Max == 0 || written && !c.r.clean(c.path+".clear"):
	case !written && b.Below:
		b.Clear = b.Max + 1
	case !written && b.Unit == spec.Entries:
		b.Clear = math.Floor(b.Max * clearShare)
	case !written:
		b.Clear = b.Max * clearShare
	case b.Below && b.Clear <= b.Max:
		c.r.failAt(c.path+".clear", "got %s, want more than %s (%s): it would resolve while it warns", b.Unit.Show(b.Clear), name, b.Unit.Show(b.Max))
	case !b.Below && b.Clear >= b.Max:
		c.r.failAt(c.path+".clear", "got %s, want less than %s (%s): it would resolve while it warns", b.Unit.Show(b.Clear), name, b.Unit.Show(b.Max))
	}
}

func boundObject(title string, f figureForm) *object[spec.Bound] {
	return &object[spec.Bound]{
		title: title, short: "max",
		means: "When one figure of a host warns, and when it resolves. A plain value stands for max.",
		keys:  boundKeys("max", f, "nine tenths of max", "that of host", unset),
		also: func(c cursor, written map[string]bool, b *spec.Bound) {
			b.Unit = f.unit
			settle(c, written["clear"], b, "max")
		},
	}
}

var (
	shareObject = boundObject("share", percentForm)
	loadObject  = boundObject("load", loadForm)
)

func (c cursor) bound(o *object[spec.Bound], figure string) spec.Bound {
	b := spec.Bound{Figure: figure}
	written := o.read(c, &b)
	if !isMapping(c) { // a plain value has no mapping to look at as a whole
		o.also(c, written, &b)
	}
	return b
}

func hostFigure(name string, o *object[spec.Bound], f figureForm, means string, get func(*spec.HostCheck) **spec.Bound) key[spec.HostCheck] {
	return key[spec.HostCheck]{
		name: name, form: f.such + "; or a mapping", section: o.title, means: means,
		read: func(c cursor, h *spec.HostCheck) {
			b := c.bound(o, name)
			*get(h) = &b
		},
	}
}

const maxDisks = 16

var hostObject = object[spec.HostCheck]{
	title: "host",
	means: "A check of kind host: it measures the machine of the prober, so each member is looked at by the vantage beside it, which is called as the member, as its executor or as its site. At least one figure.",
	keys: []key[spec.HostCheck]{
		hostFigure("cpu", shareObject, percentForm, "The share of all processors that was busy since the look before.", func(h *spec.HostCheck) **spec.Bound { return &h.CPU }),
		hostFigure("memory", shareObject, percentForm, "The share of memory that is not available.", func(h *spec.HostCheck) **spec.Bound { return &h.Memory }),
		hostFigure("load", loadObject, loadForm, "The load average of one minute, of the whole machine.", func(h *spec.HostCheck) **spec.Bound { return &h.Load }),
		{
			name: "disk", form: "a mapping from paths to shares such as 90%", limits: fmt.Sprintf("1 to %d of them", maxDisks), section: shareObject.title,
			means: "The share that is used of the file system which holds the path.",
			read: func(c cursor, h *spec.HostCheck) {
				h.Disks = map[string]spec.Bound{}
				c.entries("a mapping from paths to shares such as {/: 90%}", func(k, v cursor) {
					path := k.node.Value
					if problem := badPath(path); problem != "" {
						k.fail("got %s, %s", k.got(), problem)
						return
					}
					if len(path) > 200 {
						k.fail("has %d bytes, want at most 200", len(path))
						return
					}
					h.Disks[path] = v.bound(shareObject, spec.FigureDisk(path))
				})
				c.most(len(h.Disks), maxDisks, "disk")
			},
		},
		duration("for", measureFor, 0, mostFor, "How long a figure must be so, at every look, before anything is told; the same for the end.", func(h *spec.HostCheck) *time.Duration { return &h.For }),
	},
	also: func(c cursor, written map[string]bool, h *spec.HostCheck) {
		if !written["cpu"] && !written["memory"] && !written["load"] && !written["disk"] {
			c.fail("names no figure, want at least one of cpu, memory, load, disk")
		}
		for _, b := range []*spec.Bound{h.CPU, h.Memory, h.Load} {
			if b != nil && b.For == unset {
				b.For = h.For
			}
		}
		for path, b := range h.Disks {
			if b.For == unset {
				b.For = h.For
			}
			h.Disks[path] = b
		}
	},
}

// of makes keys of a bound into keys of what has it.
func of[T any](keys []key[spec.Bound], get func(*T) *spec.Bound) []key[T] {
	var out []key[T]
	for _, k := range keys {
		to := key[T]{name: k.name, form: k.form, limits: k.limits, def: k.def, means: k.means, required: k.required, section: k.section}
		to.read = func(c cursor, into *T) { k.read(c, get(into)) }
		if k.fill != nil {
			to.fill = func(into *T) { k.fill(get(into)) }
		}
		out = append(out, to)
	}
	return out
}

func queueBound(q *spec.QueueCheck) *spec.Bound { return &q.Bound }

var queueObject = object[spec.QueueCheck]{
	title: "queue",
	means: "A check of kind queue: the length of a Redis list.",
	keys: append([]key[spec.QueueCheck]{
		{
			name: "redis", form: "host:port", def: "that of the member's redis", means: "Where the list is. It may hold ${member.…}.",
			read: func(c cursor, q *spec.QueueCheck) {
				c.expanding("host:port", ofMember, func(s string, _ spec.Member) string { return badHostPort(s) }, &q.Address)
			},
		},
		defaulting(secretKey("password", "Its password.", true, func(q *spec.QueueCheck) *spec.Secret { return &q.Password }), "the member's, where redis is left out too"),
		required(key[spec.QueueCheck]{
			name: "list", form: "a key", means: "The list's key. It may hold ${member.…}. One that is not there is empty.",
			read: func(c cursor, q *spec.QueueCheck) { c.expanding("a key", ofMember, nil, &q.List) },
		}),
	}, of(boundKeys("max", lengthForm, "nine tenths of max", show(measureFor), measureFor), queueBound)...),
	also: func(c cursor, written map[string]bool, q *spec.QueueCheck) {
		q.Bound.Figure, q.Bound.Unit = spec.FigureLength, spec.Entries
		settle(c, written["clear"], &q.Bound, "max")
	},
}

func certificateBound(x *spec.CertificateCheck) *spec.Bound { return &x.Bound }

var certificateObject = object[spec.CertificateCheck]{
	title: "certificate",
	means: "A check of kind certificate: for how many days it is still valid. Of several (a chain, a file with more than one) the one that ends first counts. Exactly one of address and file.",
	keys: append([]key[spec.CertificateCheck]{
		{
			name: "address", form: "host:port", means: "A server that speaks TLS; whether its certificate is trusted does not matter. It may hold ${member.…}.",
			read: func(c cursor, x *spec.CertificateCheck) {
				c.expanding("host:port", ofMember, func(s string, _ spec.Member) string { return badHostPort(s) }, &x.Address)
			},
		},
		{
			name: "file", form: formPath, means: "A file with certificates in PEM form, on the machine of the prober beside the member. It may hold ${member.…}.",
			read: func(c cursor, x *spec.CertificateCheck) {
				c.expanding(formPath, ofMember, func(s string, _ spec.Member) string { return badPath(s) }, &x.File)
			},
		},
		defaulting(key[spec.CertificateCheck]{
			name: "server_name", form: "a host name", means: "The name that the server is asked for. It may hold ${member.…}.",
			read: func(c cursor, x *spec.CertificateCheck) {
				c.expanding("a host name", ofMember, func(s string, _ spec.Member) string {
					if strings.ContainsAny(s, " /:@") {
						return "want a host name without port"
					}
					return ""
				}, &x.ServerName)
			},
		}, "the address's host"),
	}, of(boundKeys("days", daysForm, "a day more than days", "0s", 0), certificateBound)...),
	also: func(c cursor, written map[string]bool, x *spec.CertificateCheck) {
		x.Bound.Figure, x.Bound.Unit, x.Bound.Below = spec.FigureDays, spec.Days, true
		settle(c, written["clear"], &x.Bound, "days")
		switch {
		case written["address"] == written["file"]:
			c.fail("want exactly one of address and file")
		case written["file"] && written["server_name"]:
			c.r.failAt(c.path+".server_name", "is about a server, and here a file is read: leave it out")
		}
	},
}

// measureKeys are the kinds that measure.
func measureKeys() []key[spec.Check] {
	return []key[spec.Check]{
		{
			name: "host", form: "a mapping", section: hostObject.title,
			means: "Measure the machine: processors, memory, load, disks. It warns and resolves, and never swaps.",
			read: func(c cursor, into *spec.Check) {
				into.Host = new(spec.HostCheck)
				hostObject.read(c, into.Host)
			},
		},
		{
			name: "queue", form: "a mapping", section: queueObject.title,
			means: "Measure the length of a Redis list. It warns and resolves, and never swaps.",
			read: func(c cursor, into *spec.Check) {
				into.Queue = new(spec.QueueCheck)
				queueObject.read(c, into.Queue)
			},
		},
		{
			name: "certificate", form: "a mapping", section: certificateObject.title,
			means: "Measure for how many days a certificate is still valid. It warns and resolves, and never swaps.",
			read: func(c cursor, into *spec.Check) {
				into.Certificate = new(spec.CertificateCheck)
				certificateObject.read(c, into.Certificate)
			},
		},
	}
}

// onlyTells holds a check that measures to its effect, and gives it a pace of its own.
func onlyTells(c cursor, written map[string]bool, check *spec.Check) {
	if !slices.Contains(measuring, string(check.Kind)) {
		return
	}
	if written["effect"] && check.Effect != spec.EffectTell {
		c.r.failAt(c.path+".effect", "got %s, want tell, or leave it out: what is measured is told, and never makes a member down, unready or swapped", check.Effect)
	}
	check.Effect = spec.EffectTell
	every, timeout := measureEvery, measureTimeout
	if check.Certificate != nil {
		every, timeout = certificateEvery, certificateTimeout
	}
	if !written["every"] {
		check.Every = every
	}
	if !written["timeout"] {
		check.Timeout = min(timeout, max(check.Every, shortEvery))
	}
}

// measured checks who looks at what.
func (r *reader) measured(g *spec.Group, c *spec.Check, path string) {
	if !c.Measures() || !r.clean("members") {
		return
	}
	by := map[string]string{} // vantage → member
	for _, m := range g.Members {
		if !c.Looks(m.Name) {
			continue
		}
		if c.Queue != nil && c.Queue.Address == "" && m.Redis == nil {
			r.failAt(path+".queue", "names no redis, and member %s has none: write redis: host:port here, or redis at the member", m.Name)
		}
		if !c.Local() {
			continue
		}
		from := c.VantagesOf(m)
		if len(from) == 0 {
			r.failAt(path, "looks at the machine of its prober, and no vantage of from (%s) is called as member %s, its executor or its site: name one, or leave the member out with members", strings.Join(c.From, ", "), m.Name)
			continue
		}
		if other := by[from[0]]; other != "" {
			r.failAt(path, "looks at the machine of its prober, and vantage %s would stand for %s and for %s: give each machine a vantage called as its member, or name one of them in members", from[0], other, m.Name)
			continue
		}
		by[from[0]] = m.Name
	}
}
