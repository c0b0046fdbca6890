package cluster

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Maven says that an image has what a Maven project makes.
type Maven struct {
	// Project is the directory of the project: a pom.xml, Maven settings maven.xml, and src. In an image.yaml it is relative to
	// the directory of that file. What "mvn package" leaves in the project's target/image goes into the image.
	Project string `json:"project"`
	// Target is the directory in the image for it.
	Target string `json:"target"`
}

// mavenPrograms are what building a project takes, with the Debian packages that have them.
func mavenPrograms() []nodeProgram {
	return []nodeProgram{{"mvn", "maven"}, {"javac", "openjdk-17-jdk-headless"}}
}

// files returns the files of the project that its result depends on, by their path in it.
func (m Maven) files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, start := range []string{"pom.xml", "maven.xml", "src"} {
		err := filepath.WalkDir(filepath.Join(m.Project, start), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(m.Project, path)
			if err != nil {
				return err
			}
			files[name], err = os.ReadFile(path)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read the Maven project %s: %w", m.Project, err)
		}
	}
	return files, nil
}

// build builds a copy of the project below the directory work, and returns the directory of what it made. It installs Maven
// and a JDK if the machine has none. What Maven downloads is kept for each pom.xml.
func (m Maven) build(ctx context.Context, work string, out io.Writer) (string, error) {
	var packages []string
	for _, p := range mavenPrograms() {
		if _, err := lookPath(p.program); err != nil {
			packages = append(packages, p.pkg)
		}
	}
	if len(packages) > 0 {
		if err := EnsurePackages(ctx, out, packages...); err != nil {
			return "", err
		}
	}
	files, err := m.files()
	if err != nil {
		return "", err
	}
	project := filepath.Join(work, "maven")
	for name, content := range files {
		path := filepath.Join(project, name)
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", fmt.Errorf("copy the Maven project: %w", err)
		}
		if err = os.WriteFile(path, content, 0o644); err != nil {
			return "", fmt.Errorf("copy the Maven project: %w", err)
		}
	}
	cache, err := cacheDir("maven")
	if err != nil {
		return "", err
	}
	repository := filepath.Join(cache, fmt.Sprintf("%x", sha256.Sum256(files["pom.xml"]))[:12])
	if _, err := command(ctx, project, "mvn", "--batch-mode", "--quiet", "--global-settings", "maven.xml", "-Dmaven.repo.local="+repository, "package"); err != nil {
		return "", fmt.Errorf("build the Maven project %s: %w", m.Project, err)
	}
	return filepath.Join(project, "target", "image"), nil
}

// addMaven adds what a Maven project makes, if there is one.
func (r rootfs) addMaven(ctx context.Context, work string, m *Maven, out io.Writer) error {
	if m == nil {
		return nil
	}
	made, err := m.build(ctx, work, out)
	if err != nil {
		return err
	}
	return filepath.WalkDir(made, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		e, err := readEntry(file)
		if err != nil {
			return err
		}
		r.add(filepath.Join(m.Target, strings.TrimPrefix(file, made)), e)
		return nil
	})
}
