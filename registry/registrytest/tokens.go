package registrytest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
)

// TokenPath is where a registry that asks for tokens gives them.
const TokenPath = "/token"

// AskForTokens makes the registry ask for tokens in place of a login with each request, as Docker Hub and most others
// do. Its token server gives them, for five minutes, to those who log in there with user name and password. realm is
// the URL that it gives of that server; "" is its own.
func (r *Registry) AskForTokens(realm, username, password string) {
	if realm == "" {
		realm = "http://" + r.host + TokenPath
	}
	access := TokenMark + rand.Text()
	r.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			switch givenName, givenPassword, _ := req.BasicAuth(); {
			case req.URL.Path != TokenPath && req.Header.Get("Authorization") == "Bearer "+access:
				next.ServeHTTP(w, req)
			case req.URL.Path != TokenPath:
				w.Header().Set("Www-Authenticate", `Bearer realm="`+realm+`",service="registrytest"`)
				Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
			case req.Method != http.MethodGet:
				http.NotFound(w, req)
			case givenName != username || givenPassword != password:
				Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
			default:
				_ = json.NewEncoder(w).Encode(map[string]any{"token": access, "expires_in": 300})
			}
		})
	})
}
