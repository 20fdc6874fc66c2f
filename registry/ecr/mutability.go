package ecr

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecr "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// Mutability says which tags of a repository can move to another image.
type Mutability struct {
	setting    types.ImageTagMutability
	exclusions []string // patterns of tags that the setting does not apply to
}

// Mutability asks which tags can move. It returns fault.ErrNoRepository if there is no such repository.
// If the answer leaves the repository out, every tag counts as movable.
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

// IsImmutable reports whether the tag cannot move to another image once it exists.
func (m Mutability) IsImmutable(tag string) bool {
	excluded := slices.ContainsFunc(m.exclusions, func(pattern string) bool { return matchesWildcard(pattern, tag) })
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

// matchesWildcard reports whether a tag matches a pattern. An asterisk stands for any characters, also for none.
func matchesWildcard(pattern, tag string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if last == 0 {
		return pattern == tag
	}
	if !strings.HasPrefix(tag, parts[0]) {
		return false
	}
	between := tag[len(parts[0]):]
	for _, part := range parts[1:last] {
		_, rest, ok := strings.Cut(between, part)
		if !ok {
			return false
		}
		between = rest
	}
	return strings.HasSuffix(between, parts[last])
}
