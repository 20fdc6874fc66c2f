package inputs

import (
	"maps"
	"testing"
)

func TestQuerySecrets(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"token=x", "v=1&private_token=x", "sig=x", "X-Amz-Signature=x&X-Amz-Date=1", "key=x", "api.key=x",
		"password=x", "PWD=x", "a=1;jwt=x", "access%5Ftoken=x",
		"x=ghp_abcdefghijklmnopqrst", "x=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x#token", "sas=x", "apikey=x",
	} {
		files := Files{
			Context: "https://me:t0ken@files.example:8443/a.tgz?" + query,
			Named:   map[string]string{"x": "https://b.example/r.git?" + query},
		}
		want := map[string]string{"": "HTTP_AUTH_TOKEN_files.example", "x": "GIT_AUTH_TOKEN.b.example"}
		if got := files.QuerySecrets(); !maps.Equal(got, want) {
			t.Errorf("%s: got %v", query, got)
		}
	}
	for _, location := range []string{
		"https://files.example/a.tgz", "https://files.example/a.tgz?ref=main&v=1",
		"https://files.example/token=x", "https://files.example/a.tgz#token=x",
		"https://files.example/a.tgz?token=", "https://files.example/a.tgz?keyword=x&monkey=y",
		"docker-image://files.example/a", "./app?token=x",
		"git@files.example:x.git", "https://files.example/r.git?branch=main&subdir=keys",
	} {
		files := Files{Context: location, Named: map[string]string{"x": location}}
		if got := files.QuerySecrets(); len(got) != 0 {
			t.Errorf("%s: got %v", location, got)
		}
	}
}
