package haproxy

import "fmt"

// Snapshot is what one process said of itself and of its servers in one line of answers.
type Snapshot struct {
	Info    Info
	Servers []Server // of the backends asked for, in that order, each in the order of the configuration
}

// Server finds a server; ok is false where the backend has none of this name.
func (s Snapshot) Server(backend, name string) (server Server, ok bool) {
	for _, server := range s.Servers {
		if server.Backend == backend && server.Name == name {
			return server, true
		}
	}
	return Server{}, false
}

func snapshotCommands(backends []string) []Command {
	commands := []Command{ShowInfo()}
	if len(backends) == 0 {
		return append(commands, Command{err: fmt.Errorf("%w: a snapshot of no backend", ErrInvalid)})
	}
	for _, b := range backends {
		commands = append(commands, ShowServersState(b))
	}
	return commands
}

func readSnapshot(addr Address, answers []Answer) (Snapshot, error) {
	info, err := ParseInfo(answers[0].Text)
	if err != nil {
		return Snapshot{}, about(addr, answers[0].Command, err)
	}
	snapshot := Snapshot{Info: info}
	for _, a := range answers[1:] {
		servers, err := ParseServersState(a.Text)
		if err != nil {
			return Snapshot{}, about(addr, a.Command, err)
		}
		snapshot.Servers = append(snapshot.Servers, servers...)
	}
	return snapshot, nil
}
