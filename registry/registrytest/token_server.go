package registrytest

import (
	"encoding/json"
	"net/http"
)

// TokenPath is where a registry that asks for tokens gives them.
const TokenPath = "/token"

// tokenServer lets requests with a token through to a registry, and gives tokens to those who log in.
type tokenServer struct {
	realm              string
	username, password string
	token              string
	next               http.Handler // the registry
}

// ServeHTTP implements http.Handler.
func (s tokenServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch username, password, _ := req.BasicAuth(); {
	case req.URL.Path != TokenPath && req.Header.Get("Authorization") == "Bearer "+s.token:
		s.next.ServeHTTP(w, req)
	case req.URL.Path != TokenPath:
		w.Header().Set("Www-Authenticate", `Bearer realm="`+s.realm+`",service="registrytest"`)
		Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	case req.Method != http.MethodGet:
		http.NotFound(w, req)
	case username != s.username || password != s.password:
		Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"token": s.token, "expires_in": 300})
	}
}
