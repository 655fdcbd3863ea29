package pgtest

import (
	"strings"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
)

// Ham is the role that [Server.Grant] makes: what ham's probers and looks use, with no more rights than they need.
const (
	Ham         = "ham"
	HamPassword = `h4m "p/w:@#%`
)

// Grant makes the role Ham with exactly the rights of [postgres.Grants]. On a primary.
func (s *Server) Grant() {
	s.t.Helper()
	s.Exec("CREATE ROLE " + Ham + " LOGIN PASSWORD '" + strings.ReplaceAll(HamPassword, "'", "''") + "'")
	s.Exec(postgres.Grants(Ham)...)
}
