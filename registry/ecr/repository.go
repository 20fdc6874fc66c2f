package ecr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awsecr "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Options say how a Repository calls the API.
type Options struct {
	RetryWaits fault.Backoff
	Timeout    time.Duration // of one try
	// OnCall hears of each try of an operation, and returns what to call at its end.
	OnCall func(operation string) (end func())
	// OnPause hears of each pause before a further try, and returns what to call at its end.
	OnPause func(operation string, pause fault.Pause) (end func())
}

// Repository calls Amazon ECR's API for one repository.
type Repository struct {
	client    *awsecr.Client
	principal principal
	account   *string // nil is the caller's own
	name      string
	options   Options
}

// Repository returns the API for the repository of this name. It reads the configuration of the principal, and calls no
// service.
func (r Registry) Repository(ctx context.Context, name string, options Options) (*Repository, error) {
	config, err := sharedTokens.config(ctx, r.principal)
	if err != nil {
		return nil, r.principal.explain(ctx, err)
	}
	repository := &Repository{client: r.principal.client(config), principal: r.principal, name: name, options: options}
	if r.account != "" {
		repository.account = &r.account
	}
	return repository, nil
}

// call repeats a call of the API while its failure is likely to pass.
func (r *Repository) call(ctx context.Context, operation string, do func(context.Context) error) error {
	standard := retry.NewStandard()
	onPause := func(pause fault.Pause) (end func()) { return r.options.OnPause(operation, pause) }
	return fault.Retry(ctx, r.options.RetryWaits, onPause, func(ctx context.Context) (bool, error) {
		defer r.options.OnCall(operation)()
		bounded, stop := context.WithTimeoutCause(ctx, r.options.Timeout, newSilent(r.options.Timeout))
		defer stop()
		err := do(bounded)
		if err == nil {
			return false, nil
		}
		return bounded.Err() != nil || standard.IsErrorRetryable(err), r.principal.explain(bounded, err)
	})
}

// DeleteTag removes a tag, and says whether it was there. Its image goes with its last tag. It returns ErrInUse when an
// index refers to that image.
func (r *Repository) DeleteTag(ctx context.Context, label string) (deleted bool, err error) {
	var answer *awsecr.BatchDeleteImageOutput
	err = r.call(ctx, "BatchDeleteImage", func(ctx context.Context) (err error) {
		answer, err = r.client.BatchDeleteImage(ctx, &awsecr.BatchDeleteImageInput{
			RegistryId: r.account, RepositoryName: &r.name, ImageIds: []types.ImageIdentifier{{ImageTag: &label}},
		})
		return err
	})
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	for _, failure := range answer.Failures {
		return false, explainFailure(failure)
	}
	return true, nil
}

// explainFailure returns the error of one failed deletion; nil for an image that is gone already.
func explainFailure(failure types.ImageFailure) error {
	reason := fault.OneLine(aws.ToString(failure.FailureReason))
	switch failure.FailureCode {
	case types.ImageFailureCodeImageNotFound:
		return nil
	case types.ImageFailureCodeImageReferencedByManifestList:
		text := fmt.Sprintf("%v: %s; it is the last tag of an image that an index refers to", fault.ErrInUse, reason)
		return fault.New(fault.TagInUse, text, fault.ErrInUse)
	}
	return fmt.Errorf("AWS: %s: %s", failure.FailureCode, reason)
}

// ImageID names an image by its tag or by its digest.
type ImageID struct{ Tag, Digest string }

// Image is what Amazon ECR lists under an ImageID.
type Image struct {
	Digest digest.Digest
	Active bool // it is served; else it is archived or on the way
}

// Describe looks an image up, archived or not. It needs the right to ecr:DescribeImages. It returns ErrNotFound when
// the image is not listed, ErrDenied when we may not ask, or another error when Amazon ECR cannot tell.
func (r *Repository) Describe(ctx context.Context, id ImageID) (Image, error) {
	input := &awsecr.DescribeImagesInput{
		RegistryId: r.account, RepositoryName: &r.name, ImageIds: []types.ImageIdentifier{id.identifier()},
		// Without a filter only served images are listed.
		Filter: &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny},
	}
	var answer *awsecr.DescribeImagesOutput
	status := 0
	err := r.call(ctx, "DescribeImages", func(ctx context.Context) (err error) {
		answer, err = r.client.DescribeImages(ctx, input)
		status = statusOf(err)
		return err
	})
	if status >= http.StatusInternalServerError { // whatever it says: a service that is broken knows nothing
		return Image{}, newUnreadable(status)
	}
	if err != nil {
		return Image{}, err
	}
	if len(answer.ImageDetails) == 0 {
		return Image{}, fault.ErrNotFound
	}
	details := answer.ImageDetails[0]
	held, err := digest.Parse(aws.ToString(details.ImageDigest))
	if err != nil {
		return Image{}, fmt.Errorf("AWS gave no digest: %w", err)
	}
	return Image{Digest: held, Active: details.ImageStatus == types.ImageStatusActive}, nil
}

func (id ImageID) identifier() types.ImageIdentifier {
	if id.Tag != "" {
		return types.ImageIdentifier{ImageTag: &id.Tag}
	}
	return types.ImageIdentifier{ImageDigest: &id.Digest}
}

// CreatesOnPush reports whether a template of the account makes the repository when somebody pushes to it. After an
// error that is not known.
func (r *Repository) CreatesOnPush(ctx context.Context) (bool, error) {
	input := &awsecr.DescribeRepositoryCreationTemplatesInput{}
	pages := awsecr.NewDescribeRepositoryCreationTemplatesPaginator(r.client, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, r.principal.explain(ctx, err)
		}
		if r.account != nil && aws.ToString(page.RegistryId) != *r.account {
			return false, errors.New("the templates of another account are not shown to us")
		}
		if slices.ContainsFunc(page.RepositoryCreationTemplates, r.matchesTemplate) {
			return true, nil
		}
	}
	return false, nil
}

// matchesTemplate reports whether the template makes the repository on a push.
func (r *Repository) matchesTemplate(template types.RepositoryCreationTemplate) bool {
	prefix := aws.ToString(template.Prefix)
	return slices.Contains(template.AppliedFor, types.RCTAppliedForCreateOnPush) &&
		(prefix == "ROOT" || strings.HasPrefix(r.name, strings.TrimSuffix(prefix, "/")+"/"))
}
