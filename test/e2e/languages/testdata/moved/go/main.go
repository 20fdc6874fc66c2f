// Written for another package. The test changes the name of the package and nothing else.
package main

import (
	"maps"

	"github.com/pulumi/pulumi-docker-build/sdk/go/dockerbuild"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() { pulumi.Run(shop) }

// dockerfile names a Dockerfile of the folder app.
func dockerfile(name string) dockerbuild.DockerfilePtrInput {
	return &dockerbuild.DockerfileArgs{Location: pulumi.String("./app/Dockerfile." + name)}
}

// settings are what the program gets from outside.
type settings struct {
	registry, sources, base string
	password                pulumi.StringOutput
	login                   *dockerbuild.RegistryArgs
}

func readSettings(ctx *pulumi.Context) settings {
	given := config.New(ctx, "")
	s := settings{registry: given.Require("registry"), sources: given.Require("sources"), base: given.Require("base")}
	s.password = pulumi.ToSecret(pulumi.String(given.Require("password"))).(pulumi.StringOutput)
	s.login = &dockerbuild.RegistryArgs{
		Address: pulumi.String(s.registry), Username: pulumi.String("shop"), Password: s.password,
	}
	return s
}

func shop(ctx *pulumi.Context) error {
	s := readSettings(ctx)
	made, err := s.makeImages(ctx)
	if err == nil {
		err = s.makeConfigured(ctx)
	}
	if err != nil {
		return err
	}
	both, err := dockerbuild.NewIndex(ctx, "both", &dockerbuild.IndexArgs{
		Tag:      pulumi.String(s.registry + "/shop/both:1.0"),
		Sources:  pulumi.StringArray{made["amd64"].Ref, made["arm64"].Ref},
		Push:     pulumi.Bool(true),
		Registry: s.login,
	})
	if err != nil {
		return err
	}
	ctx.Export("pushedRef", made["pushed"].Ref)
	ctx.Export("bothRef", both.Ref)
	ctx.Export("cachedDigest", made["cachedInRegistry"].Digest)
	ctx.Export("builtFor", made["platforms"].Platforms)
	ctx.Export("stageTarget", made["stage"].Target)
	return nil
}

// makeImages makes the images that differ in their inputs only.
func (s settings) makeImages(ctx *pulumi.Context) (made map[string]*dockerbuild.Image, err error) {
	images := s.stepImages()
	maps.Copy(images, s.pushedImages())
	maps.Copy(images, s.otherImages())
	app := &dockerbuild.BuildContextArgs{Location: pulumi.String("./app")}
	made = map[string]*dockerbuild.Image{}
	for name, args := range images {
		if args.Context == nil {
			args.Context = app
		}
		if args.Push == nil {
			args.Push = pulumi.Bool(false)
		}
		if made[name], err = dockerbuild.NewImage(ctx, name, args); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// makeConfigured makes an image with a Dockerfile in the program, and one with a provider of its own.
func (s settings) makeConfigured(ctx *pulumi.Context) error {
	configured, err := dockerbuild.NewProvider(ctx, "configured", &dockerbuild.ProviderArgs{
		Host: pulumi.String(""), Registries: dockerbuild.RegistryArray{s.login},
	})
	if err != nil {
		return err
	}
	_, err = dockerbuild.NewImage(ctx, "written", &dockerbuild.ImageArgs{
		Push: pulumi.Bool(false),
		Dockerfile: &dockerbuild.DockerfileArgs{
			Inline: pulumi.String("FROM " + s.base + "\nRUN echo written in the program\n"),
		},
	})
	if err != nil {
		return err
	}
	_, err = dockerbuild.NewImage(ctx, "exported", &dockerbuild.ImageArgs{
		Push: pulumi.Bool(false), Context: &dockerbuild.BuildContextArgs{Location: pulumi.String("./app")},
		Tags: pulumi.StringArray{pulumi.String(s.registry + "/shop/exported:1.0")},
		Exports: dockerbuild.ExportArray{&dockerbuild.ExportArgs{Registry: &dockerbuild.ExportRegistryArgs{
			OciMediaTypes: pulumi.Bool(true), Push: pulumi.Bool(false),
		}}},
	}, pulumi.Provider(configured))
	return err
}

// pushedImages are those that go to a registry.
func (s settings) pushedImages() map[string]*dockerbuild.ImageArgs {
	// What a repository of Amazon ECR gives.
	repositoryURL := pulumi.String(s.registry + "/shop/ecr").ToStringOutput()
	return map[string]*dockerbuild.ImageArgs{
		"pushed": {
			Push:       pulumi.Bool(true),
			Tags:       pulumi.StringArray{pulumi.String(s.registry + "/shop/app:1.0")},
			Registries: dockerbuild.RegistryArray{s.login},
		},
		"cachedInRegistry": {
			Push: pulumi.Bool(true),
			CacheFrom: dockerbuild.CacheFromArray{&dockerbuild.CacheFromArgs{Registry: &dockerbuild.CacheFromRegistryArgs{
				Ref: pulumi.Sprintf("%s:cache", repositoryURL),
			}}},
			CacheTo: dockerbuild.CacheToArray{&dockerbuild.CacheToArgs{Registry: &dockerbuild.CacheToRegistryArgs{
				ImageManifest: pulumi.Bool(true), OciMediaTypes: pulumi.Bool(true),
				Ref: repositoryURL.ApplyT(func(url string) string { return url + ":cache" }).(pulumi.StringOutput),
			}}},
			Registries: dockerbuild.RegistryArray{dockerbuild.RegistryArgs{
				Address: repositoryURL, Username: pulumi.StringPtr("AWS"), Password: s.password,
			}},
			Tags: pulumi.StringArray{pulumi.Sprintf("%s:latest", repositoryURL)},
		},
		"clouds": clouds(s.registry),
		"amd64":  buildFor(s.registry, "amd64", dockerbuild.Platform_Linux_amd64),
		"arm64":  buildFor(s.registry, "arm64", dockerbuild.Platform_Linux_arm64),
	}
}

// stepImages differ in what their steps get.
func (settings) stepImages() map[string]*dockerbuild.ImageArgs {
	return map[string]*dockerbuild.ImageArgs{
		"platforms": {
			Dockerfile: dockerfile("platforms"),
			Platforms:  dockerbuild.PlatformArray{dockerbuild.Platform_Linux_ppc64le, dockerbuild.Platform("freebsd/amd64")},
		},
		"arguments": {
			Dockerfile: dockerfile("arguments"),
			BuildArgs:  pulumi.StringMap{"GREETING": pulumi.String("hello"), "EMPTY": pulumi.String("")},
		},
		"hosts": {
			Dockerfile: dockerfile("hosts"), AddHosts: pulumi.ToStringArray([]string{"db.shop.example:10.0.0.5"}),
		},
		"key": {
			Dockerfile: dockerfile("key"),
			Ssh: dockerbuild.SSHArray{
				&dockerbuild.SSHArgs{Id: pulumi.String("default")},
				&dockerbuild.SSHArgs{Id: pulumi.String("deploy"), Paths: pulumi.StringArray{pulumi.String("./deploy.key")}},
			},
		},
		"token": {
			Dockerfile:                     dockerfile("token"),
			Secrets:                        pulumi.StringMap{"token": pulumi.String("open sesame")},
			IgnoreSecretsInDiffCalculation: pulumi.StringArray{pulumi.String("token")},
		},
		"described": {Labels: pulumi.StringMap{"description": pulumi.String("All that the shop sells ✓")}},
		"stage":     {Dockerfile: dockerfile("stages"), Target: pulumi.StringPtr("tested")},
	}
}

// otherImages have other contexts, caches, exports and builders.
func (s settings) otherImages() map[string]*dockerbuild.ImageArgs {
	return map[string]*dockerbuild.ImageArgs{
		"cached": {
			CacheTo: dockerbuild.CacheToArray{dockerbuild.CacheToArgs{Local: dockerbuild.CacheToLocalArgs{
				Dest: pulumi.String("build/cache"), Mode: dockerbuild.CacheModeMax,
			}}},
			CacheFrom: dockerbuild.CacheFromArray{dockerbuild.CacheFromArgs{Local: dockerbuild.CacheFromLocalArgs{
				Src: pulumi.String("build/cache"),
			}}},
		},
		"named": {
			Dockerfile: dockerfile("named"),
			Context: &dockerbuild.BuildContextArgs{
				Location: pulumi.String("./app"),
				Named: dockerbuild.ContextMap{
					"toolchain:latest": &dockerbuild.ContextArgs{Location: pulumi.String("docker-image://" + s.base)},
					"assets":           dockerbuild.ContextArgs{Location: pulumi.String("./assets")},
				},
			},
		},
		"dockerfileByUrl": {Context: dockerbuild.BuildContextArgs{Location: pulumi.String(s.sources + "/Dockerfile")}},
		"repository": {
			Context:    dockerbuild.BuildContextArgs{Location: pulumi.String(s.sources + "/repo.git#main")},
			Dockerfile: dockerbuild.DockerfileArgs{Location: pulumi.String("app/Other")},
		},
		"repositoryWithInline": {
			Context:    dockerbuild.BuildContextArgs{Location: pulumi.String(s.sources + "/repo.git#main")},
			Dockerfile: dockerbuild.DockerfileArgs{Inline: pulumi.String("FROM scratch\nCOPY hello /\n")},
		},
		"loaded": {Exports: dockerbuild.ExportArray{&dockerbuild.ExportArgs{
			Docker: &dockerbuild.ExportDockerArgs{Tar: pulumi.Bool(true)},
		}}},
		"cloud": {
			BuildOnPreview: pulumi.Bool(false),
			Builder:        &dockerbuild.BuilderConfigArgs{Name: pulumi.String("cloud-shop")},
			Exec:           pulumi.Bool(true),
		},
		"files": {
			Load: pulumi.Bool(false), NoCache: pulumi.Bool(false), Pull: pulumi.Bool(false),
			Network: dockerbuild.NetworkModeNone,
			Exports: dockerbuild.ExportArray{
				dockerbuild.ExportArgs{Local: dockerbuild.ExportLocalArgs{Dest: pulumi.String("build/files")}},
				dockerbuild.ExportArgs{Tar: dockerbuild.ExportTarArgs{Dest: pulumi.String("build/files.tar")}},
				dockerbuild.ExportArgs{Cacheonly: dockerbuild.ExportCacheOnlyArgs{}},
			},
		},
	}
}

// clouds has caches and exports that no test machine reaches.
func clouds(registry string) *dockerbuild.ImageArgs {
	return &dockerbuild.ImageArgs{
		BuildOnPreview: pulumi.Bool(false),
		CacheFrom: dockerbuild.CacheFromArray{
			dockerbuild.CacheFromArgs{Gha: dockerbuild.CacheFromGitHubActionsArgs{Scope: pulumi.String("shop")}},
			dockerbuild.CacheFromArgs{S3: dockerbuild.CacheFromS3Args{
				Bucket: pulumi.String("shop"), Region: pulumi.String("eu-west-1"),
			}},
			dockerbuild.CacheFromArgs{Azblob: dockerbuild.CacheFromAzureBlobArgs{
				Name: pulumi.String("shop"), AccountUrl: pulumi.String("https://shop.blob.example.com"),
			}},
			dockerbuild.CacheFromArgs{Raw: pulumi.String("type=registry,ref=" + registry + "/shop/app:cache")},
			dockerbuild.CacheFromArgs{Disabled: pulumi.Bool(true), Registry: dockerbuild.CacheFromRegistryArgs{
				Ref: pulumi.String(registry + "/shop/app:off"),
			}},
		},
		CacheTo: dockerbuild.CacheToArray{
			dockerbuild.CacheToArgs{Inline: dockerbuild.CacheToInlineArgs{}},
			dockerbuild.CacheToArgs{Gha: dockerbuild.CacheToGitHubActionsArgs{
				Scope: pulumi.String("shop"), Mode: dockerbuild.CacheModeMax, IgnoreError: pulumi.Bool(true),
			}},
			dockerbuild.CacheToArgs{S3: dockerbuild.CacheToS3Args{
				Bucket: pulumi.String("shop"), Region: pulumi.String("eu-west-1"), Mode: dockerbuild.CacheModeMax,
			}},
		},
		Exports: dockerbuild.ExportArray{
			dockerbuild.ExportArgs{Oci: dockerbuild.ExportOCIArgs{
				Dest: pulumi.String("build/image.tar"), Compression: dockerbuild.CompressionTypeZstd,
				CompressionLevel: pulumi.Int(3),
			}},
			dockerbuild.ExportArgs{Image: dockerbuild.ExportImageArgs{
				Names:       pulumi.StringArray{pulumi.String(registry + "/shop/clouds:1.0")},
				Annotations: pulumi.StringMap{"vendor": pulumi.String("shop")},
			}},
			dockerbuild.ExportArgs{Raw: pulumi.String("type=docker,dest=build/docker.tar")},
			dockerbuild.ExportArgs{
				Disabled: pulumi.Bool(true), Tar: dockerbuild.ExportTarArgs{Dest: pulumi.String("build/off.tar")},
			},
		},
	}
}

// buildFor has the inputs of an image for one platform, with a cache of its own.
func buildFor(registry, name string, platform dockerbuild.Platform) *dockerbuild.ImageArgs {
	cache := pulumi.String(registry + "/shop/both:cache-" + name)
	return &dockerbuild.ImageArgs{
		Push:      pulumi.Bool(true),
		Platforms: dockerbuild.PlatformArray{platform},
		Tags:      pulumi.StringArray{pulumi.String(registry + "/shop/both:1.0-" + name)},
		CacheTo: dockerbuild.CacheToArray{dockerbuild.CacheToArgs{Registry: dockerbuild.CacheToRegistryArgs{
			Ref: cache, Mode: dockerbuild.CacheModeMax,
		}}},
		CacheFrom: dockerbuild.CacheFromArray{dockerbuild.CacheFromArgs{Registry: dockerbuild.CacheFromRegistryArgs{
			Ref: cache,
		}}},
	}
}
