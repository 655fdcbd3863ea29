package driver

import (
	"maps"
	"slices"
	"strconv"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// Env is what an operator's command is told of the swap, and the operator's own variables. The error names a variable whose
// secret cannot be read.
func Env(in Input, own map[string]spec.Secret) ([]string, error) {
	cmd := in.Command
	env := []string{
		"HAM_GROUP=" + cmd.Group, "HAM_EPOCH=" + strconv.FormatUint(cmd.Epoch, 10), "HAM_KIND=" + string(cmd.Kind),
		"HAM_OLD=" + cmd.From, "HAM_NEW=" + cmd.Primary, "HAM_STEP=" + in.Step.Name, "HAM_ROLE=" + in.Role(), "HAM_MEMBER=" + in.Member(),
		"HAM_COMMAND=" + cmd.ID, "HAM_EXECUTOR=" + in.Executor,
		"HAM_GRACEFUL=" + strconv.FormatBool(cmd.Plan.Graceful), "HAM_DRY_RUN=" + strconv.FormatBool(cmd.DryRun),
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		value, err := in.Secrets.Resolve(own[name])
		if err != nil {
			return nil, Unasked("env.%s: %w", name, err)
		}
		env = append(env, name+"="+value)
	}
	return env, nil
}
