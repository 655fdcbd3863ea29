package postgres

import "github.com/jackc/pgx/v5"

// Grants are the statements that give the role what ham's probers and looks need, and nothing more: to read the server's statistics and
// settings, and to write one row of one small table. A superuser runs them once, on the primary, in the database that the DSN names; they
// may be run again. The role itself must be there.
func Grants(user string) []string {
	role := pgx.Identifier{user}.Sanitize()
	return []string{
		"GRANT pg_monitor TO " + role,
		"CREATE SCHEMA IF NOT EXISTS ham",
		"CREATE TABLE IF NOT EXISTS ham.probe (id text PRIMARY KEY, at timestamptz NOT NULL)",
		"GRANT USAGE ON SCHEMA ham TO " + role,
		"GRANT SELECT, INSERT, UPDATE ON ham.probe TO " + role,
		"ALTER ROLE " + role + " SET log_temp_files = -1", // the probe writes one now and then, to see whether there is room
		"ALTER ROLE " + role + " SET temp_file_limit = -1",
	}
}
