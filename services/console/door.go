package console

import "net/http"

// Door says who stands before the console, and what they may.
type Door interface {
	// Wrap lets a request through to next with its Person in the context, or answers by itself (sign-in page, 401, 403, 429). It checks the
	// CSRF token and the origin of every method but GET, HEAD and OPTIONS.
	Wrap(next http.Handler) http.Handler
	// Routes adds sign-in, sign-out and what they need. It is called once.
	Routes(mux *http.ServeMux)
}
