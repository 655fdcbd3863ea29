package message

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"
)

// MaxName is the longest name of a group, member, check, step, vantage or writer, in bytes.
const MaxName = 63

// IsName says whether s can stand as a token of a subject and as a part of a key: 1 to 63 of
// letters, digits, '-' and '_'.
func IsName(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// isID says whether s can be a message's id: it travels in headers, logs and addresses, so it has no white space and nothing that
// cannot be seen.
func isID(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

// checker is safe for concurrent use once built; it caches what it learns of each struct.
var checker = newChecker()

func newChecker() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	must := func(err error) {
		if err != nil {
			panic(err) // a tag registered wrongly: a mistake in the program, found by any test
		}
	}
	must(v.RegisterValidation("name", func(f validator.FieldLevel) bool { return IsName(f.Field().String()) }))
	must(v.RegisterValidation("id", func(f validator.FieldLevel) bool { return isID(f.Field().String()) }))
	must(v.RegisterValidation("place", func(f validator.FieldLevel) bool { return isPlace(f.Field().String()) }))
	must(v.RegisterValidation("verb", func(f validator.FieldLevel) bool {
		return slices.Contains(Verbs, Verb(f.Field().String()))
	}))
	return v
}

// Validate returns nil, or an [*Invalid] that names the first wrong field. Safe for concurrent use.
func Validate(m Message) error {
	if hb, ok := m.(*Heartbeat); ok && hb.sound() {
		return nil
	}
	err := checker.Struct(m)
	if err == nil {
		if c, ok := m.(interface{ consistent() *Invalid }); ok {
			if bad := c.consistent(); bad != nil {
				return bad
			}
		}
		return nil
	}
	var fields validator.ValidationErrors
	if !errors.As(err, &fields) || len(fields) == 0 {
		return &Invalid{Type: NameOf(m), Want: err.Error()}
	}
	f := fields[0]
	path := f.Namespace()
	if _, rest, ok := strings.Cut(path, "."); ok {
		path = rest
	}
	return &Invalid{Type: NameOf(m), Field: path, Got: got(f), Want: want(f)}
}

func got(f validator.FieldError) string {
	if f.Tag() == "min" || f.Tag() == "max" {
		switch v := reflect.ValueOf(f.Value()); v.Kind() {
		case reflect.String:
			return strconv.Itoa(utf8.RuneCountInString(v.String())) + unit(v.Kind())
		case reflect.Slice, reflect.Map:
			return strconv.Itoa(v.Len()) + unit(v.Kind())
		}
	}
	if f.Tag() == "place" {
		return "something else" // an address may hold a password
	}
	switch f.Kind() {
	case reflect.String:
		return fmt.Sprintf("%q", clip(fmt.Sprint(f.Value()), 80))
	case reflect.Slice, reflect.Map, reflect.Struct, reflect.Pointer, reflect.Interface:
		return ""
	}
	return fmt.Sprint(f.Value())
}

func want(f validator.FieldError) string {
	switch f.Tag() {
	case "required":
		return "a value"
	case "name":
		return fmt.Sprintf("1 to %d letters, digits, '-' or '_'", MaxName)
	case "id":
		return "an id without white space"
	case "place":
		return "an address of the web, such as https://example.org/x"
	case "verb":
		words := make([]string, len(Verbs))
		for i, v := range Verbs {
			words[i] = string(v)
		}
		return "one of " + strings.Join(words, ", ")
	case "oneof":
		return "one of " + strings.Join(strings.Fields(f.Param()), ", ")
	case "min":
		if f.Type() == durationType {
			return "at least " + f.Param() + "ns"
		}
		return "at least " + f.Param() + unit(f.Kind())
	case "max":
		return "at most " + f.Param() + unit(f.Kind())
	}
	return f.Tag() + " " + f.Param()
}

var durationType = reflect.TypeFor[Duration]()

func unit(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return " characters"
	case reflect.Slice, reflect.Map:
		return " entries"
	}
	return ""
}

// consistent checks what concerns two fields of a request together.
func (m *Request) consistent() *Invalid {
	if len(m.Override) > 0 && strings.TrimSpace(m.Reason) == "" {
		return &Invalid{Type: "request", Field: "reason", Want: "a reason: overriding " + strings.Join(m.Override, ", ") + " is recorded with one"}
	}
	if bad := m.about(); bad != nil {
		return bad
	}
	if m.Verb != VerbDrill {
		if m.Hold != nil {
			return &Invalid{Type: "request", Field: "hold", Got: m.Hold.String(), Want: "nothing: only a drill holds"}
		}
		if m.End != "" {
			return &Invalid{Type: "request", Field: "end", Got: fmt.Sprintf("%q", m.End), Want: "nothing: only a drill is ended so"}
		}
		return nil
	}
	if m.Hold == nil {
		return nil
	}
	if m.End != "" {
		return &Invalid{Type: "request", Field: "hold", Got: m.Hold.String(), Want: "nothing: the drill is to end"}
	}
	return holds(*m.Hold).within("request", "")
}

// about checks the fields that belong to some verbs alone.
func (m *Request) about() *Invalid {
	field := func(name, got, want string) *Invalid {
		return &Invalid{Type: "request", Field: name, Got: got, Want: want}
	}
	switch {
	case m.Due != 0 && !(plannable(m.Verb) && m.End == ""):
		return field("due_us", strconv.FormatInt(m.Due, 10), "nothing: only a switchover, a failback and a drill stand in a calendar")
	case m.Due != 0 && m.PlanHash != "":
		return field("plan_hash", m.PlanHash, "nothing: the plan is made when it is due")
	case m.Item != "" && m.Verb != VerbNote:
		return field("item", m.Item, "nothing: only a note is an action item")
	case m.Renew && m.Verb != VerbDrain:
		return field("renew", "true", "nothing: only a drain renews a maintenance")
	case m.Judge != "" && m.Verb != VerbJudge:
		return field("judge", m.Judge, "nothing: only judge judges")
	}
	switch m.Verb {
	case VerbApprove, VerbReject: // of the one step that waits where nothing is named
	case VerbJudge:
		switch {
		case m.Judge == "":
			return field("judge", "", "one of right, wrong, miss")
		case m.Judge != JudgeMiss && m.Of == "":
			return field("of", "", "the id of the entry: ham shadow "+m.Group+" shows it")
		case strings.TrimSpace(m.Reason) == "":
			return field("reason", "", "a reason: a judgement without one convinces nobody")
		}
	case VerbNote:
		if of, item := NoteOf(m.Of); m.Of != "" && !strings.HasPrefix(of, m.Group+"-") || (m.Item == ItemDone) != (item != "") || m.Item == ItemTodo && m.Of == "" {
			return field("of", strconv.Quote(m.Of), "an incident of "+m.Group+" such as "+IncidentID(m.Group, 3)+"; of what is done, the item")
		}
	case VerbDrain, VerbUndrain:
		switch {
		case m.Target == "":
			return field("target", "", "the member to "+string(m.Verb)+": ham status "+m.Group+" lists them")
		case m.Of != "" && !m.Renew:
			return field("of", strconv.Quote(m.Of), "nothing: only a drain that renews a maintenance is about one")
		}
	case VerbDrill:
		switch {
		case m.End == EndCancel && m.Of == "":
			return field("of", "", "the name of the planned drill: ham drills "+m.Group+" shows it")
		case m.Of != "" && m.End != EndCancel && m.Actor != ActorSchedule:
			return field("of", strconv.Quote(m.Of), "nothing: only what takes a planned drill back is about one")
		}
	case VerbSwitchover, VerbFailback:
		if m.Of != "" && (m.Actor != ActorSchedule || m.Due == 0) {
			return field("of", strconv.Quote(m.Of), "nothing: only what the schedule asks for is about something planned")
		}
	default:
		if m.Of != "" {
			return field("of", strconv.Quote(m.Of), "nothing: only approve, reject and judge are about something")
		}
	}
	return nil
}

// plannable says whether it may be planned for a time. A failover is of now, or never.
func plannable(v Verb) bool { return v == VerbSwitchover || v == VerbFailback || v == VerbDrill }

// holds checks how long a drill holds.
func holds(d Duration) *Invalid {
	if d < 0 || d > MaxHold {
		return &Invalid{Field: "hold", Got: d.String(), Want: "0s to " + MaxHold.String()}
	}
	return nil
}

// consistent: a command's primary is one of its members, and its plan can be run.
func (m *Command) consistent() *Invalid {
	if !slices.Contains(m.Members, m.Primary) {
		return &Invalid{Type: "command", Field: "primary", Got: fmt.Sprintf("%q", m.Primary), Want: "one of members: " + strings.Join(m.Members, ", ")}
	}
	if m.Kind == KindFailover || m.Kind == KindSwitchover {
		if m.From == "" || m.From == m.Primary {
			return &Invalid{Type: "command", Field: "from", Got: fmt.Sprintf("%q", m.From), Want: "the member that is primary now, other than " + m.Primary}
		}
	}
	if (m.Kind == KindRemedy) != (m.Remedy != nil) {
		return &Invalid{Type: "command", Field: "remedy", Got: fmt.Sprintf("a command of kind %s", m.Kind), Want: "it in a command of kind remedy, and in no other"}
	}
	if r := m.Remedy; r != nil && (r.Rung > r.Rungs || r.Try > r.Times) {
		return &Invalid{Type: "command", Field: "remedy", Got: fmt.Sprintf("try %d of %d on rung %d of %d", r.Try, r.Times, r.Rung, r.Rungs), Want: "no more than there are"}
	}
	if d := m.Drill; d != nil {
		if m.Kind != KindSwitchover {
			return &Invalid{Type: "command", Field: "kind", Got: fmt.Sprintf("%q", m.Kind), Want: "switchover: a drill moves roles in no other way"}
		}
		if home := map[string]string{WayThere: m.From, WayBack: m.Primary}[d.Way]; home != d.Home {
			return &Invalid{Type: "command", Field: "drill.home", Got: fmt.Sprintf("%q", d.Home), Want: fmt.Sprintf("%q, which is primary before the drill and after it", home)}
		}
		if bad := holds(d.Hold); bad != nil {
			return bad.within("command", "drill")
		}
	}
	return m.Plan.consistent().within("command", "plan")
}

// consistent checks the command that an event carries.
func (m *Event) consistent() *Invalid {
	if m.Command == nil {
		return nil
	}
	return m.Command.consistent().within("event", "command")
}

// consistent checks the plan that is shown.
func (m *Preview) consistent() *Invalid {
	if m.Plan == nil {
		return nil
	}
	return m.Plan.consistent().within("preview", "plan")
}

// within is e as it is called from what contains it.
func (e *Invalid) within(name, field string) *Invalid {
	if e == nil {
		return nil
	}
	if field != "" {
		field += "."
	}
	return &Invalid{Type: name, Field: field + e.Field, Got: e.Got, Want: e.Want}
}
