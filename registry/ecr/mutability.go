package ecr

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecr "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// Mutability is how a repository treats its tags.
type Mutability struct {
	setting    types.ImageTagMutability
	exclusions []string
}

// Mutability asks for the settings of the repository. It returns ErrNoRepository when there is no such repository.
func (r *Repository) Mutability(ctx context.Context) (Mutability, error) {
	var answer *awsecr.DescribeRepositoriesOutput
	err := r.call(ctx, "DescribeRepositories", func(ctx context.Context) (err error) {
		answer, err = r.client.DescribeRepositories(ctx, &awsecr.DescribeRepositoriesInput{
			RegistryId: r.account, RepositoryNames: []string{r.name},
		})
		return err
	})
	if err != nil || len(answer.Repositories) == 0 {
		return Mutability{}, err
	}
	m := Mutability{setting: answer.Repositories[0].ImageTagMutability}
	for _, filter := range answer.Repositories[0].ImageTagMutabilityExclusionFilters {
		m.exclusions = append(m.exclusions, aws.ToString(filter.Filter))
	}
	return m, nil
}

// KeepsTag reports whether a tag that exists cannot move to another image.
func (m Mutability) KeepsTag(label string) bool {
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

// matchesWildcard reports whether a label matches a pattern. An asterisk stands for any characters, also for none.
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
		_, rest, ok := strings.Cut(label, part)
		if !ok {
			return false
		}
		label = rest
	}
	return strings.HasSuffix(label, parts[last])
}
