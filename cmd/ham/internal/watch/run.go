package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/console/glance"
)

// Options of Run and Lines. Bus is required.
type Options struct {
	Bus *bus.Bus
	// Me is who asks, in the record.
	Me string
	// From is where that is, for the record alone.
	From string
	// Groups are those to show; none: all.
	Groups  []string
	Timeout time.Duration
	In, Out *os.File
	Env     func(string) string
}

const (
	// frame is how often the screen is drawn anew where nothing happens: ages and the clock go on.
	frame = 250 * time.Millisecond
	// planTime bounds all questions of a plan together.
	planTime = 8 * time.Second
)

// Run shows the screen until the person leaves or ctx ends, and puts the terminal back as it was.
func Run(ctx context.Context, o Options) error {
	feedCtx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()

	sh := &shell{o: o, ask: ask.Client{Bus: o.Bus, Timeout: o.Timeout}, ctx: feedCtx, board: glance.New(glance.Options{Bus: o.Bus, Log: slog.New(slog.DiscardHandler)})}
	sh.model = NewModel(o.Me, o.Groups, !unicodeTerminal(o.Env), nil)
	program := sh.program()
	broken := make(chan error, 2)
	run := func(f func() error) {
		all.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					broken <- fmt.Errorf("the screen broke: %v\n%s", r, debug.Stack())
					program.Quit()
				}
			}()
			if err := f(); err != nil && feedCtx.Err() == nil {
				broken <- err
				program.Quit()
			}
		})
	}
	run(func() error { return sh.board.Run(feedCtx) })
	run(func() error { return sh.feed(program) })
	defer context.AfterFunc(ctx, program.Quit)() // an end in order leaves the terminal in order

	err := sh.draw(program)
	select {
	case why := <-broken:
		return why
	default:
	}
	if errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}

// unicodeTerminal says whether the terminal writes more than ASCII, as far as the environment tells.
func unicodeTerminal(env func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(env(name)); v != "" {
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return false
}

// shell is the model's surroundings: it hands in what happens with its time, and does what the model wants done.
type shell struct {
	o     Options
	ask   ask.Client
	ctx   context.Context
	board *glance.Board
	model Model
	broke error // what Update panicked with
}

// program draws on the terminal. Signals are the process's own matter.
func (s *shell) program() *tea.Program {
	return tea.NewProgram(s, tea.WithInput(s.o.In), tea.WithOutput(s.o.Out), tea.WithoutSignalHandler())
}

// draw runs the program until it ends, and says what it broke on.
func (s *shell) draw(p *tea.Program) error {
	_, err := p.Run()
	return errors.Join(s.broke, err)
}

type tick struct{}

func (s *shell) Init() tea.Cmd { return every() }

func every() tea.Cmd { return tea.Tick(frame, func(time.Time) tea.Msg { return tick{} }) }

func (s *shell) Update(msg tea.Msg) (same tea.Model, next tea.Cmd) {
	// What breaks ends the screen as leaving it does. bubbletea's own way closes the terminal while its reader still waits on it.
	defer func() {
		if p := recover(); p != nil {
			same, s.broke, next = s, fmt.Errorf("the screen broke: %v\n%s", p, debug.Stack()), tea.Quit
		}
	}()
	var cmds []tea.Cmd
	happened := any(msg)
	if _, isTick := msg.(tick); isTick {
		happened = ticked{}
		cmds = append(cmds, every())
	}
	var effects []effect
	s.model, effects = s.model.Update(time.Now(), happened)
	for _, e := range effects {
		if cmd := s.do(e); cmd != nil {
			cmds = append(cmds, cmd)
		}
	}
	return s, tea.Batch(cmds...)
}

func (s *shell) View() tea.View {
	v := tea.NewView(s.model.View())
	v.AltScreen = true
	v.WindowTitle = "ham watch"
	v.KeyboardEnhancements.ReportEventTypes = s.model.Armed()
	return v
}

// do makes what the model wants done.
func (s *shell) do(e effect) tea.Cmd {
	switch e := e.(type) {
	case quit:
		return tea.Quit
	case askPlan:
		return func() tea.Msg { return s.plan(e) }
	case check:
		return func() tea.Msg { return checked{e.question, s.check(e)} }
	case send:
		return func() tea.Msg { return s.send(e) }
	}
	return nil
}

func (s *shell) plan(e askPlan) planned {
	ctx, cancel := context.WithTimeout(s.ctx, planTime)
	defer cancel()
	out := planned{question: e.question}
	if out.status, out.err = s.ask.Status(ctx, e.group); out.err != nil {
		return out
	}
	if e.wish.verb == "" {
		e.wish.verb = ask.Likely(out.status)
	}
	if out.preview, out.err = s.ask.Preview(ctx, e.wish.request(ask.RequestID(), e.group, s.o.Me)); out.err != nil {
		return out
	}
	out.looked = s.ask.Look(ctx, out.preview)
	return out
}

// check says what is another now about the plan that is shown; "": nothing, or nobody answered, which is shown anyway.
func (s *shell) check(e check) string {
	ctx, cancel := context.WithTimeout(s.ctx, checkEvery)
	defer cancel()
	v, err := s.ask.Preview(ctx, e.request)
	if err != nil {
		return ""
	}
	for _, r := range v.Reasons {
		if r.Code == otherPlan {
			return "Something changed meanwhile: " + r.Sentence
		}
	}
	switch {
	case v.Plan != nil && e.request.PlanHash != "" && v.Plan.Hash != e.request.PlanHash:
		return "Something changed meanwhile: the plan is another one now."
	case v.Plan != nil && e.request.PlanHash == "":
		return "There is a plan now."
	}
	return ""
}

// otherPlan is the code of the refusal of a plan that is not the one of now.
const otherPlan = "R334"

// send asks. That a swap would undo another is refused only to whoever does not name an epoch, and the button names it: so it is asked first.
func (s *shell) send(e send) answered {
	ctx, cancel := context.WithTimeout(s.ctx, max(s.o.Timeout, ask.DefaultTimeout))
	defer cancel()
	if !e.meant {
		bare := *e.request
		bare.ID, bare.PlanHash, bare.ExpectEpoch, bare.Override, bare.Reason = ask.RequestID(), "", nil, nil, ""
		v, err := s.ask.Preview(ctx, &bare)
		if err == nil {
			for _, r := range v.Reasons {
				if r.Code == glance.Undoes {
					return answered{request: e.request, outcome: &message.Outcome{Sentence: "this would undo a swap of the last minutes, and nobody said that it is meant. Nothing was asked"}}
				}
			}
		}
	}
	from := *e.request
	from.From = s.o.From
	out, err := s.ask.Send(ctx, &from)
	return answered{e.request, out, err}
}

// feed hands the board's snapshots to the program. A burst of events is one snapshot.
func (s *shell) feed(to *tea.Program) error {
	changed, cancel := s.board.Watch()
	defer cancel()
	for {
		to.Send(snapshot(s.board, time.Now()))
		select {
		case <-s.ctx.Done():
			return nil
		case <-time.After(frame / 5):
		}
		select {
		case <-s.ctx.Done():
			return nil
		case <-changed:
			s.board.Look()
		}
	}
}

func snapshot(b *glance.Board, now time.Time) Snapshot {
	return Snapshot{At: now, Bus: b.Bus(), Listed: b.Listed(), Groups: slices.Clone(b.Groups())}
}

// Armed says whether a key that is held fires.
func (m Model) Armed() bool { return m.swap != nil && m.swap.stage == armed }
