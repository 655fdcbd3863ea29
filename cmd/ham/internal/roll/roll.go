package roll

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

const (
	// every is the pause between two looks at the status.
	every = 100 * time.Millisecond
	// settle bounds how long the proxies may take to do what was decided, and the deciders to answer.
	settle = 15 * time.Second
	// maxReason is how many characters a reason may have: a request takes 1024, with what stands before it.
	maxReason = 1000
)

// Roll is one run through the members.
type Roll struct {
	o     Options
	world World
	order []string
	// left are the members that an earlier roll left out, with the maintenance that they are in.
	left map[string]string
}

// New checks that the group can be rolled. The error is an [Unfit].
func New(w World, o Options) (*Roll, error) {
	g := o.Group
	switch {
	case g.Pool == nil:
		return nil, unfit("%s is no pool: only members that serve side by side can be rolled; of a pair take the standby out with `ham drain %[1]s <member>`, run the command there, put it back, and move the role with `ham switchover %[1]s`", g.Name)
	case g.Mode == spec.DryRun:
		return nil, unfit("%s is in dry run, so that nobody would be taken out: write mode: manual into its spec", g.Name)
	case len(o.Argv) == 0 || o.Argv[0] == "":
		return nil, unfit("no command is given: write it behind --, such as ham roll %s -- systemctl restart app", g.Name)
	case utf8.RuneCountInString(o.Reason) > maxReason: // no request with it would ever be stored, and asking again would not help
		return nil, unfit("the reason has %d characters, want %d at most", utf8.RuneCountInString(o.Reason), maxReason)
	case len(o.Override) > 0 && strings.TrimSpace(o.Reason) == "":
		return nil, unfit("--override %s needs --reason: say why, for the record", strings.Join(o.Override, ","))
	}
	var backups, active []string
	for i, name := range o.Only {
		if _, ok := g.Member(name); !ok {
			return nil, unfit("%s has no member %q, there are %s", g.Name, name, strings.Join(g.MemberNames(), ", "))
		}
		if slices.Contains(o.Only[:i], name) {
			return nil, unfit("%s is named twice", name)
		}
	}
	for _, m := range g.Members {
		if len(o.Only) > 0 && !slices.Contains(o.Only, m.Name) {
			continue
		}
		if m.Backup {
			backups = append(backups, m.Name)
		} else {
			active = append(active, m.Name)
		}
	}
	return &Roll{o: o, world: w, order: append(backups, active...)}, nil
}

// Order is who takes part, in the order in which they do: backups first, which serve nobody and show whether the command does any good.
func (r *Roll) Order() []string { return slices.Clone(r.order) }

// Run rolls. The end of ctx means: no further member. Where a member's command has not begun, that member is put back; where it has, it is
// waited for, and the member is put back once it is up. The error is nil, a [Refused] or a [Stopped].
func (r *Roll) Run(ctx context.Context) error {
	began := time.Now()
	r.resume(ctx)
	r.tell(Event{Event: Begins, Members: r.order}, "rolls %s: %s", r.o.Group.Name, strings.Join(r.order, ", "))
	for i, name := range r.order {
		m, _ := r.o.Group.Member(name)
		if err := r.member(ctx, m, r.order[i:]); err != nil {
			return err
		}
	}
	r.tell(Event{Event: Done, Members: r.order, TookMS: time.Since(began).Milliseconds()}, "done: %d members of %s in %s", len(r.order), r.o.Group.Name, time.Since(began).Round(time.Second/10))
	return nil
}

// resume finds those that an earlier roll left out, and begins with them: they serve nobody as it is, and what is wrong with the command shows there.
func (r *Roll) resume(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	s, err := r.world.Status(ctx)
	for err != nil && wait(ctx) {
		s, err = r.world.Status(ctx)
	}
	if err != nil {
		return // nobody is taken out then, either
	}
	r.left = map[string]string{}
	for _, m := range s.Members {
		if m.Maintenance != nil && strings.HasPrefix(m.Maintenance.Reason, StoppedHere) {
			r.left[m.Name] = m.Maintenance.ID
		}
	}
	slices.SortStableFunc(r.order, func(a, b string) int { return r.rank(a) - r.rank(b) })
}

func (r *Roll) rank(member string) int {
	if r.left[member] != "" {
		return 0
	}
	return 1
}

// member does one of them. left are those that are not done, this one first.
func (r *Roll) member(ctx context.Context, m spec.Member, left []string) error {
	if ctx.Err() != nil {
		return r.fail(Event{Members: left}, "ended as asked; not begun: %s", strings.Join(left, ", "))
	}
	beyond := context.WithoutCancel(ctx) // what was begun is finished
	expiry := r.o.Drain + r.o.Timeout + 2*r.o.Healthy + 2*settle + Expiry
	out, err := r.ask(beyond, message.VerbDrain, m.Name, expiry)
	if err != nil {
		if r.mayUndo(beyond, m.Name) {
			r.undo(beyond, m) // it may have been decided all the same
		}
		return r.fail(Event{Member: m.Name, Members: left}, "%s was not taken out: %v; nothing was run there", m.Name, err)
	}
	if !out.Accepted || out.DryRun {
		r.tell(Event{Event: Failed, Member: m.Name, Members: left, Outcome: out}, "%s is not taken out: %s; not begun: %s", m.Name, sentence(out.Sentence), strings.Join(left, ", "))
		return Refused{out}
	}
	if r.left[m.Name] != "" {
		r.tell(Event{Event: Draining, Member: m.Name}, "%s is out since a roll stopped there, and is the first", m.Name)
	} else {
		r.tell(Event{Event: Draining, Member: m.Name}, "%s is taken out, %s for its clients", m.Name, r.o.Drain)
	}
	sessions, err := r.drained(ctx, m.Name)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		back := r.undo(beyond, m)
		if ctx.Err() != nil {
			return r.fail(Event{Member: m.Name, Members: left}, "ended as asked, before anything was run at %s; %s", m.Name, back)
		}
		why := say("%v", err)
		if e := (missed{}); errors.As(err, &e) {
			why = e.why
		}
		return r.fail(Event{Member: m.Name, Members: left}, "%s: %s; nothing was run there, %s", m.Name, why, back)
	}
	if sessions == 0 {
		r.tell(Event{Event: Drained, Member: m.Name}, "%s has no clients any more", m.Name)
	} else {
		r.tell(Event{Event: Drained, Member: m.Name, Sessions: max(0, sessions)}, "%s still has %s after %s", m.Name, clients(sessions), r.o.Drain)
	}

	r.tell(Event{Event: Running, Member: m.Name}, "%s: %s", m.Name, strings.Join(r.argv(m), " "))
	began := time.Now()
	limit, cancel := context.WithTimeout(beyond, r.o.Timeout)
	ended := r.world.Command(limit, r.argv(m), r.env(m))
	cancel()
	switch {
	case ended.NotStarted != nil:
		return r.fail(Event{Member: m.Name, Members: left}, "the command could not be run: %v; %s", ended.NotStarted, r.undo(beyond, m))
	case ended.Cut:
		return r.leave(m, left, ended.Code, "the command took longer than %s and was ended, with all its children", r.o.Timeout)
	case ended.Code < 0:
		return r.leave(m, left, ended.Code, "the command was ended by a signal")
	case ended.Code > 0:
		return r.leave(m, left, ended.Code, "the command failed with exit code %d", ended.Code)
	}
	r.tell(Event{Event: Ran, Member: m.Name, TookMS: time.Since(began).Milliseconds()}, "%s: the command has run, in %s", m.Name, time.Since(began).Round(time.Second/10))

	if why := r.healthy(beyond, m); why.format != "" {
		return r.leave(m, left, 0, "it did not come back within %s: %s", r.o.Healthy, why)
	}
	r.tell(Event{Event: Healthy, Member: m.Name}, "%s is up", m.Name)
	if out, err := r.ask(beyond, message.VerbUndrain, m.Name, 0); err != nil {
		return r.leave(m, left, 0, "it is up, and could not be put back: %v", err)
	} else if !out.Accepted && r.out(beyond, m.Name) {
		return r.leave(m, left, 0, "it is up, and is not put back: %s", sentence(out.Sentence))
	}
	if why := r.serves(beyond, m); why.format != "" {
		return r.fail(Event{Member: m.Name, Members: left[1:]}, "%s was put back, and does not serve after %s: %s; not begun: %s", m.Name, r.o.Healthy, why, strings.Join(left[1:], ", "))
	}
	r.tell(Event{Event: Serves, Member: m.Name}, "%s serves", m.Name)
	return nil
}

func clients(n int) text {
	switch {
	case n < 0:
		return say("clients that a proxy does not count")
	case n == 1:
		return say("1 client")
	}
	return say("%d clients", n)
}

func (r *Roll) argv(m spec.Member) []string {
	argv := make([]string, len(r.o.Argv))
	for i, a := range r.o.Argv {
		argv[i] = m.Expand(strings.ReplaceAll(a, "${group}", r.o.Group.Name))
	}
	return argv
}

func (r *Roll) env(m spec.Member) []string {
	return []string{"HAM_GROUP=" + r.o.Group.Name, "HAM_MEMBER=" + m.Name, "HAM_SITE=" + m.Site, "HAM_URL=" + m.URL}
}

func (r *Roll) tell(e Event, format string, args ...any) Event {
	e.At, e.Group, e.said = time.Now(), r.o.Group.Name, say(format, args...)
	e.Text = e.said.String()
	r.o.Tell(e)
	return e
}

func (r *Roll) fail(e Event, format string, args ...any) error {
	e.Event = Failed
	return Stopped{r.tell(e, format, args...)}
}

// leave ends the roll at a member whose command has run, and leaves that one out.
func (r *Roll) leave(m spec.Member, left []string, code int, format string, args ...any) error {
	why := say(format, args...)
	rest := strings.Join(left[1:], ",")
	next := say("put it right and say `ham undrain %s %s`", r.o.Group.Name, m.Name)
	switch {
	case r.mark(m, why):
		next = say("put it right and go on with --only %s, which begins with it; or say `ham undrain %s %s`", strings.Join(left, ","), r.o.Group.Name, m.Name)
	case rest != "":
		next = say("put it right and say `ham undrain %s %s`; then go on with --only %s", r.o.Group.Name, m.Name, rest)
	}
	return r.fail(Event{Member: m.Name, Members: left[1:], Code: code}, "%s: %s. It stays out, for an hour at the least: %s", m.Name, why, next)
}

// mark writes down, for everybody and for the next roll, that this one has ended at the member, and why. False: it could not be written.
func (r *Roll) mark(m spec.Member, why text) bool {
	if !r.out(context.Background(), m.Name) {
		return false // it was put back all the same
	}
	out, err := r.send(context.Background(), &message.Request{Verb: message.VerbDrain, Target: m.Name, Renew: true, For: message.Duration(Expiry),
		Reason: clip(StoppedHere + why.String())})
	return err == nil && out.Accepted
}

func clip(s string) string {
	if r := []rune(s); len(r) > maxReason {
		return string(r[:maxReason-1]) + "…"
	}
	return s
}

// ask asks until somebody answers, for as long as settle. The same request may be asked again: the deciders know it by its id.
func (r *Roll) ask(ctx context.Context, verb message.Verb, member string, lasts time.Duration) (*message.Outcome, error) {
	request := &message.Request{Verb: verb, Target: member, Reason: r.reason(), For: message.Duration(lasts)}
	if verb == message.VerbDrain {
		request.Override, request.Of = r.o.Override, r.left[member]
		request.Renew = request.Of != ""
	}
	return r.send(ctx, request)
}

func (r *Roll) reason() string {
	if r.o.Reason == "" {
		return "ham roll"
	}
	return "ham roll: " + r.o.Reason
}

func (r *Roll) send(ctx context.Context, request *message.Request) (*message.Outcome, error) {
	request.ID, request.Group, request.Actor, request.Via, request.From = r.o.RequestID(), r.o.Group.Name, r.o.Actor, "cli", r.o.From
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for {
		out, err := r.world.Send(ctx, request)
		if err == nil || !wait(ctx) {
			return out, err
		}
	}
}

// undo leaves a member that nothing was run at as it was before.
//
// Invariant: whom an earlier roll left out is put back by no roll but one whose command went well there.
func (r *Roll) undo(ctx context.Context, m spec.Member) text {
	if r.left[m.Name] == "" {
		return r.putBack(ctx, m)
	}
	r.mark(m, say("and nothing was run there since"))
	return say("it stays out, as it was")
}

// mayUndo says whether a drain that nobody answered may be undone: it is the one that the member is in, or it is yet to come.
//
// Invariant: a roll ends no maintenance that somebody else began. Where nobody says who did, it is left to its expiry.
func (r *Roll) mayUndo(ctx context.Context, member string) bool {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	s, err := r.world.Status(ctx)
	for err != nil && wait(ctx) {
		s, err = r.world.Status(ctx)
	}
	if err != nil {
		return false
	}
	m := memberOf(s, member)
	if m == nil || m.Maintenance == nil {
		return true
	}
	k := m.Maintenance
	return k.ID != "" && k.ID == r.left[member] || k.By == r.o.Actor && k.Reason == r.reason()
}

// putBack puts a member back that nothing was run at, and says how that went.
func (r *Roll) putBack(ctx context.Context, m spec.Member) text {
	out, err := r.ask(ctx, message.VerbUndrain, m.Name, 0)
	switch {
	case err != nil:
		return say("it is not known whether it is put back: say `ham undrain %s %s`", r.o.Group.Name, m.Name)
	case !out.Accepted && r.out(ctx, m.Name):
		return say("it is not put back: %s; say `ham undrain %s %s`", sentence(out.Sentence), r.o.Group.Name, m.Name)
	}
	r.tell(Event{Event: PutBack, Member: m.Name}, "%s is put back", m.Name)
	return say("it is put back")
}

// out says whether the member is in maintenance, as far as is known.
func (r *Roll) out(ctx context.Context, member string) bool {
	s, err := r.world.Status(ctx)
	if err != nil {
		return true
	}
	m := memberOf(s, member)
	return m == nil || m.Maintenance != nil
}

// wait is the pause between two looks; false: ctx has ended.
func wait(ctx context.Context) bool {
	t := time.NewTimer(every)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func memberOf(s *message.GroupStatus, name string) *message.MemberStatus {
	for i := range s.Members {
		if s.Members[i].Name == name {
			return &s.Members[i]
		}
	}
	return nil
}

// atProxies hands over the member's server at each proxy of each route; seen is nil where it is not known, why says so then.
func (r *Roll) atProxies(s *message.GroupStatus, member string, at func(proxy string, seen *message.ServerSeen, why text)) {
	for _, route := range r.o.Group.Routes {
		if route.HAProxy == nil {
			continue
		}
		for _, proxy := range route.HAProxy.Proxies {
			i := slices.IndexFunc(s.Routes, func(seen message.RouteSeen) bool { return seen.Route == route.Name && seen.Proxy == proxy })
			switch {
			case i < 0:
				at(proxy, nil, say("nobody has told of it yet"))
			case !s.Routes[i].Reachable:
				at(proxy, nil, say("it does not answer: %s", s.Routes[i].Problem))
			default:
				k := slices.IndexFunc(s.Routes[i].Servers, func(seen message.ServerSeen) bool { return seen.Member == member })
				if k < 0 {
					at(proxy, nil, say("it has no server for %s", member))
				} else {
					at(proxy, &s.Routes[i].Servers[k], text{})
				}
			}
		}
	}
}

// missed is what did not come about in time.
type missed struct{ why text }

func (e missed) Error() string { return e.why.String() }

// drained waits until every proxy leads no new clients to the member, and then until none is left on it. It gives how many are left when
// the time for them is over; below 0: a proxy does not count them.
//
// Invariant: the command is run only once every proxy was seen to lead no new clients there.
func (r *Roll) drained(ctx context.Context, member string) (sessions int, err error) {
	began, why := time.Now(), text{}
	for {
		s, err := r.world.Status(ctx)
		held, uncounted := true, false
		sessions = 0
		if err != nil {
			held, why = false, say("%v", err)
		} else if m := memberOf(s, member); m == nil || m.Maintenance == nil {
			held, why = false, say("the deciders do not hold it to be in maintenance")
		} else {
			r.atProxies(s, member, func(proxy string, seen *message.ServerSeen, unknown text) {
				switch {
				case seen == nil:
					held, why = false, say("whether HAProxy at %s still leads clients there is not known: %s", proxy, unknown)
				case seen.Admin == "ready":
					held, why = false, say("HAProxy at %s still leads clients there", proxy)
				case seen.Sessions == nil:
					uncounted = true
				default:
					sessions += *seen.Sessions
				}
			})
		}
		lasts := time.Since(began)
		switch {
		case held && sessions == 0 && !uncounted:
			return 0, nil
		case held && lasts >= r.o.Drain:
			if uncounted {
				sessions = -1
			}
			return sessions, nil
		case !held && lasts >= max(settle, r.o.Drain):
			return 0, missed{say("it could not be taken out within %s: %s", max(settle, r.o.Drain), why)}
		}
		if !wait(ctx) {
			return 0, context.Cause(ctx)
		}
	}
}
