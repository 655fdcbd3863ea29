package prober

import (
	"fmt"
	"strings"

	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/certificate"
	"github.com/isacloud/ha-manager/services/prober/check/exec"
	"github.com/isacloud/ha-manager/services/prober/check/group"
	"github.com/isacloud/ha-manager/services/prober/check/host"
	"github.com/isacloud/ha-manager/services/prober/check/http"
	"github.com/isacloud/ha-manager/services/prober/check/postgres"
	"github.com/isacloud/ha-manager/services/prober/check/queue"
	"github.com/isacloud/ha-manager/services/prober/check/redis"
	"github.com/isacloud/ha-manager/services/prober/check/tcp"
)

// Checks returns every kind of check that a prober knows. Adding a kind is its folder and a line here.
func Checks() []check.Kind {
	return []check.Kind{http.Kind, tcp.Kind, exec.Kind, postgres.Kind, redis.Kind, host.Kind, queue.Kind, certificate.Kind, group.Kind}
}

// open never fails: what cannot be looked at answers unknown and says why, where everybody sees it.
func open(t check.Target) check.Looker {
	var known []string
	for _, k := range Checks() {
		if k.Name != t.Check.Kind {
			known = append(known, string(k.Name))
			continue
		}
		l, err := k.Open(t)
		if err != nil {
			return check.Unable(fmt.Sprintf("check %s of %s cannot be made: %s", t.Check.Name, t.Member, err))
		}
		return l
	}
	return check.Unable(fmt.Sprintf("this prober knows no check of kind %q, only %s: upgrade it", t.Check.Kind, strings.Join(known, ", ")))
}
