package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Binding turns a step into the driver that does it.
type Binding func(step *message.Step) (Driver, error)

// Bind binds steps to the drivers of an explicit list. The error of a step names the step and what is wrong with it.
func Bind(kinds []Kind) Binding {
	return func(step *message.Step) (Driver, error) {
		for _, k := range kinds {
			if k.Name == step.Driver {
				d, err := k.New(step.With)
				if err != nil {
					return nil, fmt.Errorf("step %s, driver %s: %w", step.Name, k.Name, err)
				}
				return masked{d}, nil
			}
		}
		return nil, fmt.Errorf("step %s: unknown driver %q; known are %s", step.Name, step.Driver, strings.Join(names(kinds), ", "))
	}
}

// Rehearse is the binding of a dry run: drivers look, and do nothing.
func Rehearse(b Binding) Binding {
	return func(step *message.Step) (Driver, error) {
		d, err := b(step)
		if err != nil {
			return nil, err
		}
		return rehearsed{d}, nil
	}
}

type rehearsed struct{ Driver }

func (rehearsed) Do(context.Context, Input) (Deed, error) { return Deed{}, ErrRehearsed }

func (r rehearsed) Close() { Close(r.Driver) }

// masked takes secrets out of whatever a driver returns: a driver that forgets it does not leak.
type masked struct{ Driver }

func (m masked) Close() { Close(m.Driver) }

func (m masked) Prepare(ctx context.Context, in Input) { Prepare(ctx, m.Driver, in) }

func (m masked) Look(ctx context.Context, in Input) (Sight, error) {
	s, err := m.Driver.Look(ctx, in)
	s.Found, s.Wanted, s.Evidence = in.Secrets.Mask(s.Found), in.Secrets.Mask(s.Wanted), in.Secrets.Mask(s.Evidence)
	return s, mask(in, err)
}

func (m masked) Do(ctx context.Context, in Input) (Deed, error) {
	d, err := m.Driver.Do(ctx, in)
	d.Evidence = in.Secrets.Mask(d.Evidence)
	return d, mask(in, err)
}

// mask keeps which of the reasons it is and drops the chain below, whose texts may hold anything.
func mask(in Input, err error) error {
	if err == nil {
		return nil
	}
	for _, reason := range []error{ErrRefused, ErrUnasked, ErrRehearsed} {
		if errors.Is(err, reason) {
			return &failure{reason: reason, text: in.Secrets.Mask(err.Error())}
		}
	}
	return &failure{reason: ErrUnknown, text: in.Secrets.Mask(err.Error())}
}

// Check says what is wrong with a list of kinds: a missing name, summary, example, guarantee or constructor, or a name twice.
func Check(kinds []Kind) error {
	seen := map[string]bool{}
	for i, k := range kinds {
		what := k.Name
		if what == "" {
			what = fmt.Sprintf("number %d", i+1)
		}
		missing := func(s string) error { return fmt.Errorf("driver %s: %s is missing", what, s) }
		switch g := k.Guarantee; {
		case !message.IsName(k.Name):
			return missing("a name")
		case seen[k.Name]:
			return fmt.Errorf("driver %s: listed twice", what)
		case k.Summary == "":
			return missing("the summary")
		case k.Example == "":
			return missing("the example")
		case k.New == nil:
			return missing("the constructor")
		case g.Fences == "" || g.FailsClosedWithin == "" || g.LeavesToAPerson == "" || (!g.HoldsEpoch && g.LateEffect == ""):
			return missing("a part of the guarantee")
		}
		seen[k.Name] = true
	}
	return nil
}

func names(kinds []Kind) []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.Name)
	}
	return out
}
