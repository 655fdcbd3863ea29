package lane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/route"
)

const (
	// repeatWindow is how long it must have been quiet about something until it is news again.
	repeatWindow = 10 * time.Minute
	// keepEvery is how often what was kept is looked through for what is due.
	keepEvery = 15 * time.Second
	// Bounds of a target's memory: things that repeat themselves, states of one that were said, lines of a summary.
	maxAgain  = 64
	maxStates = 8
	maxLines  = 20
)

// tellOrKeep tells the event, or keeps it for a summary: because a silence lies over it, or because it repeats what was said. What is worse than
// what was said last, and what was not said yet, is told.
//
// What is kept has an entry in the ledger, folded, that is written after the memory: an event that comes again between the two is known by
// its sequence.
func (l *Lane) tellOrKeep(ctx context.Context, d bus.Delivery, e *message.Event, inc *incident, told bool) error {
	why, silenced := l.o.Routing().Silenced(e.Group, route.Urgency(e), d.Time)
	silenced = silenced && !route.Addressed(e) && !(told && route.Ends(e))
	about, repeats := repeatable(e)
	if !silenced && !repeats {
		return l.post(ctx, d, e, inc, nil)
	}
	entry, _, err := l.o.Ledger.Entry(ctx, l.o.Ledger.EventKey(e.ID))
	if err != nil {
		return err
	}
	kept := entry != nil && strings.HasPrefix(entry.Into, keptPrefix)
	if entry != nil && !kept {
		// Its post was begun, whatever would be decided now.
		if err := l.post(ctx, d, e, inc, nil); err != nil || !repeats {
			return err
		}
		return l.noteTold(ctx, d, e, about)
	}
	mem, rev, err := l.o.Ledger.Memory(ctx)
	switch {
	case err != nil:
		return err
	case kept && entry.Into == keptPrefix+keptQuiet:
		return nil
	case silenced && !kept:
		if keepQuiet(&mem, d, e, why) {
			if _, err := l.o.Ledger.PutMemory(ctx, mem, rev); err != nil {
				return err
			}
		}
		return l.fold(ctx, e, keptQuiet)
	}
	return l.again(ctx, d, e, inc, about, mem, rev, kept)
}

// keptPrefix begins what a folded entry says of an event that is in the memory.
const (
	keptPrefix = "kept."
	keptQuiet  = "quiet"
	keptAgain  = "again"
)

// fold records that an event is kept.
func (l *Lane) fold(ctx context.Context, e *message.Event, where string) error {
	key := l.o.Ledger.EventKey(e.ID)
	_, err := l.o.Ledger.PutEntry(ctx, key, ledger.Entry{State: ledger.Folded, Post: key, Into: keptPrefix + where}, 0)
	return err
}

func short(d bus.Delivery, e *message.Event) ledger.Line {
	return ledger.Line{At: d.Time.UnixMicro(), Severity: e.Severity, Sentence: render.Cut(e.Sentence, 400)}
}

// keepQuiet takes an event into what a silence holds back; false: it is there already.
func keepQuiet(m *ledger.Memory, d bus.Delivery, e *message.Event, why string) bool {
	q := m.Quiet[e.Group]
	if q.Seq == d.Seq {
		return false
	}
	if q.Count == 0 {
		q.Since = d.Time.UnixMicro()
	}
	q.Seq, q.Until, q.Why = max(q.Seq, d.Seq), max(q.Until, d.Time.UnixMicro()), render.Cut(why, 300)
	q.Count++
	if q.Worst == "" || !q.Worst.AtLeast(e.Severity) {
		q.Worst = e.Severity
	}
	q.Lines = append(q.Lines, short(d, e))
	if len(q.Lines) > maxLines {
		// The oldest of the least urgent gives way.
		least := 0
		for i, l := range q.Lines {
			if !l.Severity.AtLeast(q.Lines[least].Severity) {
				least = i
			}
		}
		q.Lines = slices.Delete(q.Lines, least, least+1)
	}
	if m.Quiet == nil {
		m.Quiet = map[string]ledger.Quiet{}
	}
	m.Quiet[e.Group] = q
	return true
}

// again tells an event of a kind that repeats itself, or counts it.
func (l *Lane) again(ctx context.Context, d bus.Delivery, e *message.Event, inc *incident, about string, mem ledger.Memory, rev uint64, kept bool) error {
	a, known := mem.Again[about]
	switch {
	case kept && (!known || a.Seq > d.Seq):
		return nil // it is part of what was told since
	case known && a.Seq > d.Seq:
		return l.post(ctx, d, e, inc, nil) // from before a rule led here: it is no repetition of what came after it
	case known && a.Seq == d.Seq:
		// Counted by one who could not go on.
	case !known || d.Time.Sub(time.UnixMicro(a.Newest.At)) > repeatWindow, isNews(a, e):
		if err := l.post(ctx, d, e, inc, nil); err != nil {
			return err
		}
		return l.noteTold(ctx, d, e, about)
	default:
		a.Count, a.Newest, a.Seq = a.Count+1, short(d, e), d.Seq
		if !l.changeable(a) && a.Count >= 2*a.Told {
			note := render.Again{Times: a.Count, Since: time.UnixMicro(a.Since)}
			if err := l.post(ctx, d, e, inc, &note); err != nil {
				return err
			}
			return l.noteTold(ctx, d, e, about)
		}
		mem.Again[about] = a
		var err error
		if rev, err = l.o.Ledger.PutMemory(ctx, mem, rev); err != nil {
			return err
		}
	}
	if !kept {
		if err := l.fold(ctx, e, keptAgain); err != nil && !errors.Is(err, bus.ErrConflict) {
			return err
		}
	}
	return l.showAgain(ctx, d, e, about, mem, rev)
}

// isNews says whether e says of something what was not said of it yet, or is worse than what was said last.
func isNews(a ledger.Repeated, e *message.Event) bool {
	return !slices.Contains(a.States, state(e)) || !a.Severity.AtLeast(e.Severity)
}

// changeable says whether the post of it can be changed.
func (l *Lane) changeable(a ledger.Repeated) bool {
	_, ok := l.o.Channel.(channel.Updater)
	return ok && !a.Frozen
}

// noteTold remembers that an event was told: from now on it may repeat itself.
func (l *Lane) noteTold(ctx context.Context, d bus.Delivery, e *message.Event, about string) error {
	mem, rev, err := l.o.Ledger.Memory(ctx)
	if err != nil {
		return err
	}
	a, known := mem.Again[about]
	if known && a.Seq >= d.Seq {
		return nil
	}
	now := short(d, e)
	if !known || d.Time.Sub(time.UnixMicro(a.Newest.At)) > repeatWindow {
		if known && untold(a) {
			if err := l.tellAgain(ctx, a); err != nil {
				return err
			}
		}
		a = ledger.Repeated{Group: e.Group, Kind: e.Kind, Member: e.Member, Incident: e.Incident, Since: now.At}
	}
	a.Said, a.Severity, a.Newest, a.Seq, a.Frozen = ledger.Part{ID: e.ID, Seq: d.Seq}, e.Severity, now, d.Seq, false
	a.Count++
	a.Told, a.Shown = a.Count, a.Count
	if s := state(e); !slices.Contains(a.States, s) {
		a.States = append(a.States, s)
		a.States = a.States[max(0, len(a.States)-maxStates):]
	}
	if mem.Again == nil {
		mem.Again = map[string]ledger.Repeated{}
	}
	mem.Again[about] = a
	for len(mem.Again) > maxAgain {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(mem.Again)), func(x, y string) int {
			return cmp.Or(cmp.Compare(mem.Again[x].Newest.At, mem.Again[y].Newest.At), cmp.Compare(x, y))
		})
		if untold(mem.Again[oldest]) {
			if err := l.tellAgain(ctx, mem.Again[oldest]); err != nil {
				return err
			}
		}
		delete(mem.Again, oldest)
	}
	_, err = l.o.Ledger.PutMemory(ctx, mem, rev)
	return err
}

// showAgain changes the post of what repeats itself, where the channel can: it says how often, and what came last. Where the next event about
// the same comes close behind, that one's turn does it.
func (l *Lane) showAgain(ctx context.Context, d bus.Delivery, e *message.Event, about string, mem ledger.Memory, rev uint64) error {
	a := mem.Again[about]
	if !l.changeable(a) || a.Shown >= a.Count {
		return nil
	}
	ahead, err := l.o.Stream.Since(ctx, subject.StreamEvents, subject.EventsOf(e.Group), d.Seq+1, refreshAhead)
	if err != nil {
		return fmt.Errorf("look at what waits behind event %d: %w", d.Seq, err)
	}
	for _, x := range ahead {
		if next, ok := x.Message.(*message.Event); ok {
			if same, ok := repeatable(next); ok && same == about && !isNews(a, next) {
				return nil
			}
		}
	}
	entry, _, err := l.o.Ledger.Entry(ctx, l.o.Ledger.EventKey(a.Said.ID))
	if err != nil {
		return err
	}
	frozen := entry == nil || entry.Ref == nil || len(entry.Parts) != 1 // it is a line of another post
	if !frozen {
		said, err := l.events(ctx, a.Group, []ledger.Part{a.Said}, map[uint64]*message.Event{})
		if err != nil {
			return err
		}
		note := render.Again{Times: a.Count, Since: time.UnixMicro(a.Since), Newest: a.Newest.Sentence, At: time.UnixMicro(a.Newest.At)}
		post := channel.Post{ID: entry.Post, To: l.o.Target.To, Texts: l.texts(said, &note), Simple: entry.Simple}
		if frozen, err = l.change(ctx, d, *entry.Ref, post); err != nil {
			return err
		}
	}
	a.Shown, a.Frozen = a.Count, frozen
	if frozen {
		a.Shown = a.Told
	}
	mem.Again[about] = a
	_, err = l.o.Ledger.PutMemory(ctx, mem, rev)
	return err
}

// change shows post in place of what is at ref. frozen: it cannot be changed, now or ever.
func (l *Lane) change(ctx context.Context, d bus.Delivery, ref channel.Ref, post channel.Post) (frozen bool, err error) {
	for wait := l.pace.take(time.Now()); wait > 0; wait = l.pace.take(time.Now()) {
		if err := l.wait(ctx, wait); err != nil {
			return false, err
		}
	}
	err = l.call(ctx, func(ctx context.Context) error { return l.o.Channel.(channel.Updater).Update(ctx, ref, post) })
	if err == nil {
		l.took(ctx)
		return false, nil
	}
	failed := channel.As(err)
	switch {
	case failed.Class == channel.Gone, failed.Class == channel.Refused:
		return true, nil
	case failed.Class == channel.Denied && time.Since(d.Time) >= giveUpAfter:
		long, err := l.deniedLong(ctx)
		if err != nil || !long {
			return false, cmp.Or(err, error(failed))
		}
		return true, nil
	}
	return false, failed
}

// untold says that something happened more often than its post says.
func untold(a ledger.Repeated) bool { return a.Count > max(a.Told, a.Shown) }

// repeatable says of the kinds of events that tell a state, and so may repeat themselves, what they are about. Each event of the other kinds is
// something of its own: a decision, a step, what a person did.
func repeatable(e *message.Event) (about string, ok bool) {
	who := e.Member
	switch e.Kind {
	case message.EventVerdict, message.EventReadiness, message.EventRefused, message.EventDrift:
	case message.EventRoute:
		if e.Route != nil {
			who = e.Route.Route + " " + e.Route.Proxy
		}
	case message.EventService, message.EventDeadLetter:
		who = e.Writer
	default:
		return "", false
	}
	return strings.Join([]string{e.Group, string(e.Kind), who, e.Incident}, "/"), true
}

// state is what e says of what it is about, without the figures: the same state again is no news.
func state(e *message.Event) string {
	var codes []string
	for _, r := range e.Reasons {
		codes = append(codes, r.Code)
	}
	slices.Sort(codes)
	said := []string{string(e.Severity), e.Code, strings.Join(slices.Compact(codes), ",")}
	switch {
	case e.Verdict != nil:
		said = append(said, string(e.Verdict.To))
	case e.Route != nil:
		said = append(said, fmt.Sprint(e.Route.Reachable, e.Route.Serves, e.Route.Problem != ""))
	case e.Kind == message.EventDeadLetter, e.Kind == message.EventReadiness, len(codes) > 0:
	default:
		said = append(said, e.Sentence)
	}
	return render.Cut(strings.Join(said, " "), 200)
}

// Codes of what the notifier tells of what it kept.
const (
	codeQuiet = "N105"
	codeAgain = "N106"
)

// Keep tells what was kept once it is due, until ctx ends: a summary when a silence is over, and what repeated itself when it has been quiet for a
// while. It works beside Handle, and beside the other notifiers of the same target: what each of them tells has the same id.
func (l *Lane) Keep(ctx context.Context) {
	for {
		if err := l.due(ctx); err != nil && ctx.Err() == nil {
			l.o.Log.Warn("what was held back could not be told; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(keepEvery):
		}
	}
}

func (l *Lane) due(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recordLimit)
	defer cancel()
	mem, rev, err := l.o.Ledger.Memory(ctx)
	if err != nil || rev == 0 {
		return err
	}
	now, table, done := time.Now(), l.o.Routing(), 0
	for _, group := range slices.Sorted(maps.Keys(mem.Quiet)) {
		if table.Silent(group, now) {
			continue
		}
		if err := l.tellQuiet(ctx, group, mem.Quiet[group]); err != nil {
			return err
		}
		delete(mem.Quiet, group)
		done++
	}
	for _, about := range slices.Sorted(maps.Keys(mem.Again)) {
		a := mem.Again[about]
		if now.Sub(time.UnixMicro(a.Newest.At)) <= repeatWindow {
			continue
		}
		if untold(a) {
			if err := l.tellAgain(ctx, a); err != nil {
				return err
			}
		}
		delete(mem.Again, about)
		done++
	}
	if done == 0 {
		return nil
	}
	if _, err = l.o.Ledger.PutMemory(ctx, mem, rev); errors.Is(err, bus.ErrConflict) {
		return nil // what was told has its id: it is not told twice
	}
	return err
}

func clock(us int64) string { return time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05 UTC") }

// tellQuiet tells what a silence held back.
func (l *Lane) tellQuiet(ctx context.Context, group string, q ledger.Quiet) error {
	e := &message.Event{
		ID:    route.AddressID(l.o.Target, "quiet", fmt.Sprint(q.Seq)),
		Group: group, Kind: message.EventNotify, Severity: q.Worst, Code: codeQuiet,
		Sentence: fmt.Sprintf("Held back here while a silence was in force, from %s to %s: events %d, the worst of them %s. The silence said: %s", clock(q.Since), clock(q.Until), q.Count, q.Worst, q.Why),
	}
	for _, x := range q.Lines {
		e.Reasons = append(e.Reasons, message.Reason{Code: codeQuiet, Sentence: fmt.Sprintf("%s [%s] %s", clock(x.At), x.Severity, x.Sentence)})
	}
	return l.send(ctx, e)
}

// tellAgain tells what repeated itself and was not told.
func (l *Lane) tellAgain(ctx context.Context, a ledger.Repeated) error {
	what := string(a.Kind)
	if a.Member != "" {
		what += " of " + a.Member
	}
	return l.send(ctx, &message.Event{
		ID:    route.AddressID(l.o.Target, "again", fmt.Sprint(a.Seq)),
		Group: a.Group, Kind: message.EventNotify, Severity: a.Newest.Severity, Code: codeAgain, Incident: a.Incident, Member: a.Member,
		Sentence: fmt.Sprintf("Since %s: %d events %s, the last at %s, and none for %s. The last said: %s", clock(a.Since), a.Count, what, clock(a.Newest.At), repeatWindow, a.Newest.Sentence),
	})
}

// send writes an event for this target.
func (l *Lane) send(ctx context.Context, e *message.Event) error {
	e.Writer, e.At = l.o.Writer, time.Now().UnixMicro()
	e.Sentence = render.Cut(e.Sentence, 2048)
	return l.o.Tell(ctx, e)
}
