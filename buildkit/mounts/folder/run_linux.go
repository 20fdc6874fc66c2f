package folder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
)

// Run does one action in a step and writes its report. The arguments are the action, a text that tells this step from
// all others, and the largest number of bytes to pack or restore. A report with an error is no error of Run.
func Run(args []string) error {
	if len(args) != 3 {
		return errors.New("this is a part of the plugin that runs on the builder: run pulumi up instead")
	}
	report, err := run(args[0], args[2])
	if err != nil {
		report.Error = err.Error()
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	out, err := os.OpenRoot(OutFolder)
	if err != nil {
		return err
	}
	return errors.Join(out.WriteFile(ReportFile, text, 0o600), out.Close())
}

// run does one action.
func run(action, limit string) (Report, error) {
	most, err := strconv.ParseInt(limit, 10, 64)
	if err != nil {
		return Report{}, err
	}
	if action == RestoreAction {
		return restore(CacheFolder, BaseFolder, FromFolder, most)
	}
	c, err := read(CacheFolder, BaseFolder)
	if err != nil {
		return Report{}, err
	}
	c.bound(most)
	switch action {
	case CheckAction:
		return c.report(), nil
	case SaveAction:
		secrets, err := readSecrets(SecretsFolder)
		if err != nil {
			return Report{}, err
		}
		if err := dropMarker(CacheFolder); err != nil {
			return Report{}, err
		}
		return pack(c, CacheFolder, OutFolder, secrets)
	}
	return Report{}, fmt.Errorf("%s: there is no such action", action)
}

// readSecrets reads the secrets in a folder, which may not exist.
func readSecrets(folder string) (secrets [][]byte, err error) {
	root, err := os.OpenRoot(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	names, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	for _, d := range names {
		secret, err := root.ReadFile(d.Name())
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}
