package provider

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// caches returns the cache imports and exports of a build. It takes what the inputs leave out from the environment. The
// error names the input.
func caches(a ImageArgs) (from, to []buildkit.Cache, err error) {
	for i, entry := range a.CacheFrom {
		if from, err = appendCache(from, deref(entry.Disabled), entry.cache); err != nil {
			return nil, nil, fmt.Errorf("cacheFrom[%d]: %w", i, err)
		}
	}
	for i, entry := range a.CacheTo {
		if to, err = appendCache(to, deref(entry.Disabled), entry.cache); err != nil {
			return nil, nil, fmt.Errorf("cacheTo[%d]: %w", i, err)
		}
	}
	return from, to, nil
}

// appendCache appends a cache, with what the environment gives. It leaves out a disabled cache, and a gha cache outside
// a job of GitHub Actions.
func appendCache(
	caches []buildkit.Cache, disabled bool, read func() (buildkit.Cache, error),
) ([]buildkit.Cache, error) {
	if disabled {
		return caches, nil
	}
	c, err := read()
	if err != nil {
		return nil, err
	}
	switch c.Type {
	case "gha":
		if !actionsEnvironment(c.Options) {
			return caches, nil
		}
	case "s3":
		if err := awsEnvironment(c.Options); err != nil {
			return nil, err
		}
	}
	return append(caches, c), nil
}

// cache returns the member of the entry that is set.
func (c CacheFrom) cache() (buildkit.Cache, error) {
	switch {
	case c.Registry != nil:
		options, err := referenceOptions(c.Registry.Ref)
		return buildkit.Cache{Type: "registry", Options: options}, err
	case c.Local != nil:
		options := optionMap{"src": c.Local.Src}.setText("digest", c.Local.Digest)
		return buildkit.Cache{Type: "local", Options: options}, nil
	case c.S3 != nil:
		return buildkit.Cache{Type: "s3", Options: c.S3.options()}, nil
	case c.GHA != nil:
		return buildkit.Cache{Type: "gha", Options: optionMap{}.setText("scope", c.GHA.Scope)}, nil
	case c.AZBlob != nil:
		return buildkit.Cache{Type: "azblob", Options: c.AZBlob.options()}, nil
	}
	return rawCache(deref(c.Raw))
}

// cache returns the member of the entry that is set.
func (c CacheTo) cache() (buildkit.Cache, error) {
	switch {
	case c.Registry != nil:
		options, err := c.Registry.options()
		return buildkit.Cache{Type: "registry", Options: options}, err
	case c.Local != nil:
		return buildkit.Cache{Type: "local", Options: c.Local.options()}, nil
	case c.S3 != nil:
		return buildkit.Cache{Type: "s3", Options: c.S3.options().setCacheWriting(c.S3.CacheWriting)}, nil
	case c.GHA != nil:
		options := optionMap{}.setText("scope", c.GHA.Scope).setCacheWriting(c.GHA.CacheWriting)
		return buildkit.Cache{Type: "gha", Options: options}, nil
	case c.AZBlob != nil:
		return buildkit.Cache{Type: "azblob", Options: c.AZBlob.options().setCacheWriting(c.AZBlob.CacheWriting)}, nil
	case c.Inline != nil:
		return buildkit.Cache{Type: "inline"}, nil
	}
	return rawCache(deref(c.Raw))
}

// rawCache parses a cache of the docker command line. A reference alone is a cache in a registry.
func rawCache(text string) (buildkit.Cache, error) {
	kind, options, err := parseRaw(text)
	if err == nil && kind == "" {
		kind, options = "registry", optionMap{"ref": text}
	}
	return buildkit.Cache{Type: kind, Options: options}, err
}

// referenceOptions returns the reference of a cache, and the options behind it. docker-build passes a reference on as
// it is, so programs write options there: registry.example.com/app:cache,mode=max.
func referenceOptions(text string) (optionMap, error) {
	if !strings.Contains(text, ",") {
		return optionMap{"ref": text}, nil
	}
	kind, options, err := parseRaw("type=registry,ref=" + text)
	if err == nil && kind != "registry" {
		err = fmt.Errorf("type=%s cannot stand behind a reference: give a cache of that kind an entry of its own", kind)
	}
	return options, err
}

// optionMap returns the options. Those of members come before those behind the reference.
func (c CacheToRegistry) options() (optionMap, error) {
	options, err := referenceOptions(c.Ref)
	if err != nil {
		return nil, err
	}
	options.setFlag("oci-mediatypes", c.OCIMediaTypes).
		setFlag("image-manifest", c.ImageManifest).
		setCompression(c.LayerCompression).
		setCacheWriting(c.CacheWriting)
	options.setDefault("oci-mediatypes", "true")
	options.setDefault("image-manifest", options["oci-mediatypes"])
	return options, nil
}

func (c CacheToLocal) options() optionMap {
	return optionMap{"dest": c.Dest}.
		setFlag("reset", c.Reset).
		setCompression(c.LayerCompression).
		setCacheWriting(c.CacheWriting)
}

func (c CacheFromS3) options() optionMap {
	return optionMap{"bucket": c.Bucket}.
		setText("region", c.Region).
		setText("name", c.Name).
		setText("endpoint_url", c.EndpointURL).
		setText("blobs_prefix", c.BlobsPrefix).
		setText("manifests_prefix", c.ManifestsPrefix).
		setFlag("use_path_style", c.UsePathStyle).
		setText("access_key_id", c.AccessKeyID).
		setText("secret_access_key", c.SecretAccessKey).
		setText("session_token", c.SessionToken)
}

func (c CacheFromAzureBlob) options() optionMap {
	return optionMap{"name": c.Name}.
		setText("account_url", c.AccountURL).
		setText("secret_access_key", c.SecretAccessKey)
}

// awsEnvironment adds what AWS tools take from the environment. It takes a whole key or none.
func awsEnvironment(a optionMap) error {
	if a["access_key_id"] == "" && a["secret_access_key"] == "" {
		a.setFromEnvironment("access_key_id", "AWS_ACCESS_KEY_ID")
		a.setFromEnvironment("secret_access_key", "AWS_SECRET_ACCESS_KEY")
		a.setFromEnvironment("session_token", "AWS_SESSION_TOKEN")
	}
	a.setFromEnvironment("region", "AWS_REGION")
	a.setFromEnvironment("region", "AWS_DEFAULT_REGION")
	if a["region"] == "" {
		return errors.New("s3 needs a region: give s3.region, or set AWS_REGION where pulumi runs")
	}
	return nil
}

// actionsEnvironment adds what a job of GitHub Actions gives. It returns false outside a job.
func actionsEnvironment(a optionMap) bool {
	a.setFromEnvironment("token", "ACTIONS_RUNTIME_TOKEN")
	a.setFromEnvironment("url", "ACTIONS_CACHE_URL")
	a.setFromEnvironment("url_v2", "ACTIONS_RESULTS_URL")
	if on, err := strconv.ParseBool(os.Getenv("ACTIONS_CACHE_SERVICE_V2")); err == nil && on && a["version"] == "" {
		a["version"] = "2"
	}
	return a["token"] != "" && (a["url"] != "" || a["url_v2"] != "")
}
