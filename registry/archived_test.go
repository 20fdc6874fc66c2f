package registry_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// TestSetTagsArchived holds that an immutable tag of an archived image does not move, and that the error says so. A
// mutable tag moves.
func TestSetTagsArchived(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("team/app", registrytest.ImmutableWithExclusion, "latest*")
	archived := registrytest.Image(t, "linux/amd64")
	e.Archive("team/app", e.Push(t, "team/app:0123456789ab", archived))
	e.Archive("team/app", e.Push(t, "team/app:latest", archived))
	digest := e.Push(t, "team/app", registrytest.Image(t, "linux/amd64"))
	fixed, mutable := parseTag(t, e.Host()+"/team/app:0123456789ab"), parseTag(t, e.Host()+"/team/app:latest")
	client := singleTryClient(amazonKeychain(t, e, "one"))
	moved, err := client.SetTags(t.Context(), fixed.Repository(), digest, []registry.Tag{fixed, mutable})
	expectError(t, err, fault.ErrImmutableTag,
		"tagging "+fixed.String()+": immutable tag: it holds an image that "+e.Host()+" does not serve, since it is "+
			"archived or its content is gone")
	if !slices.Equal(moved, []registry.Tag{mutable}) {
		t.Errorf("moved %v", moved)
	}
}

// archivedCase is a case of TestArchivedIsNotGone.
type archivedCase struct {
	prepare  func(e *registrytest.ECR, digest string)
	archived bool
	is       error // in place of it
}

// archivedCases are the cases of TestArchivedIsNotGone, by name.
var archivedCases = map[string]archivedCase{
	"archived": {
		func(e *registrytest.ECR, digest string) { e.Archive("team/app", digest) }, true,
		fault.ErrArchived,
	},
	"on its way": {
		func(e *registrytest.ECR, digest string) { e.Activate("team/app", digest) }, true,
		fault.ErrArchived,
	},
	"nobody may ask": {
		func(e *registrytest.ECR, digest string) { e.Archive("team/app", digest); e.Deny("ecr:DescribeImages") },
		false, fault.ErrUndetermined,
	},
	"gone": {
		func(e *registrytest.ECR, _ string) { e.Repository("team/app", registrytest.Mutable) },
		false, fault.ErrNotFound,
	},
	"AWS is silent": {func(e *registrytest.ECR, digest string) {
		e.Archive("team/app", digest)
		e.Inject(registrytest.Rule{Operation: "DescribeImages", Fault: registrytest.Reset(0)})
	}, false, nil},
}

// TestArchivedIsNotGone holds that an image in the archive is listed and not served. Where these credentials may not
// ask, no image counts as gone.
func TestArchivedIsNotGone(t *testing.T) {
	t.Parallel()
	tests := archivedCases
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository("team/app", registrytest.Mutable)
			digest := e.Push(t, "team/app:1", registrytest.Image(t, "linux/amd64"))
			test.prepare(e, digest)
			client, tag := singleTryClient(amazonKeychain(t, e, "one")), parseTag(t, e.Host()+"/team/app:1")
			held, err := client.Resolve(t.Context(), tag)
			if err == nil || test.is != nil && !errors.Is(err, test.is) || test.is == nil &&
				errors.Is(err, fault.ErrNotFound) {
				t.Errorf("resolved to %q, %v", held, err)
			}
			if test.archived && (held != digest || errors.Is(err, fault.ErrNotFound)) {
				t.Errorf("resolved to %q, %v", held, err)
			}
			found, err := client.Exists(t.Context(), tag.Repository(), digest)
			gone := !found && err == nil
			if gone != errors.Is(test.is, fault.ErrNotFound) || test.is != nil && !found && err != nil &&
				!errors.Is(err, test.is) {
				t.Errorf("exists: %t, %v", found, err)
			}
			deleted, err := client.DeleteTag(t.Context(), tag, digest)
			left := e.Tags("team/app")
			gone = test.archived || name == "gone"
			if deleted != test.archived || (len(left) == 0) != gone || (err != nil) != (test.is == nil) {
				t.Errorf("deleted: %t, %v, left %v", deleted, err, left)
			}
			absent := fault.ErrNotFound
			if !test.archived && test.is != nil {
				absent = test.is
			}
			_, err = client.Resolve(t.Context(), parseTag(t, e.Host()+"/team/app:absent"))
			if test.is != nil && !errors.Is(err, absent) {
				t.Errorf("a tag that is not there: %v", err)
			}
		})
	}
}

// TestUndeterminedNamesTheRight holds that the error names the right that is missing, also for a plain login without
// AWS credentials. It does not blame the login of the registry.
func TestUndeterminedNamesTheRight(t *testing.T) {
	t.Parallel()
	for profile, want := range map[string]string{
		"one": "AWS: User: arn:aws:iam::123456789012:user/ci is not authorized to perform: ecr:DescribeImages on " +
			"resource: arn:aws:ecr:eu-west-1:123456789012:repository/app because no identity-based policy allows the " +
			"ecr:DescribeImages action",
		"nothing": `AWS: no credentials in the environment, in profile "nothing" or from this machine`,
		"absent":  `AWS: there is no profile "absent" in ~/.aws`,
	} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository("app", registrytest.Mutable)
			digest := e.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
			e.Archive("app", digest)
			e.Deny("ecr:DescribeImages")
			client := singleTryClient(amazonKeychainWith(t, e, profile, `{}`,
				registry.Login{Address: e.Host(), Username: "AWS",
					Password: e.Token()}))
			tag := parseTag(t, e.Host()+"/app:1")
			_, err := client.Resolve(t.Context(), tag)
			expectError(t, err, fault.ErrUndetermined,
				"resolving "+tag.String()+": it is archived or gone, which is not "+
					"known: "+want, fault.ImageMaybe)
			if errors.Is(err, fault.ErrUnauthorized) || errors.Is(err, fault.ErrDenied) ||
				errors.Is(err, fault.ErrNotFound) {
				t.Errorf("%v is more than that", err)
			}
			found, err := client.Exists(t.Context(), tag.Repository(), digest)
			if found || !errors.Is(err, fault.ErrUndetermined) {
				t.Errorf("exists: %t, %v", found, err)
			}
			if deleted, err := client.DeleteTag(t.Context(), tag, digest); deleted || err != nil {
				t.Errorf("deleted: %t, %v", deleted, err)
			}
			if _, err := client.Find(t.Context(), tag); !errors.Is(err, fault.ErrNotFound) {
				t.Errorf("it is reused: %v", err)
			}
		})
	}
}

// TestDeleteTagArchivedByOthers holds that DeleteTag keeps a tag of another archived image.
func TestDeleteTagArchivedByOthers(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", registrytest.Mutable)
	ours := e.Push(t, "app", registrytest.Image(t, "linux/amd64"))
	e.Archive("app", e.Push(t, "app:1", registrytest.Image(t, "linux/amd64")))
	deleted, err := singleTryClient(amazonKeychain(t, e, "one")).DeleteTag(t.Context(), parseTag(t, e.Host()+"/app:1"),
		ours)
	if deleted || err != nil || len(e.Tags("app")) != 1 {
		t.Errorf("deleted: %t, %v", deleted, err)
	}
}

// TestCheckTagsArchived holds that CheckTags refuses an immutable tag of an archived image before the build. It lets
// the tag pass if the build gives that image, whose push brings it back.
func TestCheckTagsArchived(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", registrytest.Immutable)
	digest := e.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	e.Archive("app", digest)
	tag := parseTag(t, e.Host()+"/app:1")
	client := singleTryClient(amazonKeychain(t, e, "one"))
	for _, other := range []string{"", "sha256:" + strings.Repeat("0", 64)} {
		err := client.CheckTags(t.Context(), tag.Repository(), []registry.Tag{tag}, other)
		expectError(t, err, fault.ErrImmutableTag, "tag "+tag.String()+": immutable tag: archived", fault.ImageArchived)
	}
	if err := client.CheckTags(t.Context(), tag.Repository(), []registry.Tag{tag}, digest); err != nil {
		t.Error(err)
	}
}
