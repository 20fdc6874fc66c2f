package inputs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/subprocess"
)

// pinTimeout limits how long a git server may take to answer.
const pinTimeout = 30 * time.Second

// pinFiles replaces the branches and tags of git contexts by the commits behind them. It asks the git servers, through
// the git program with the user's own configuration. Everything else stays as it is.
//
// Its errors name the location: the server cannot be reached, or has no such branch or tag.
func pinFiles(ctx context.Context, f Files) (Files, error) {
	pinned := f
	pinned.Named = maps.Clone(f.Named)
	var err error
	if IsRemote(f.Context) {
		if pinned.Context, err = pin(ctx, f.Context); err != nil {
			return f, err
		}
	}
	for name, location := range f.Named {
		if !IsRemoteNamedContext(location) {
			continue
		}
		if pinned.Named[name], err = pin(ctx, location); err != nil {
			return f, &NamedContextError{Name: name, err: err}
		}
	}
	return pinned, nil
}

// commitID matches a commit by its full hash.
var commitID = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// GitQueryError is the location of a git context with its branch or tag in a query. The commit behind that is not
// looked up.
type GitQueryError struct{ Location string }

// Error names the location.
func (e *GitQueryError) Error() string {
	return e.Location + ": the branch or tag stands in a query"
}

// pin returns a location with the commit in place of a branch or tag. What is no git repository stays as it is.
func pin(ctx context.Context, location string) (string, error) {
	git, isGit, err := dfgitutil.ParseGitRef(location)
	if err != nil || !isGit || commitID.MatchString(git.Ref) || git.Checksum != "" {
		return location, nil //nolint:nilerr // no git repository: an archive or an image
	}
	repository, _, _ := strings.Cut(location, "#")
	if strings.Contains(repository, "?") {
		return "", &GitQueryError{Location: login.Hide(location)}
	}
	found, err := lsRemote(ctx, git.Remote, git.Ref)
	if err != nil {
		return "", fmt.Errorf("%s: the commit is not known: %w", login.Hide(location), err)
	}
	if git.SubDir != "" {
		found += ":" + git.SubDir
	}
	return repository + "#" + found, nil
}

// lsRemote asks a git server for the commit behind a branch or tag, or behind HEAD when ref is "".
func lsRemote(ctx context.Context, remote, ref string) (string, error) {
	remote, auth := gitLogin(remote)
	ctx, stop := context.WithTimeoutCause(ctx, pinTimeout, fmt.Errorf("git did not answer within %s", pinTimeout))
	defer stop()
	if ref == "" {
		ref = "HEAD"
	}
	cmd := exec.CommandContext(ctx, "git", append([]string{"ls-remote", "--", remote}, refNames(ref)...)...)
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_SSH_COMMAND=ssh -oBatchMode=yes")
	cmd.Env = append(cmd.Env, auth...)
	out, complaint, err := subprocess.Output(cmd)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, subprocess.ErrLimit):
		return "", fmt.Errorf("git ls-remote: %w; that is no list of branches and tags: "+
			"check the server and the git program", err)
	case err != nil:
		return "", fmt.Errorf("git ls-remote: %w: %s", err, login.Hide(strings.TrimSpace(string(complaint))))
	}
	return commitOf(out, ref)
}

// gitLogin takes the login out of a git URL and returns it as variables of git's environment. Other users of the
// machine cannot read them, unlike arguments. Their numbers follow those of the configuration that the environment
// holds already.
func gitLogin(remote string) (plain string, variables []string) {
	plain, user, found := login.Split(remote)
	who := login.Parse(user)
	if !found || !who.HasPassword || strings.HasPrefix(plain, "ssh://") {
		return plain, nil
	}
	count, _ := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT"))
	return plain, []string{
		fmt.Sprintf("GIT_CONFIG_COUNT=%d", count+1),
		fmt.Sprintf("GIT_CONFIG_KEY_%d=http.%s.extraHeader", count, plain),
		fmt.Sprintf("GIT_CONFIG_VALUE_%d=Authorization: %s", count, who.Basic()),
	}
}

// refNames returns the full names that a branch or tag may have, in the order in which they count. The name with "^{}"
// follows an annotated tag to its commit.
//
// Git is asked for no other names: a large repository has more of them than we read.
func refNames(ref string) []string {
	names := []string{"refs/heads/" + ref, "refs/tags/" + ref + "^{}", "refs/tags/" + ref}
	if ref == "HEAD" || strings.HasPrefix(ref, "refs/") {
		names = append(names, ref)
	}
	return names
}

// commitOf finds a branch or tag in what git ls-remote printed.
func commitOf(list []byte, ref string) (string, error) {
	refs := map[string]string{}
	for line := range strings.Lines(string(list)) {
		if sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			refs[name] = sum
		}
	}
	for _, name := range refNames(ref) {
		if sum := refs[name]; sum != "" {
			return sum, nil
		}
	}
	return "", errors.New("it has no branch or tag " + ref)
}
