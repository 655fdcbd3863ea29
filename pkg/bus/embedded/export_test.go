package embedded

// Check is what Start asks before it opens anything.
func Check(o Options) error { return o.check() }
