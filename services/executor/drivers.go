package executor

import (
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/assert"
	"github.com/isacloud/ha-manager/services/executor/driver/exec"
	"github.com/isacloud/ha-manager/services/executor/driver/fence"
	"github.com/isacloud/ha-manager/services/executor/driver/group"
	"github.com/isacloud/ha-manager/services/executor/driver/haproxy"
	"github.com/isacloud/ha-manager/services/executor/driver/http"
	"github.com/isacloud/ha-manager/services/executor/driver/pgbouncer"
	"github.com/isacloud/ha-manager/services/executor/driver/postgres"
	"github.com/isacloud/ha-manager/services/executor/driver/redis"
	"github.com/isacloud/ha-manager/services/executor/driver/restart"
	"github.com/isacloud/ha-manager/services/executor/driver/run"
	"github.com/isacloud/ha-manager/services/executor/driver/vip"
	"github.com/isacloud/ha-manager/services/executor/driver/wait"
)

// Drivers is the list of all kinds of drivers: adding one is a folder and a line here.
func Drivers() []driver.Kind {
	return []driver.Kind{
		exec.Kind(),
		http.Kind(),
		haproxy.Kind(),
		pgbouncer.Kind(),
		vip.Kind(),
		fence.Kind(),
		assert.Kind(),
		wait.Kind(),
		restart.Kind(),
		postgres.Kind(),
		redis.Kind(),
		group.Kind(),
		run.Kind(),
	}
}
