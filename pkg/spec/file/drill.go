package file

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on machines that have none

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

const (
	maxDrills  = 32
	maxBlocked = 64
)

var drillObject = object[spec.Drill]{
	title: "drill",
	means: "A rehearsal by the calendar: at each of these times the deciders ask for a drill, as a person would by ham drill. What refuses a drill refuses it too, and is told. One that nobody was there to ask for is not made up for.",
	keys: []key[spec.Drill]{
		{
			name: "at", form: "a cron expression: minute, hour, day of month, month, day of week", limits: "such as 0 3 * * sat", required: true,
			means: "When. A time that clocks skip in spring is due as much later as they skip, one that they show twice in autumn the first time.",
			read:  func(c cursor, d *spec.Drill) { readCron(c, "a drill", &d.At) },
		},
		zoneKey("Whose clocks it is read by.", func(d *spec.Drill) *spec.Zone { return &d.Zone }),
		duration("hold", message.DefaultHold.Std(), 0, message.MaxHold.Std(), "How long the other member stays primary before the roles go back.", func(d *spec.Drill) *time.Duration { return &d.Hold }),
		nameKey("to", "The member that is primary meanwhile. Left out: the decider chooses.", func(d *spec.Drill) *string { return &d.To }),
		textKey("reason", "a text", "Why, for the record.", func(d *spec.Drill) *string { return &d.Reason }),
	},
}

func zoneKey[T any](means string, get func(*T) *spec.Zone) key[T] {
	return key[T]{
		name: "zone", form: "a time zone by its IANA name, such as America/Sao_Paulo", def: "UTC", means: means,
		read: func(c cursor, into *T) {
			loc, err := time.LoadLocation(c.node.Value)
			if !c.scalar() || err != nil || c.node.Value == "" || c.node.Value == "Local" {
				c.want("a time zone by its IANA name, such as America/Sao_Paulo or UTC")
				return
			}
			*get(into) = spec.In(loc)
		},
		fill: func(into *T) { *get(into) = spec.In(time.UTC) },
	}
}

// readCron reads when something happens, an hour apart at least.
func readCron(c cursor, what string, into *string) {
	const want = "five fields: minute, hour, day of month, month, day of week, such as 0 3 * * sat for each Saturday at 3"
	if !c.scalar() || len(strings.Fields(c.node.Value)) != 5 {
		c.want(want)
		return
	}
	try := spec.Drill{At: strings.Join(strings.Fields(c.node.Value), " ")}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 50 {
		next, ok := try.Next(now)
		switch {
		case !ok && i == 0:
			c.want(want + "; this one never comes")
			return
		case i > 0 && next.Sub(now) < time.Hour:
			c.want(what + " an hour at most: this one comes again after " + show(next.Sub(now)))
			return
		}
		now = next
	}
	*into = try.At
}

func readDrills(c cursor, g *spec.Group) {
	c.list("a list of drills", false, func(item cursor) {
		var d spec.Drill
		drillObject.read(item, &d)
		if d.To != "" && !slices.Contains(c.r.memberKeys, d.To) && len(c.r.memberKeys) > 0 {
			item.fail("to names %s, which is no member: want one of %s", d.To, strings.Join(c.r.memberKeys, ", "))
		}
		g.Drills = append(g.Drills, d)
	})
	c.most(len(g.Drills), maxDrills, "drill")
}

// blockedText is a window as it is written.
type blockedText struct {
	from, until, weekly, why string
	zone                     spec.Zone
}

var blockedObject = object[blockedText]{
	title: "blocked",
	means: "A time in which no drill begins and nothing that was planned ahead happens: from and until, or weekly. A person may set it aside with a reason. Swaps by themselves and those that a person asks for at the time are not held back.",
	keys: []key[blockedText]{
		textKey("from", "a date or a time, such as 2026-12-20 or 2026-12-20 18:00", "When it begins.", func(b *blockedText) *string { return &b.from }),
		textKey("until", "a date or a time", "When it ends. A date: at the end of that day.", func(b *blockedText) *string { return &b.until }),
		textKey("weekly", "days and hours, such as mon-fri 08:00-20:00 or sat,sun", "The same each week. Hours that end before they begin end on the day after.", func(b *blockedText) *string { return &b.weekly }),
		zoneKey("Whose clocks it is read by.", func(b *blockedText) *spec.Zone { return &b.zone }),
		required(textKey("why", "a text", "Why, as whoever is refused is told.", func(b *blockedText) *string { return &b.why })),
	},
}

// freezeObject is a window that holds back what a person asks for, too.
var freezeObject = object[blockedText]{
	title: "freeze",
	means: "A time in which nothing changes that somebody chooses the time of: no drill, nothing planned ahead, no switchover or failback that a person asks for at the time (who knows better sets it aside with --override and a reason). A failover is never held back, by itself or asked for: it says that changes are frozen, and goes on.",
	keys:  blockedObject.keys,
}

func readBlocked(c cursor, g *spec.Group) { g.Blocked = readWindows(c, &blockedObject) }

func readFreezes(c cursor, g *spec.Group) { g.Freezes = readWindows(c, &freezeObject) }

func readWindows(c cursor, of *object[blockedText]) (out []spec.Blocked) {
	c.list("a list of windows", false, func(item cursor) {
		var text blockedText
		written := of.read(item, &text)
		if b, ok := window(item, written, text); ok {
			out = append(out, b)
		}
	})
	c.most(len(out), maxBlocked, "window")
	return out
}

// window makes sense of what was written, or says what would.
func window(item cursor, written map[string]bool, text blockedText) (spec.Blocked, bool) {
	b := spec.Blocked{Zone: text.zone, Why: text.why}
	switch {
	case !item.r.clean(item.path):
		return b, false
	case written["weekly"] && (written["from"] || written["until"]):
		item.fail("has weekly beside from and until: want weekly alone, or from and until")
		return b, false
	case written["weekly"]:
		if err := weekly(text.weekly, &b); err != "" {
			item.fail("weekly is %s, %s", strconv.Quote(text.weekly), err)
			return b, false
		}
	case !written["from"] || !written["until"]:
		item.fail("needs from and until, or weekly")
		return b, false
	default:
		from, _, ok := moment(text.from, text.zone)
		until, whole, ok2 := moment(text.until, text.zone)
		if !ok || !ok2 {
			item.fail("from is %s and until %s, want dates or times such as 2026-12-20 or 2026-12-20 18:00", text.from, text.until)
			return b, false
		}
		if whole {
			until = until.AddDate(0, 0, 1)
		}
		if !until.After(from) {
			item.fail("until %s is not after from %s", text.until, text.from)
			return b, false
		}
		b.From, b.Until = from.UTC(), until.UTC()
	}
	return b, true
}

// moment reads a date or a time; whole: it is a date alone.
func moment(s string, zone spec.Zone) (t time.Time, whole, ok bool) {
	loc := zone.Location()
	if t, err := time.ParseInLocation("2006-01-02", s, loc); err == nil {
		return t, true, true
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, false, true
		}
	}
	return time.Time{}, false, false
}

var (
	weekDays  = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	weekHours = regexp.MustCompile(`^([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$`)
)

// weekly reads days and hours; it returns what would be right, "" where all is.
func weekly(s string, b *spec.Blocked) string {
	const want = "want days and hours such as mon-fri 08:00-20:00, or days alone such as sat,sun"
	words := strings.Fields(s)
	if len(words) < 1 || len(words) > 2 {
		return want
	}
	for _, part := range strings.Split(words[0], ",") {
		first, last, through := strings.Cut(part, "-")
		i, j := slices.Index(weekDays, first), slices.Index(weekDays, last)
		if !through {
			j = i
		}
		if i < 0 || j < 0 {
			return want
		}
		for k := i; ; k = (k + 1) % 7 {
			b.Days[k] = true
			if k == j {
				break
			}
		}
	}
	b.End = 24 * time.Hour
	if len(words) == 1 {
		return ""
	}
	m := weekHours.FindStringSubmatch(words[1])
	if m == nil {
		return want
	}
	of := func(hour, minute string) time.Duration {
		h, _ := strconv.Atoi(hour)
		n, _ := strconv.Atoi(minute)
		if n > 59 {
			return 25 * time.Hour
		}
		return time.Duration(h)*time.Hour + time.Duration(n)*time.Minute
	}
	b.Start, b.End = of(m[1], m[2]), of(m[3], m[4])
	if b.Start >= 24*time.Hour || b.End > 24*time.Hour || b.Start == b.End {
		return fmt.Sprintf("%s: hours are 00:00 to 24:00, and the window is not empty", want)
	}
	return ""
}

func drillKeys() []key[spec.Group] {
	return []key[spec.Group]{
		{name: "drills", form: "a list of drills", section: drillObject.title, means: "Rehearsals by the calendar.", read: readDrills},
		{name: "blocked", form: "a list of windows", section: blockedObject.title, means: "When no drill begins and nothing that was planned happens.", read: readBlocked},
		{name: "freeze", form: "a list of windows", section: freezeObject.title, means: "When nothing changes that somebody chooses the time of; a failover always may.", read: readFreezes},
	}
}

var trustObject = object[spec.Trust]{
	title: "trust",
	means: "What the shadow ledger must show before mode auto swaps by itself. Until then it records what it would have done, as in dry run; what a person asks for is done.",
	keys: []key[spec.Trust]{
		number("swaps", 5, 1, 1000, "How many swaps that would have happened must have been judged by a person.", func(t *spec.Trust) *int { return &t.Swaps }),
		{
			name: "precision", form: "a number", limits: "0 to 1", def: "0.95", means: "Which share of those judged must have been right.",
			read: func(c cursor, t *spec.Trust) {
				v, err := strconv.ParseFloat(c.node.Value, 64)
				if !c.scalar() || err != nil || !(v >= 0 && v <= 1) {
					c.want("a number from 0 to 1, such as 0.95")
					return
				}
				t.Precision = v
			},
			fill: func(t *spec.Trust) { t.Precision = 0.95 },
		},
	},
}

func deskPolicyKeys() []key[spec.Policy] {
	return []key[spec.Policy]{
		flagKey("two_person", "A swap or a drill that a person asks for waits until another person approves it, for 10m. Swaps by themselves, drills of the schedule and ham promote wait for nobody.",
			func(p *spec.Policy) *bool { return &p.TwoPerson }),
		{
			name: "drill_within", form: "a duration with a unit (d, h, m)", limits: "1h to 400d", def: "none",
			means: "How long ago the last drill that went there and back may be. If it is longer, no swap happens by itself.",
			read: func(c cursor, p *spec.Policy) {
				s, of := c.node.Value, time.Duration(0)
				if days, ok := strings.CutSuffix(s, "d"); ok {
					n, err := strconv.Atoi(days)
					if err == nil && n >= 0 && n <= 400 {
						of = time.Duration(n) * day
					}
				} else if d, err := time.ParseDuration(s); err == nil {
					of = d
				}
				if !c.scalar() || of < time.Hour || of > 400*day {
					c.want("1h to 400d, such as 90d")
					return
				}
				p.DrillWithin = of
			},
		},
		{
			name: "trust", form: "a mapping with " + trustObject.names(), section: trustObject.title, def: "none: mode auto is trusted",
			means: "What the shadow ledger must show before mode auto swaps by itself.",
			read:  func(c cursor, p *spec.Policy) { trustObject.read(c, &p.Trust) },
		},
	}
}
