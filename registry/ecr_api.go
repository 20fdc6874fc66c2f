package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// ecrAPI is Amazon ECR's API for one repository.
type ecrAPI struct {
	client     *ecr.Client
	principal  awsPrincipal
	account    *string // nil is the caller's own
	repository string
	waits      backoff
	timeout    time.Duration // of one try
	watch      Watch
	host       string // of the registry
}

// ecrAPI is nil where the repository is not in Amazon ECR, or in its public gallery.
func (c *Client) ecrAPI(ctx context.Context, repository string) (*ecrAPI, error) {
	host, path, _ := strings.Cut(repository, "/")
	if c.keychain == nil {
		return nil, nil
	}
	known, ok := c.keychain.ECR.host(canonicalHost(host))
	if !ok || known.public {
		return nil, nil
	}
	principal := c.keychain.ECR.principal(known)
	config, err := sharedAccess.config(ctx, principal)
	if err != nil {
		return nil, principal.explain(ctx, err)
	}
	api := &ecrAPI{
		client: principal.ecrClient(config, oneTry), principal: principal, repository: path,
		waits: c.options.RetryWaits, timeout: c.options.Timeout, watch: c.options.Watch, host: host,
	}
	if known.account != "" {
		api.account = &known.account
	}
	return api, nil
}

// call repeats a call of the API as long as its failure is likely to pass. operation is its name.
func (a *ecrAPI) call(ctx context.Context, operation string, do func(context.Context) error) error {
	standard := retry.NewStandard()
	return retryAttempt(ctx, a.waits, a.watch.watchPause(a.host), func(ctx context.Context) (bool, error) {
		defer a.watch.begin(Wait{Host: "Amazon ECR", Registry: a.host, Request: operation})()
		bounded, stop := context.WithTimeoutCause(ctx, a.timeout, newSilent(a.timeout))
		defer stop()
		err := do(bounded)
		if err == nil {
			return false, nil
		}
		return bounded.Err() != nil || standard.IsErrorRetryable(err), a.principal.explain(bounded, err)
	})
}

// deleteTag removes a tag, and says whether it was there. Its image goes with its last tag.
func (a *ecrAPI) deleteTag(ctx context.Context, label string) (deleted bool, err error) {
	var answer *ecr.BatchDeleteImageOutput
	err = a.call(ctx, "BatchDeleteImage", func(ctx context.Context) (err error) {
		answer, err = a.client.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{
			RegistryId: a.account, RepositoryName: &a.repository, ImageIds: []types.ImageIdentifier{{ImageTag: &label}},
		})
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	for _, failure := range answer.Failures {
		return false, failureOf(failure)
	}
	return true, nil
}

// failureOf is nil for what is gone already.
func failureOf(failure types.ImageFailure) error {
	reason := oneLine(aws.ToString(failure.FailureReason))
	switch failure.FailureCode {
	case types.ImageFailureCodeImageNotFound:
		return nil
	case types.ImageFailureCodeImageReferencedByManifestList:
		text := fmt.Sprintf("%v: %s; it is the last tag of an image that an index refers to", ErrInUse, reason)
		return newError(TagInUse, text, ErrInUse)
	}
	return fmt.Errorf("AWS: %s: %s", failure.FailureCode, reason)
}

// mutability is how a repository treats its tags.
type mutability struct {
	setting    types.ImageTagMutability
	exclusions []string
}

// mutability asks for the settings of the repository. Errors: ErrNoRepository.
func (a *ecrAPI) mutability(ctx context.Context) (mutability, error) {
	var answer *ecr.DescribeRepositoriesOutput
	err := a.call(ctx, "DescribeRepositories", func(ctx context.Context) (err error) {
		answer, err = a.client.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{
			RegistryId: a.account, RepositoryNames: []string{a.repository},
		})
		return err
	})
	if err != nil || len(answer.Repositories) == 0 {
		return mutability{}, err
	}
	m := mutability{setting: answer.Repositories[0].ImageTagMutability}
	for _, filter := range answer.Repositories[0].ImageTagMutabilityExclusionFilters {
		m.exclusions = append(m.exclusions, aws.ToString(filter.Filter))
	}
	return m, nil
}

// keepsTag reports whether a tag, once it is there, stays what it is.
func (m mutability) keepsTag(label string) bool {
	excluded := slices.ContainsFunc(m.exclusions, func(pattern string) bool { return matchesWildcard(pattern, label) })
	switch m.setting {
	case types.ImageTagMutabilityImmutable:
		return true
	case types.ImageTagMutabilityImmutableWithExclusion:
		return !excluded
	case types.ImageTagMutabilityMutableWithExclusion:
		return excluded
	}
	return false
}

// matchesWildcard: an asterisk stands for any characters, also for none.
func matchesWildcard(pattern, label string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if last == 0 {
		return pattern == label
	}
	if !strings.HasPrefix(label, parts[0]) {
		return false
	}
	label = label[len(parts[0]):]
	for _, part := range parts[1:last] {
		_, rest, found := strings.Cut(label, part)
		if !found {
			return false
		}
		label = rest
	}
	return strings.HasSuffix(label, parts[last])
}

// createsOnPush says whether a template of the account makes the repository when it is pushed to. Errors mean that nobody knows.
func (a *ecrAPI) createsOnPush(ctx context.Context) (bool, error) {
	pages := ecr.NewDescribeRepositoryCreationTemplatesPaginator(a.client, &ecr.DescribeRepositoryCreationTemplatesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, a.principal.explain(ctx, err)
		}
		if a.account != nil && aws.ToString(page.RegistryId) != *a.account {
			return false, errors.New("the templates of another account are not shown to us")
		}
		if slices.ContainsFunc(page.RepositoryCreationTemplates, a.isMadeBy) {
			return true, nil
		}
	}
	return false, nil
}

func (a *ecrAPI) isMadeBy(template types.RepositoryCreationTemplate) bool {
	prefix := aws.ToString(template.Prefix)
	return slices.Contains(template.AppliedFor, types.RCTAppliedForCreateOnPush) &&
		(prefix == "ROOT" || strings.HasPrefix(a.repository, strings.TrimSuffix(prefix, "/")+"/"))
}
