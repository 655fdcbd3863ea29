package spec

// Pool makes a group one whose members serve side by side: it has no primary, no epoch and no swap.
type Pool struct {
	// Minimum is how many active members must serve: none is taken out for maintenance below it. At least 1.
	Minimum int
}

// Active returns the names of the members of a pool that take their share of the clients: all but the backups, sorted.
func (g *Group) Active() []string {
	var names []string
	for _, m := range g.Members {
		if !m.Backup {
			names = append(names, m.Name)
		}
	}
	return names
}
