package door

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/password"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/who"
)

const (
	// hashersAtOnce bounds the memory that strangers can make the console use: each comparison takes what the hash names, 64 MiB by default.
	hashersAtOnce = 2
	hasherWait    = 5 * time.Second
	// placesOfOne is how many addresses are remembered that somebody signed in from.
	placesOfOne = 8
)

// users are the people of the file.
type users struct {
	all  []user
	seed maphash.Seed
	// decoys, one for each hash there is, are compared with where there is no user. Which one a name gets is always the same.
	decoys  []password.Hash
	hashers chan struct{}
	tries   *limiter // by name

	mu sync.Mutex
	// places are those from which each user signed in last. Tries from there are counted apart, so that a stranger who guesses a user's
	// password does not keep them out.
	places map[string][]netip.Addr
}

type user struct {
	spec.ConsoleUser
	hash  password.Hash
	by    bool // by password
	roles map[string]who.Role
}

func newUsers(declared []spec.ConsoleUser, look spec.Lookup) (*users, error) {
	u := &users{seed: maphash.MakeSeed(), hashers: make(chan struct{}, hashersAtOnce), tries: newLimiter(10, 30*time.Second), places: map[string][]netip.Addr{}}
	var errs []error
	for _, s := range declared {
		x := user{ConsoleUser: s, roles: rolesOf(s.Roles)}
		if !message.IsName(s.Name) {
			errs = append(errs, fmt.Errorf("ham.console.users: %q is no name", s.Name))
			continue
		}
		if s.Password != "" {
			x.by = true
			text, err := s.Password.Resolve(look)
			if err == nil {
				x.hash, err = password.Parse(text)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("ham.console.users.%s.password: %w", s.Name, err))
			}
			u.decoys = append(u.decoys, x.hash.Decoy())
		}
		u.all = append(u.all, x)
	}
	return u, errors.Join(errs...)
}

func rolesOf(r spec.Roles) map[string]who.Role {
	out := make(map[string]who.Role, len(r))
	for group, role := range r {
		out[group] = who.Role(role)
	}
	return out
}

// passwords says whether anybody signs in with one.
func (u *users) passwords() bool { return len(u.decoys) > 0 }

func (u *users) find(is func(*user) bool) *user {
	if i := slices.IndexFunc(u.all, func(x user) bool { return is(&x) }); i >= 0 {
		return &u.all[i]
	}
	return nil
}

var errBusy = errors.New("too many sign in at once")

// hashOf is what a password for that name is compared with: the user's hash, or where there is no such user, one that costs as much as
// those of the others, and always the same for the same name.
func (u *users) hashOf(name string) (*user, password.Hash) {
	if x := u.find(func(x *user) bool { return x.Name == name && x.by }); x != nil {
		return x, x.hash
	}
	if len(u.decoys) == 0 {
		return nil, password.Hash{}
	}
	return nil, u.decoys[maphash.String(u.seed, name)%uint64(len(u.decoys))]
}

// check compares a password with that of the user. It takes as long where there is no such user. Nil: they do not belong together.
func (u *users) check(ctx context.Context, name, text string) (*user, error) {
	x, h := u.hashOf(name)
	ctx, cancel := context.WithTimeout(ctx, hasherWait)
	defer cancel()
	select {
	case u.hashers <- struct{}{}:
		defer func() { <-u.hashers }()
	case <-ctx.Done():
		return nil, errBusy
	}
	if !h.Matches(text) || x == nil {
		return nil, nil
	}
	return x, nil
}

// key is what tries to sign in as a user are counted under: where they signed in before, they are counted apart.
func (u *users) key(name string, from netip.Addr) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if slices.Contains(u.places[name], from) {
		return "from " + from.String() + " as " + name
	}
	return "as " + name
}

func (u *users) signedIn(name string, from netip.Addr) {
	u.mu.Lock()
	defer u.mu.Unlock()
	rest := slices.DeleteFunc(u.places[name], func(a netip.Addr) bool { return a == from })
	if len(rest) >= placesOfOne {
		rest = rest[1:]
	}
	u.places[name] = append(rest, from)
}

// signInLocal takes name and password.
func (d *Door) signInLocal(w http.ResponseWriter, r *http.Request) {
	from := fromOf(r.Context())
	name, target := clip(r.PostForm.Get("name")), next(r.PostForm.Get("next"))
	no := func(status int, sentence, why string) {
		d.tell(Event{What: Refused, Name: name, Via: who.Local, From: from.String(), Path: pathSignIn, Why: why})
		d.showSignIn(w, r, status, target, sentence)
	}
	key := d.users.key(name, from)
	if wait := d.users.tries.take(key); wait > 0 {
		d.tell(Event{What: Refused, Name: name, Via: who.Local, From: from.String(), Path: pathSignIn, Why: "too many tries with this name"})
		d.refuse(w, r, tooMany(wait))
		return
	}
	u, err := d.users.check(r.Context(), name, r.PostForm.Get("password"))
	switch {
	case err != nil:
		d.users.tries.back(key)
		no(http.StatusServiceUnavailable, "Too many people sign in at this moment: try again.", err.Error())
		return
	case u == nil:
		no(http.StatusUnauthorized, "That name and that password do not belong together.", "wrong name or password")
		return
	}
	d.users.tries.back(key)
	d.addresses.back(addressKey(from))
	d.users.signedIn(u.Name, from)
	d.enter(w, r, who.Person{Name: u.Name, Via: who.Local, Roles: u.roles}, fingerprint{}, time.Time{})
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// clip cuts what a stranger typed to what a name may be, for the log.
func clip(s string) string {
	if len(s) > message.MaxName {
		s = s[:message.MaxName]
	}
	out := []byte(s)
	for i, c := range out {
		if c <= ' ' || c >= 0x7f {
			out[i] = '?'
		}
	}
	return string(out)
}
