package keeper

import "sync"

// beside is what goes on beside those who begin it: questions that nobody waits for. Drivers begin some too, and theirs may come after the keeper has
// ended: they are then left out, since nobody would be there to end them, and what they would say is stored, or said with the next request for a lease.
type beside struct {
	mu   sync.Mutex
	over bool
	all  sync.WaitGroup
}

// Go begins f and says so, unless it is over.
func (b *beside) Go(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return false
	}
	b.all.Go(f)
	return true
}

// close ends it: nothing is begun any more, and what was is waited for.
func (b *beside) close() {
	b.mu.Lock()
	b.over = true
	b.mu.Unlock()
	b.all.Wait()
}
