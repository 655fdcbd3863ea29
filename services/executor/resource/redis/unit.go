package redis

import (
	"context"
	"fmt"
	"strings"

	"github.com/isacloud/ha-manager/services/executor/driver/process"
)

// CheckService says what is wrong with the service of a Redis server.
func CheckService(service string) error {
	if unit, ok := strings.CutPrefix(service, "systemd:"); service == "" || ok && unit != "" && !strings.HasPrefix(unit, "-") {
		return nil
	}
	return fmt.Errorf("service is %q, want systemd:<unit>, or none", service)
}

// Start starts the service, and returns when systemd says that it has started.
func Start(ctx context.Context, service string) error { return systemctl(ctx, "start", service) }

// kill kills every process of it.
func kill(ctx context.Context, service string) error {
	return systemctl(ctx, "kill", "--signal=SIGKILL", service)
}

func systemctl(ctx context.Context, words ...string) error {
	last := len(words) - 1
	words[last] = strings.TrimPrefix(words[last], "systemd:")
	r, err := process.Run(ctx, process.Command{Argv: append([]string{"systemctl"}, words...)})
	what := "systemctl " + strings.Join(words, " ")
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case r.Cut:
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	case r.Code != 0:
		return fmt.Errorf("%s: exit code %d: %s", what, r.Code, r.Output)
	}
	return nil
}
