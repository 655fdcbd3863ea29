package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console/internal/board"
)

// Resources are what each member holds, in the order in which they come up.
type Resources struct {
	List []Resource
	// Verify is what is looked at after a swap, From whence; "": the checks of the new primary alone.
	Verify, From string
}

// Resource is one of them.
type Resource struct {
	N          int
	Name, Says string
	After      string
	// Child is the group that it is, for who may see that.
	Child string
	// Falls is what it means when it fails.
	Falls string
	At    []ResourceAt
}

// ResourceAt is a resource at one member.
type ResourceAt struct {
	Member, Why string
	Mark        Mark
}

// Ladder is what is tried before anybody takes over.
type Ladder struct {
	Rungs []Rung
	// Anew is how long after the newest try it begins anew; "": not known.
	Anew    string
	Members []LadderAt
}

// Rung is one of its rungs.
type Rung struct {
	N          int
	Does, Wait string
	Times      int
	For        string // the checks that it is for; "": all
}

// LadderAt is where the ladder of one member stands.
type LadderAt struct {
	Member       string
	Mark         Mark
	Sentence     string
	Tried, Tries int
	// Again is when it begins anew; "": nothing was tried.
	Again string
}

// Clients is what a canary sees, which asks as clients do.
type Clients struct {
	Mark     Mark
	Sentence string
	// Losing says that clients are not served, Since when that began.
	Losing bool
	Since  string
	Target string
	Every  string
	Views  []View
	Past   []Outage
}

// Outage is a time in which clients were not served. It is over.
type Outage struct {
	When, Lasted  string
	Failed, Looks int
	From          string
	Unseen        bool
}

// Pool is how a pool stands.
type Pool struct {
	Says                         string // "3 of 4 serve, the minimum is 2"
	Serve, Active, Minimum, Free int
	// Backups are all that it has, Alone those of them that serve because nobody else does.
	Backups, Alone string
}

func pool(s *message.GroupStatus) *Pool {
	p := s.Pool
	if p == nil {
		return nil
	}
	v := &Pool{Serve: len(p.Serve), Active: p.Active, Minimum: p.Minimum, Free: p.Free, Alone: strings.Join(p.Backups, ", ")}
	v.Says = fmt.Sprintf("%d of %d serve, the minimum is %d", v.Serve, v.Active, v.Minimum)
	var backups []string
	for _, m := range s.Members {
		if m.Role == message.RoleBackup {
			backups = append(backups, m.Name)
		}
	}
	v.Backups = strings.Join(backups, ", ")
	return v
}

// resources are those of the status; what is looked at after a swap is the spec's to say.
func resources(g *board.Group, fresh bool, p *who.Person) *Resources {
	if len(g.Status.Resources) == 0 {
		return nil
	}
	v := &Resources{}
	for i, r := range g.Status.Resources {
		one := Resource{N: i + 1, Name: r.Name, Says: r.Says, After: strings.Join(r.After, ", "), Falls: "moves nothing by itself"}
		if r.Group != "" && p.May(r.Group, who.Viewer) {
			one.Child = r.Group
		}
		switch {
		case r.Together:
			one.Falls = "its member is down, together with the others marked so"
		case r.Down:
			one.Falls = "its member is down"
		}
		for _, m := range r.Members {
			one.At = append(one.At, ResourceAt{Member: m.Member, Why: m.Why, Mark: verdictMark(m.Verdict, fresh)})
		}
		route, is := strings.CutPrefix(r.Says, "route ")
		for _, x := range g.Status.Routes {
			if is && x.Route == route {
				seen := routeView(x, fresh)
				one.At = append(one.At, ResourceAt{Member: x.Proxy, Mark: seen.Mark, Why: seen.Problem})
			}
		}
		v.List = append(v.List, one)
	}
	if g.Spec != nil && g.Spec.Verify != nil {
		v.Verify, v.From = g.Spec.Verify.Asks(), strings.Join(g.Spec.Verify.From, ", ")
	}
	return v
}

// ladderMark is where a ladder stands, in a word.
func ladderMark(s message.RemedyState, fresh bool) Mark {
	switch {
	case !fresh:
		return Mark{"not known", "gone", "off"}
	case s == message.RemedyTrying:
		return Mark{"a try runs now", "swap", "info"}
	case s == message.RemedyWaiting:
		return Mark{"was tried, may yet help", "swap", "info"}
	case s == message.RemedyTried:
		return Mark{"was tried", "note", "info"}
	case s == message.RemedyOver:
		return Mark{"is over", "warn", "warn"}
	}
	return Mark{"was not needed", "dot", "off"}
}

// ladder is what is tried before anybody takes over; nil: nothing is declared.
func ladder(g *board.Group, fresh bool) *Ladder {
	v := &Ladder{}
	for _, m := range g.Status.Members {
		r := m.Remedy
		if r == nil {
			continue
		}
		at := LadderAt{Member: m.Name, Mark: ladderMark(r.State, fresh), Sentence: r.Sentence, Tried: r.Tried, Tries: r.Tries}
		if r.AgainAt > 0 {
			at.Again = stamp(time.UnixMicro(r.AgainAt))
		}
		v.Members = append(v.Members, at)
	}
	if len(v.Members) == 0 {
		return nil
	}
	if g.Spec == nil {
		return v
	}
	v.Anew = age(g.Spec.RemedyReset)
	for i, r := range g.Spec.Remedy {
		v.Rungs = append(v.Rungs, Rung{N: i + 1, Does: does(r, g), Times: r.Times, Wait: age(r.Wait), For: strings.Join(r.For, ", ")})
	}
	return v
}

// does is what a rung does to the primary, or else as it is declared.
func does(r spec.Rung, g *board.Group) string {
	m, _ := g.Spec.Member(cmp.Or(g.Status.Primary, g.Spec.Adopt))
	return r.Does(m)
}

// clients is what a canary sees; nil: none is declared.
func clients(s *message.GroupStatus, since time.Duration, fresh bool) *Clients {
	c := s.Clients
	if c == nil {
		return nil
	}
	v := &Clients{Sentence: c.Sentence, Target: c.Target, Every: took(c.Every.Std()), Losing: c.Outage != nil}
	for _, x := range c.Views {
		v.Views = append(v.Views, vantageView(x, since, fresh))
	}
	saw := slices.ContainsFunc(c.Views, func(x message.View) bool { return x.Says == "up" })
	switch {
	case !fresh:
		v.Mark = Mark{"not known", "gone", "off"}
	case v.Losing:
		v.Mark = Mark{"not served", "cross", "bad"}
		v.Since = stamp(time.UnixMicro(c.Outage.From))
	case saw:
		v.Mark = Mark{"served", "ok", "ok"}
	default:
		v.Mark = Mark{"nobody can say", "ask", "off"}
	}
	for _, o := range c.Past {
		failed, looks := o.Count()
		v.Past = append(v.Past, Outage{When: stamp(time.UnixMicro(o.From)), Lasted: took(o.Lasted(0).Std()), Failed: failed, Looks: looks, From: strings.Join(o.Places(), ", "), Unseen: o.Unseen})
	}
	return v
}

// shortly is how near something planned is told before all else.
const shortly = 24 * time.Hour

// plannedSwap is what a person planned that comes shortly: a swap or a drill; nil: nothing.
func plannedSwap(g *board.Group, now time.Time) *Planned {
	for _, e := range g.Status.Agenda {
		if e.Name != "" && time.UnixMicro(e.At).Sub(now) < shortly {
			v := planned(g.Name, e, now)
			return &v
		}
	}
	return nil
}

// frozen is why nothing that people choose the time of begins now, and until when; "": it may.
func frozen(s *message.GroupStatus, now time.Time) (why, until string) {
	for _, w := range s.Blocked {
		if w.Freeze && w.From <= now.UnixMicro() && now.UnixMicro() < w.Until {
			return w.Why, minute(time.UnixMicro(w.Until))
		}
	}
	return "", ""
}
