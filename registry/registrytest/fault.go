package registrytest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Refuse answers with a status and one error in the form of the distribution specification.
func Refuse(w http.ResponseWriter, status int, code, message string) {
	type diagnostic struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []diagnostic{{code, message}}})
}

// Intercept is a fault for Wrap: answer replaces the registry for requests of method whose path ends with suffix. An empty method is any.
func Intercept(method, suffix string, answer http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if (method == "" || method == req.Method) && strings.HasSuffix(req.URL.Path, suffix) {
				answer(w, req)
				return
			}
			next.ServeHTTP(w, req)
		})
	}
}
