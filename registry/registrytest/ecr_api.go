package registrytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// user is who everybody is in the answers to those who are denied something.
const user = "arn:aws:iam::" + Account + ":user/ci"

// The parts before the dot in X-Amz-Target.
const (
	privateAPI = "AmazonEC2ContainerRegistry_V20150921"
	publicAPI  = "SpencerFrontendService"
)

func operationOf(req *http.Request) string {
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	return operation
}

// apiError is an answer of the API that is none.
type apiError struct{ kind, message string }

func (e apiError) Error() string { return e.kind + ": " + e.message }

// input is all that operations may be asked.
type input struct {
	RepositoryName  string   `json:"repositoryName"`
	RepositoryNames []string `json:"repositoryNames"`
	ImageIDs        []struct {
		Tag    string `json:"imageTag"`
		Digest string `json:"imageDigest"`
	} `json:"imageIds"`
	Filter struct {
		Status string `json:"imageStatus"`
	} `json:"filter"`
	Mutability string            `json:"imageTagMutability"`
	Exclusions []exclusionFilter `json:"imageTagMutabilityExclusionFilters"`
}

type exclusionFilter struct {
	Kind   string `json:"filterType"`
	Filter string `json:"filter"`
}

// api answers the operations of Amazon ECR's API.
func (e *ECR) api(w http.ResponseWriter, req *http.Request) {
	operation := operationOf(req)
	e.mu.Lock()
	e.calls[operation]++
	e.mu.Unlock()
	answer, err := e.answer(operation, req)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if failure, ok := err.(apiError); ok { //nolint:errorlint // it is never wrapped
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]any{"__type": failure.kind, "message": failure.message}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (e *ECR) answer(operation string, req *http.Request) (any, error) {
	if !signature.MatchString(req.Header.Get("Authorization")) {
		return nil, apiError{"MissingAuthenticationTokenException", "Missing Authentication Token"}
	}
	public := strings.HasPrefix(req.Header.Get("X-Amz-Target"), publicAPI)
	if operation == "GetAuthorizationToken" {
		if err := e.allowed(operation, "*"); err != nil {
			return nil, err
		}
		token := e.getAuthorizationToken(req)
		if public {
			return map[string]any{"authorizationData": token}, nil
		}
		return map[string]any{"authorizationData": []any{token}}, nil
	}
	var in input
	if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
		return nil, apiError{"SerializationException", err.Error()}
	}
	if in.RepositoryName == "" && len(in.RepositoryNames) == 1 {
		in.RepositoryName = in.RepositoryNames[0]
	}
	if err := e.allowed(operation, in.RepositoryName); err != nil {
		return nil, err
	}
	switch operation {
	case "CreateRepository":
		return e.createRepository(in)
	case "DescribeRepositoryCreationTemplates":
		return e.describeTemplates()
	}
	act, known := operations[operation]
	if !known {
		return nil, apiError{"UnknownOperationException", operation}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	repository := e.repositories[in.RepositoryName]
	if repository == nil {
		return nil, apiError{"RepositoryNotFoundException", missing(in.RepositoryName)}
	}
	return act(repository, in)
}

// allowed is the answer of IAM.
func (e *ECR) allowed(operation, repository string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if action := "ecr:" + operation; e.denied[action] {
		return apiError{"AccessDeniedException", unauthorized(action, repository)}
	}
	return nil
}

func unauthorized(action, repository string) string {
	resource := "*"
	if repository != "*" {
		resource = fmt.Sprintf("arn:aws:ecr:%s:%s:repository/%s", Region, Account, repository)
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
		user, action, resource, action)
}

func missing(name string) string {
	return fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", name, Account)
}

func (e *ECR) createRepository(in input) (any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.repositories[in.RepositoryName] != nil {
		return nil, apiError{"RepositoryAlreadyExistsException", "The repository with name '" + in.RepositoryName + "' already exists"}
	}
	made := newRepository(in.Mutability, filters(in.Exclusions))
	e.repositories[in.RepositoryName] = made
	return map[string]any{"repository": described(made, in.RepositoryName)}, nil
}

func (e *ECR) describeTemplates() (any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	templates := []any{map[string]any{"prefix": "mirrors", "appliedFor": []string{"PULL_THROUGH_CACHE"}}}
	if e.template != "" {
		templates = append(templates, map[string]any{"prefix": e.template, "appliedFor": []string{"REPLICATION", "CREATE_ON_PUSH"}})
	}
	return map[string]any{"registryId": Account, "repositoryCreationTemplates": templates}, nil
}

func filters(given []exclusionFilter) []string {
	var patterns []string
	for _, f := range given {
		patterns = append(patterns, f.Filter)
	}
	return patterns
}

// operations act on one repository.
var operations = map[string]func(*repository, input) (any, error){
	"DescribeRepositories":  describeRepositories,
	"PutImageTagMutability": putImageTagMutability,
	"DescribeImages":        describeImages,
	"BatchDeleteImage":      batchDeleteImage,
}

func describeRepositories(r *repository, in input) (any, error) {
	return map[string]any{"repositories": []any{described(r, in.RepositoryName)}}, nil
}

func described(r *repository, name string) map[string]any {
	var exclusions []exclusionFilter
	for _, pattern := range r.exclusions {
		exclusions = append(exclusions, exclusionFilter{"WILDCARD", pattern})
	}
	return map[string]any{
		"repositoryName": name, "registryId": Account, "imageTagMutability": r.mutability, "imageTagMutabilityExclusionFilters": exclusions,
		"repositoryArn": fmt.Sprintf("arn:aws:ecr:%s:%s:repository/%s", Region, Account, name),
	}
}

func putImageTagMutability(r *repository, in input) (any, error) {
	r.mutability, r.exclusions = in.Mutability, filters(in.Exclusions)
	return map[string]any{"repositoryName": in.RepositoryName, "imageTagMutability": r.mutability}, nil
}

func describeImages(r *repository, in input) (any, error) {
	var details []any
	for _, id := range in.ImageIDs {
		digest := id.Digest
		if id.Tag != "" {
			digest = r.tags[id.Tag]
		}
		known := r.images[digest]
		if known == nil || !known.isListed(in.Filter.Status) {
			return nil, apiError{"ImageNotFoundException", fmt.Sprintf("The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist "+
				"within the repository with name '%s' in the registry with id '%s'", id.Digest, id.Tag, in.RepositoryName, Account)}
		}
		details = append(details, map[string]any{
			"imageDigest": digest, "imageManifestMediaType": known.mediaType, "imageSizeInBytes": known.size, "imageStatus": known.status,
			"imageTags": r.tagsOf(digest),
		})
	}
	return map[string]any{"imageDetails": details}, nil
}

// isListed says whether a filter lets an image through. Without one, those that are served are listed.
func (i *image) isListed(filter string) bool {
	return filter == anyStatus || i.status == cmp.Or(filter, Active)
}

func (r *repository) tagsOf(digest string) []string {
	var tags []string
	for _, tag := range slices.Sorted(maps.Keys(r.tags)) {
		if r.tags[tag] == digest {
			tags = append(tags, tag)
		}
	}
	return tags
}
