package setup

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
)

// Roles that ham needs, as the presets call them.
const (
	WatchRole  = "ham"             // probers and looks, over the network
	LocalRole  = "ham_local"       // the executor beside the server, by the unix socket alone
	StreamRole = "ham_replication" // standbys, base backups, pg_rewind
)

// LocalGrants are what the executor beside a server needs to keep it in its role, and nothing more: to see the statistics, to change the few
// settings that say whom it follows and waits for, to make slots, to promote, to write a checkpoint, and to end a follower. The role
// must be there, with REPLICATION. Version is the server's number; before 15 nobody but a superuser can be given the settings.
func LocalGrants(user string, version int) []string {
	role := pgx.Identifier{user}.Sanitize()
	if version < 150000 {
		return []string{"ALTER ROLE " + role + " SUPERUSER"}
	}
	all := postgres.Grants(user) // it writes what the probers write, to see whether a write goes through
	all = append(all,
		"GRANT pg_checkpoint, pg_signal_backend TO "+role,
		"GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf() TO "+role,
	)
	for _, name := range postgres.Kept {
		all = append(all, "GRANT ALTER SYSTEM ON PARAMETER "+name+" TO "+role)
	}
	return all
}

// StreamGrants are what pg_rewind needs of the role that it reads the new primary as: https://www.postgresql.org/docs/15/app-pgrewind.html.
// Streaming and base backups need no more than REPLICATION.
func StreamGrants(user string) []string {
	role := pgx.Identifier{user}.Sanitize()
	var all []string
	for _, f := range []string{"pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)", "pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)"} {
		all = append(all, "GRANT EXECUTE ON FUNCTION "+f+" TO "+role)
	}
	return all
}

// roles is the script that makes the roles. It holds no password: psql reads them where they are kept.
func (p Pair) roles() string {
	var b strings.Builder
	fmt.Fprintf(&b, `-- The roles of ham, each with what it needs and nothing more. Run once, as a superuser, on the primary; the standby gets them from there.
--
--   psql -X -v ON_ERROR_STOP=1 -d %s -f roles.sql
--
-- It may be run again. It reads the passwords from the files that the spec names: they stand in no script.
\set ON_ERROR_STOP 1
`, p.database())
	for _, r := range []struct{ role, file, attributes, says string }{
		{WatchRole, p.secret("postgres.password"), "", "Probers and looks: they see the statistics, and write one row of one small table."},
		{StreamRole, p.secret("replication.password"), "REPLICATION", "Standbys stream as it, and an old primary is rewound or copied anew as it."},
		{LocalRole, "", "REPLICATION", "The executor beside the server, by the unix socket: no password, and pg_hba.conf lets nobody else in."},
	} {
		fmt.Fprintf(&b, "\n-- %s\n", r.says)
		fmt.Fprintf(&b, "SELECT 'CREATE ROLE %s' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '%s') \\gexec\n", r.role, r.role)
		fmt.Fprintf(&b, "ALTER ROLE %s LOGIN %s;\n", r.role, r.attributes)
		if r.file != "" {
			fmt.Fprintf(&b, "\\set secret `cat %s`\nALTER ROLE %s PASSWORD :'secret';\n", shellWord(r.file), r.role)
		}
		grants := postgres.Grants(r.role)
		switch r.role {
		case StreamRole:
			grants = StreamGrants(r.role)
		case LocalRole:
			grants = LocalGrants(r.role, min(p.A.Version, p.B.Version))
		}
		for _, sql := range grants {
			b.WriteString(sql + ";\n")
		}
	}
	return b.String()
}

func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
