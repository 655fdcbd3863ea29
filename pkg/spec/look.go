package spec

// lookAt makes a look from an executor out of the first check that decides about the member. Role is what a database must be.
//
// Where several resources make a member down, no single look says that it is up: then there is none but for what is wanted to be up.
func lookAt(g *Group, m Member, want, role string) (LookArgs, bool) {
	var decides []Check
	for _, check := range g.Checks {
		if check.Effect == EffectDown && check.Looks(m.Name) {
			decides = append(decides, check)
		}
	}
	if len(g.Resources) > 0 && want == "down" && len(decides) > 1 {
		return LookArgs{}, false
	}
	for _, check := range decides {
		if !check.OfPrimary || role == RolePrimary {
			if look, ok := lookWith(check, m, want, role); ok {
				return look, true
			}
		}
	}
	return LookArgs{}, false
}

func lookWith(check Check, m Member, want, role string) (LookArgs, bool) {
	check = check.For(m)
	look := LookArgs{Timeout: check.Timeout, Want: want}
	switch {
	case check.HTTP != nil:
		look.HTTP = check.HTTP.URL
		look.Status, look.Headers = check.HTTP.Status, check.HTTP.Headers
		if check.HTTP.Body != nil {
			look.Body = check.HTTP.Body.String()
		}
		look.TLS = &check.HTTP.TLS
	case check.TCP != nil:
		look.TCP, look.TLS = check.TCP.Address, check.TCP.TLS
	case check.Exec != nil:
		look.Command, look.Env, look.Dir = check.Exec.Command, check.Exec.Env, check.Exec.Dir
	case check.Postgres != nil:
		look.Postgres, look.Role = check.Postgres.DSN, role
	default:
		return LookArgs{}, false
	}
	return look, true
}
