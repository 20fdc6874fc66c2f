// Package ecr logs in to Amazon ECR and calls its API. It is all that package registry knows of AWS.
//
//	Config        who we are at AWS, and which hosts are Amazon ECR    config.go
//	Registry      one host of Amazon ECR: its credential               registry.go
//	Repository    the API for one repository                           repository.go, mutability.go
//
// Below them, token_cache.go and token_call.go keep and fetch the tokens of a principal (principal.go). causes.go and
// errors.go turn errors of the AWS SDK into those of package fault. clock.go reads how far this machine's clock is off.
package ecr
