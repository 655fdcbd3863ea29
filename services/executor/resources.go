package executor

import (
	"github.com/isacloud/ha-manager/services/executor/resource"
	"github.com/isacloud/ha-manager/services/executor/resource/postgres"
	"github.com/isacloud/ha-manager/services/executor/resource/redis"
)

// Resources is the list of all kinds of resources: adding one is a folder and a line here.
func Resources() []resource.Kind {
	return []resource.Kind{
		postgres.Kind(),
		redis.Kind(),
	}
}
