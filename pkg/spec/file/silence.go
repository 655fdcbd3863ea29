package file

import (
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// maxSilence is how many windows a group or a process may have.
const maxSilence = 64

// silenceText is a window as it is written.
type silenceText struct {
	blockedText
	below  message.Severity
	groups []string
}

const silenceMeans = "A time in which less is told: what is less severe than below waits, and is told in one summary when the window is over. What is critical is always told, and so is how something ends whose beginning was told. "

var silenceObject = object[silenceText]{
	title: "silence",
	means: silenceMeans + "From and until, or weekly.",
	keys:  silenceKeys(),
}

var processSilenceObject = object[silenceText]{
	title: "silence of a process",
	means: silenceMeans + "It concerns the channels of this process; a process that shares them needs the same. A change needs a restart; one in the group's own spec does not.",
	keys: append(silenceKeys(), key[silenceText]{
		name: "groups", form: formNames, def: "all, and what is about the installation as a whole",
		means: "The groups that it is for. " + subject.NoGroup + " stands for what is about the installation as a whole.",
		read:  func(c cursor, s *silenceText) { c.names(&s.groups) },
	}),
}

func silenceKeys() []key[silenceText] {
	return []key[silenceText]{
		textKey("from", "a date or a time, such as 2026-12-20 or 2026-12-20 18:00", "When it begins.", func(s *silenceText) *string { return &s.from }),
		textKey("until", "a date or a time", "When it ends. A date: at the end of that day.", func(s *silenceText) *string { return &s.until }),
		textKey("weekly", "days and hours, such as mon-fri 22:00-06:00 or sat,sun", "The same each week. Hours that end before they begin end on the day after.",
			func(s *silenceText) *string { return &s.weekly }),
		zoneKey("Whose clocks it is read by.", func(s *silenceText) *spec.Zone { return &s.zone }),
		required(textKey("why", "a text", "Why, as the summary says it.", func(s *silenceText) *string { return &s.why })),
		choice("below", message.Critical, []message.Severity{message.Notice, message.Warning, message.Critical},
			"The least severity that is told all the same. Critical is told whatever this says.", func(s *silenceText) *message.Severity { return &s.below }),
	}
}

func silenceOf(o *object[silenceText], into *[]spec.Silence) func(cursor) {
	return func(c cursor) {
		c.list("a list of windows", false, func(item cursor) {
			var text silenceText
			written := o.read(item, &text)
			w, ok := window(item, written, text.blockedText)
			if !ok {
				return
			}
			*into = append(*into, spec.Silence{Window: w, Groups: text.groups, Below: text.below})
		})
		c.most(len(*into), maxSilence, "window")
	}
}

func silenceKey() key[spec.Group] {
	return key[spec.Group]{
		name: "silence", form: "a list of windows", section: silenceObject.title, means: "When less of this group is told.",
		read: func(c cursor, g *spec.Group) { silenceOf(&silenceObject, &g.Silence)(c) },
	}
}

var notifierObject = object[spec.Notify]{
	title: "notifier",
	means: "What the notifier of this process does beside telling each event.",
	keys: []key[spec.Notify]{
		{
			name: "silence", form: "a list of windows", section: processSilenceObject.title, means: "When less is told.",
			read: func(c cursor, n *spec.Notify) { silenceOf(&processSilenceObject, &n.Silence)(c) },
		},
		{
			name: "alive", form: "a mapping with " + aliveObject.names(), section: aliveObject.title, def: "none: no sign of life is given",
			means: "A sign of life to somebody outside, so that silence is noticed.",
			read: func(c cursor, n *spec.Notify) {
				n.Alive = new(spec.Alive)
				aliveObject.read(c, n.Alive)
			},
		},
	},
}

var aliveObject = object[spec.Alive]{
	title: "alive",
	means: "A dead man's switch: an address is asked while the bus is followed, and every channel's last delivery worked or nothing was due. Whoever answers there must raise the alarm when nobody asks any more.",
	keys: []key[spec.Alive]{
		required(key[spec.Alive]{
			name: "url", form: "an address, or a reference to one", means: "Whom to ask. It often holds a secret: then write a reference.",
			read: func(c cursor, a *spec.Alive) { readAddress(c, &a.URL) },
		}),
		choice("method", "GET", []string{"GET", "POST"}, "How to ask.", func(a *spec.Alive) *string { return &a.Method }),
		duration("every", time.Minute, 10*time.Second, day, "How often. Let who listens allow for two that are lost.", func(a *spec.Alive) *time.Duration { return &a.Every }),
	},
}

var scheduleObject = object[spec.Schedule]{
	title: "schedule",
	means: "A moment that comes again.",
	short: "at",
	keys: []key[spec.Schedule]{
		{
			name: "at", form: "a cron expression: minute, hour, day of month, month, day of week", limits: "such as 0 9 * * mon", required: true,
			means: "When.",
			read:  func(c cursor, s *spec.Schedule) { readCron(c, "one", &s.At) },
		},
		zoneKey("Whose clocks it is read by.", func(s *spec.Schedule) *spec.Zone { return &s.Zone }),
	},
}

// readAddress reads an http address that may be a reference to one.
func readAddress(c cursor, into *spec.Secret) {
	const form = "an address, or a reference to one"
	if len(spec.Refs(c.node.Value)) > 0 {
		c.processSecret(form, false, into)
		return
	}
	var s spec.Secret
	if c.secret(form, false, &s); s == "" {
		return
	}
	if problem := badURL(string(s), "https", "http"); problem != "" {
		c.fail("%s", problem) // what was found may be a secret
		return
	}
	*into = s
}
