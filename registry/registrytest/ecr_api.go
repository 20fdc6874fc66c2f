package registrytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// user is the name of every caller in the answers to forbidden calls.
const user = "arn:aws:iam::" + Account + ":user/ci"

// The parts before the dot in X-Amz-Target.
const (
	privateAPI = "AmazonEC2ContainerRegistry_V20150921"
	publicAPI  = "SpencerFrontendService"
)

// operationOf returns the operation of the API that a request calls; "" if it calls none.
func operationOf(req *http.Request) string {
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	return operation
}

// apiError is an error answer of the API.
type apiError struct{ kind, message string }

// Error returns the kind and the message.
func (e apiError) Error() string { return e.kind + ": " + e.message }

// input holds the parameters of all operations.
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

// ecrAPI answers the operations of Amazon ECR's API.
type ecrAPI struct{ *ECR }

// ServeHTTP implements http.Handler.
func (a ecrAPI) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	operation := operationOf(req)
	a.mu.Lock()
	a.calls[operation]++
	a.mu.Unlock()
	answer, err := a.answer(operation, req)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if failure, ok := err.(apiError); ok { //nolint:errorlint // it is never wrapped
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]any{"__type": failure.kind, "message": failure.message}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// answer returns the result of an operation, or an apiError.
func (a ecrAPI) answer(operation string, req *http.Request) (any, error) {
	if !signature.MatchString(req.Header.Get("Authorization")) {
		return nil, apiError{"MissingAuthenticationTokenException", "Missing Authentication Token"}
	}
	public := strings.HasPrefix(req.Header.Get("X-Amz-Target"), publicAPI)
	if operation == "GetAuthorizationToken" {
		if err := a.checkIAM(operation, "*"); err != nil {
			return nil, err
		}
		token := a.getAuthorizationToken(req)
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
	if err := a.checkIAM(operation, in.RepositoryName); err != nil {
		return nil, err
	}
	switch operation {
	case "CreateRepository":
		return a.createRepository(in)
	case "DescribeRepositoryCreationTemplates":
		return a.describeTemplates()
	}
	act, ok := operations[operation]
	if !ok {
		return nil, apiError{"UnknownOperationException", operation}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	repository := a.repositories[in.RepositoryName]
	if repository == nil {
		return nil, apiError{"RepositoryNotFoundException", missingText(in.RepositoryName)}
	}
	return act(repository, in)
}

// checkIAM returns an error if IAM forbids an operation.
func (a ecrAPI) checkIAM(operation, repository string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if action := "ecr:" + operation; a.denied[action] {
		return apiError{"AccessDeniedException", denialText(action, repository)}
	}
	return nil
}

// denialText returns the words in which IAM forbids an action.
func denialText(action, repository string) string {
	resource := "*"
	if repository != "*" {
		resource = fmt.Sprintf("arn:aws:ecr:%s:%s:repository/%s", Region, Account, repository)
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s "+
		"because no identity-based policy allows the %s action", user, action, resource, action)
}

// missingText returns the words about a repository that does not exist.
func missingText(name string) string {
	return fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", name, Account)
}

func (a ecrAPI) createRepository(in input) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.repositories[in.RepositoryName] != nil {
		text := fmt.Sprintf("The repository with name '%s' already exists", in.RepositoryName)
		return nil, apiError{"RepositoryAlreadyExistsException", text}
	}
	made := newRepository(in.Mutability, filters(in.Exclusions))
	a.repositories[in.RepositoryName] = made
	return map[string]any{"repository": repositoryDescription(made, in.RepositoryName)}, nil
}

func (a ecrAPI) describeTemplates() (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	templates := []any{map[string]any{"prefix": "mirrors", "appliedFor": []string{"PULL_THROUGH_CACHE"}}}
	if a.template != "" {
		purposes := []string{"REPLICATION", "CREATE_ON_PUSH"}
		templates = append(templates, map[string]any{"prefix": a.template, "appliedFor": purposes})
	}
	return map[string]any{"registryId": Account, "repositoryCreationTemplates": templates}, nil
}

// filters returns the patterns of exclusion filters.
func filters(given []exclusionFilter) []string {
	var patterns []string
	for _, f := range given {
		patterns = append(patterns, f.Filter)
	}
	return patterns
}

// operations are those that act on one repository.
var operations = map[string]func(*repository, input) (any, error){
	"DescribeRepositories":  describeRepositories,
	"PutImageTagMutability": putImageTagMutability,
	"DescribeImages":        describeImages,
	"BatchDeleteImage":      batchDeleteImage,
}

func describeRepositories(r *repository, in input) (any, error) {
	return map[string]any{"repositories": []any{repositoryDescription(r, in.RepositoryName)}}, nil
}

// repositoryDescription returns what DescribeRepositories tells of a repository.
func repositoryDescription(r *repository, name string) map[string]any {
	var exclusions []exclusionFilter
	for _, pattern := range r.exclusions {
		exclusions = append(exclusions, exclusionFilter{"WILDCARD", pattern})
	}
	return map[string]any{
		"repositoryName":                     name,
		"registryId":                         Account,
		"repositoryArn":                      fmt.Sprintf("arn:aws:ecr:%s:%s:repository/%s", Region, Account, name),
		"imageTagMutability":                 r.mutability,
		"imageTagMutabilityExclusionFilters": exclusions,
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
			text := fmt.Sprintf("The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the "+
				"repository with name '%s' in the registry with id '%s'", id.Digest, id.Tag, in.RepositoryName, Account)
			return nil, apiError{"ImageNotFoundException", text}
		}
		details = append(details, map[string]any{
			"imageDigest":            digest,
			"imageManifestMediaType": known.mediaType,
			"imageSizeInBytes":       known.size,
			"imageStatus":            known.status,
			"imageTags":              r.tagsOf(digest),
		})
	}
	return map[string]any{"imageDetails": details}, nil
}

// batchDeleteImage removes tags, an image with its last tag, and by digest an image with all its tags. What an index
// refers to stays.
func batchDeleteImage(r *repository, in input) (any, error) {
	deleted, failed := []any{}, []any{}
	for _, id := range in.ImageIDs {
		answer := map[string]any{"imageTag": id.Tag, "imageDigest": id.Digest}
		if id.Tag == "" {
			delete(answer, "imageTag")
		}
		digest := id.Digest
		if digest == "" {
			digest = r.tags[id.Tag]
		}
		code, reason := r.remove(id.Tag, digest)
		if code != "" {
			failed = append(failed, map[string]any{"imageId": answer, "failureCode": code, "failureReason": reason})
			continue
		}
		answer["imageDigest"] = digest
		deleted = append(deleted, answer)
	}
	return map[string]any{"imageIds": deleted, "failures": failed}, nil
}
