package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// dockerConfig reads docker's config.json. One that is not there is empty. The error names the file.
func (k *Keychain) dockerConfig(ctx context.Context) (*configfile.ConfigFile, error) {
	path := filepath.Join(k.dockerFolder(), config.ConfigFileName)
	text, err := file.Read(ctx, path, file.LimitText)
	if errors.Is(err, fs.ErrNotExist) {
		return configfile.New(path), nil
	}
	if err != nil {
		return nil, fmt.Errorf("loading config file: %w", err)
	}
	stored, err := config.LoadFromReader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parsing config file (%s): %w", path, err)
	}
	return stored, nil
}

// dockerFolder asks the environment each time: the library remembers its first answer.
func (k *Keychain) dockerFolder() string {
	for _, folder := range []string{k.DockerConfig, os.Getenv(config.EnvOverrideConfigDir)} {
		if folder != "" {
			return folder
		}
	}
	return config.Dir()
}
