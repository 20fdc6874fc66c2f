package provider

import (
	"os"
	"path/filepath"
)

// projectFolder returns the folder that links in build contexts may lead into: the repository around the project, or
// the project if there is none. It returns "" if that would be the whole machine.
//
// The engine starts the plugin in the folder of the program: that of Pulumi.yaml or, with main, one below it. A
// repository that is the whole home folder does not count, because it holds more than the project.
func projectFolder() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	project := findAbove(dir, projectNames...)
	if project == "" {
		project = dir
	}
	repository := findAbove(project, ".git")
	if repository != "" && !isHome(repository) && filepath.Dir(repository) != repository {
		return repository
	}
	if filepath.Dir(project) == project {
		return "" // a container's root, with all that is mounted there
	}
	return project
}

// findAbove returns dir, or the nearest folder above it, that contains one of the names. It returns "" if there is
// none.
func findAbove(dir string, names ...string) string {
	for {
		for _, name := range names {
			if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				return dir
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// isHome tells whether dir is the home folder or a folder around it.
func isHome(dir string) bool {
	home, err := os.UserHomeDir()
	if err != nil {
		return false
	}
	if home, err = filepath.EvalSymlinks(home); err != nil {
		return false
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return true
	}
	inside, err := filepath.Rel(dir, home)
	return err == nil && filepath.IsLocal(inside)
}
