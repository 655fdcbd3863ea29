package look

import (
	"context"
	"fmt"
	"strings"

	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/process"
)

// command follows the convention of Nagios plugins: 0 up, 1 degraded (which serves), 2 down, all else unknown.
func (e *Eye) command(ctx context.Context, in driver.Input) Seen {
	env, err := driver.Env(in, e.args.Env)
	if err != nil {
		return Seen{Says: err.Error()}
	}
	r, err := process.Run(ctx, process.Command{Argv: e.args.Command, Env: env, Dir: e.args.Dir})
	first, _, _ := strings.Cut(r.Output, "\n")
	switch {
	case err != nil:
		return Seen{Says: err.Error()}
	case r.Cut:
		return Seen{Says: fmt.Sprintf("%s; %s", context.Cause(ctx), first)}
	case r.Code == 0, r.Code == 1:
		return Seen{Up: true, Asked: true, Says: fmt.Sprintf("exit %d %s", r.Code, first)}
	case r.Code == 2:
		return Seen{Asked: true, Says: "exit 2 " + first}
	}
	return Seen{Says: fmt.Sprintf("exit %d %s", r.Code, first)}
}
