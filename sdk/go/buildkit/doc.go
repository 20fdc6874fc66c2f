// Build container images for several platforms with BuildKit and push them to Amazon ECR or any registry, as part of pulumi up.
package buildkit
