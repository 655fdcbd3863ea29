package runbook

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// mostDirections bounds the page: of a group of many members it has the ways away from the declared primary, and back.
const mostDirections = 12

// Write returns the runbook of a group as Markdown: for each member that may be lost, how another is made primary. The same group gives the same page.
//
// The error says that a plan cannot be compiled, or that a driver has no words here.
func Write(g *spec.Group) (string, error) {
	p := page{}
	p.head(g)
	if g.Pool != nil {
		if err := p.pool(g); err != nil {
			return "", err
		}
		return p.String(), nil
	}
	ways := directions(g)
	p.say("| what happened | go to |\n|---|---|")
	for i, w := range ways {
		p.say("| %s is lost, %s is to be primary | part %c |", w[0], w[1], 'A'+i)
	}
	p.say("")
	for i, w := range ways {
		if err := p.way(g, 'A'+rune(i), w[0], w[1]); err != nil {
			return "", err
		}
	}
	p.after(g)
	return p.String(), nil
}

// pool is what a person does with a pool: HAProxy itself leads clients past a server that fails its checks.
func (p *page) pool(g *spec.Group) error {
	p.say("A pool has no primary. HAProxy's own checks keep clients from a server that is down, without ham; at least %d must serve.", g.Pool.Minimum)
	p.say("")
	for _, w := range []struct{ title, state string }{{"Take a server out", "drain"}, {"Let a server in again", "ready"}} {
		p.say("## %s", w.title)
		p.say("")
		for _, m := range g.Members {
			p.n = 0
			for _, r := range g.Routes {
				if r.HAProxy == nil || r.HAProxy.Servers[m.Name] == "" {
					continue
				}
				with, err := json.Marshal(spec.HAProxyArgs{Route: r.Name, Proxies: r.HAProxy.Proxies, Backend: r.HAProxy.Backend, States: map[string]string{r.HAProxy.Servers[m.Name]: w.state}, Need: "any"})
				if err != nil {
					return err
				}
				p.say("### %s at route %s", m.Name, r.Name)
				p.say("")
				if err := p.step(g, m.Name, m.Name, &message.Step{Name: "route-" + r.Name, Driver: "haproxy", On: "any", With: with, Says: m.Name + " to " + w.state}); err != nil {
					return err
				}
			}
		}
	}
	p.say("## When ham is back")
	p.say("")
	p.say("It sets each server as its own record says: who is in maintenance is drained, everybody else serves. Say `ham drain` for a server that is to stay out.")
	p.say("")
	return nil
}

// directions are the swaps that the page has.
func directions(g *spec.Group) (out [][2]string) {
	names := g.MemberNames()
	if n := len(names); n*(n-1) <= mostDirections {
		for _, from := range names {
			for _, to := range names {
				if from != to {
					out = append(out, [2]string{from, to})
				}
			}
		}
		return out
	}
	home := g.Adopt
	if home == "" {
		home = names[0]
	}
	for _, other := range names {
		if other != home && len(out)+2 <= mostDirections {
			out = append(out, [2]string{home, other}, [2]string{other, home})
		}
	}
	return out
}

type page struct {
	strings.Builder
	n int
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) head(g *spec.Group) {
	p.say("# %s, by hand", g.Name)
	p.say("")
	verb := "failover"
	if g.Pool != nil {
		verb = "drain"
	}
	p.say("For when ham itself is gone. While `ham status` answers anywhere, use ham: `ham %s %s`.", verb, g.Name)
	p.say("")
	if g.Revision > 0 {
		p.say("Made of revision %d of the group's spec. Keep a copy where you can read it without these machines.", g.Revision)
		p.say("")
	}
	p.say("- Type as root. You need: %s. Without `socat`, `nc -w 5 HOST PORT` does as well, and `nc -U PATH` for a socket.", tools(g))
	p.say("- Secrets are not in here: the commands read them where ham reads them, on the machine where they are typed.")
	p.say("- One step after the other. Each says what it prints. When it prints something else, stop and read on there.")
	p.say("- Write down what you do and when: `ham note` takes it in afterwards.")
	p.say("")
}

func tools(g *spec.Group) string {
	all := []string{"`socat`", "`curl`"}
	for _, m := range g.Members {
		if m.Postgres != nil {
			return strings.Join(append(all, "`psql`", "`runuser`", "`nft`"), ", ")
		}
		if m.Redis != nil {
			return strings.Join(append(all, "`redis-cli`", "`nft`"), ", ")
		}
	}
	return strings.Join(all, ", ")
}

// way is one direction.
func (p *page) way(g *spec.Group, part rune, from, to string) error {
	plan, err := spec.Compile(g, spec.Swap{Kind: message.KindFailover, From: from, To: to})
	if err != nil {
		return err
	}
	p.n = 0
	p.say("## Part %c: %s is lost, make %s primary", part, from, to)
	p.say("")
	if len(g.Remedy) > 0 {
		p.say("### Where its host answers: mend it before you move anything")
		p.say("")
		for i, rung := range g.Remedy {
			mend, err := spec.Compile(g, spec.Swap{Kind: message.KindRemedy, From: from, To: from, Remedy: &message.Remedy{Member: from, Rung: i + 1, Rungs: len(g.Remedy), Try: 1, Times: rung.Times}})
			if err != nil {
				return err
			}
			for k := range mend.Steps {
				if err := p.step(g, from, to, &mend.Steps[k]); err != nil {
					return err
				}
			}
		}
		p.n = 0
	}
	p.say("### First: be sure that %s cannot act", from)
	p.say("")
	p.surely(g, from, to)
	fenced, rest := split(plan.Steps)
	for i := range fenced {
		if err := p.step(g, from, to, &fenced[i]); err != nil {
			return err
		}
	}
	p.say("**Do not go on while you cannot say: %s is off, or stopped, or nobody reaches it.** Two that act at once do more harm than none.", from)
	p.say("")
	p.say("### Then: make %s primary", to)
	p.say("")
	if g.Lease != nil && g.Durability != "" {
		p.say("What %s acknowledged and %s has not received is lost by this. The last word of ham on that is in the chat and in what it told: *protected* says that %s had everything, *UNPROTECTED* that it had not. Where it had not and %s can be brought back, bring it back instead.", from, to, to, from)
		p.say("")
	}
	for i := range rest {
		if err := p.step(g, from, to, &rest[i]); err != nil {
			return err
		}
	}
	return nil
}

// split parts what makes sure of the old primary, and ends what runs beside it, from the rest.
func split(steps []message.Step) (fenced, rest []message.Step) {
	for _, s := range steps {
		if s.Name == spec.StepLookAgain || s.Name == spec.StepFence || s.On == "old" {
			fenced = append(fenced, s)
		} else {
			rest = append(rest, s)
		}
	}
	for i := range fenced { // the look is the proof, so it comes last
		if fenced[i].Name == spec.StepLookAgain && i < len(fenced)-1 {
			return append(append(fenced[:i:i], fenced[i+1:]...), fenced[i]), rest
		}
	}
	return fenced, rest
}

// surely is what comes before anything of the plan.
func (p *page) surely(g *spec.Group, from, to string) {
	old, _ := g.Member(from)
	p.action(Action{Does: "Stop ham, so that it does not set back what you do", Where: "on every machine that runs it and that you reach",
		Run: "systemctl stop ham\nsystemctl is-active ham", Prints: "inactive", Else: "It runs otherwise at your place: in a container, in a terminal. Stop it there."})
	where := onHost(old) + ", if it answers"
	switch {
	case old.Postgres != nil:
		p.action(Action{Does: "Stop " + from, Where: where, Run: ctl(old.Postgres, "stop"), Prints: "nothing, or \"server stopped\"", Else: "Switch its host off."})
	case old.Redis != nil:
		p.action(Action{Does: "Stop " + from, Where: where, Run: redisCtl(old.Redis, "stop"), Prints: "nothing", Else: "Switch its host off."})
	default:
		p.say("%d. **Stop %s** as it is stopped at your place, %s. ham knows no command for that.", p.next(), from, where)
		p.say("")
	}
	for _, r := range g.Routes {
		if r.VIP != nil && r.VIP.Interfaces[from] != "" {
			p.action(Action{Does: "Take " + line(r.VIP.Address) + " off", Where: where, Run: "ip address del " + literal(r.VIP.Address) + " dev " + literal(r.VIP.Interfaces[from]), Prints: "nothing",
				Else: "\"Cannot assign requested address\": it was not there, which is as good."})
		}
	}
	p.say("%d. **If its host does not answer**: switch it off (management board, hypervisor, the plug), or have its port at the switch shut, and have somebody say that this was done. A host that is cut off from you may not be cut off from its clients.", p.next())
	p.say("")
}

func (p *page) next() int { p.n++; return p.n }

func (p *page) step(g *spec.Group, from, to string, s *message.Step) error {
	actions, err := Step(g, from, to, s)
	if err != nil {
		return err
	}
	for _, a := range actions {
		p.action(a)
	}
	return nil
}

// action writes one thing to do. The command stands in a fence of its own, longer than any within it.
func (p *page) action(a Action) {
	fence := "```"
	for strings.Contains(a.Run, fence) {
		fence += "`"
	}
	p.say("%d. **%s**, %s:", p.next(), a.Does, a.Where)
	p.say("")
	p.say("%ssh", fence)
	p.say("%s", a.Run)
	p.say("%s", fence)
	p.say("")
	p.say("   It prints: %s. If not: %s", a.Prints, a.Else)
	p.say("")
}

// after is what comes when ham is back.
func (p *page) after(g *spec.Group) {
	p.say("## When ham is back")
	p.say("")
	if g.Lease != nil {
		p.say("**By ham's record the lost member is still primary.** As soon as ham runs beside the one that you made primary, it stops that server and makes it follow, without what was written meanwhile. So, before you start ham there again: stop the clients, and take what was written with you (a dump). docs/postgres.md has this under *When nobody is left to decide*, and the way with `ham promote` where ham still runs on that host.")
		p.say("")
		return
	}
	p.say("1. Start it everywhere. It sees that roles and record differ, and swaps nothing by itself.")
	p.say("2. `ham adopt %s MEMBER`, with the member that is primary now. Say why: `--reason`. Where you hesitate, `ham pause %s` comes first.", g.Name, g.Name)
	p.say("")
}
