package server

import (
	"os"
	"path/filepath"
	"strings"
)

// LogFiles are the files that the server may log to, whether they are there or not: that of a server which this package has started, those that the server's own
// collector says it writes, and the distribution's. https://www.postgresql.org/docs/15/functions-info.html (pg_current_logfile)
func (s *Server) LogFiles() []string {
	all := []string{s.logFile()}
	if text, err := os.ReadFile(s.in("current_logfiles")); err == nil {
		for line := range strings.Lines(string(text)) {
			if _, path, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				if !filepath.IsAbs(path) {
					path = s.in(path)
				}
				all = append(all, path)
			}
		}
	}
	version, name := s.service.version, s.service.name
	if s.service.kind == "systemd" {
		if of, ok := strings.CutPrefix(strings.TrimSuffix(s.service.unit, ".service"), "postgresql@"); ok {
			version, name, _ = strings.Cut(of, "-")
		}
	}
	if version != "" && name != "" {
		all = append(all, filepath.Join("/var/log/postgresql", "postgresql-"+version+"-"+name+".log"))
	}
	return all
}
