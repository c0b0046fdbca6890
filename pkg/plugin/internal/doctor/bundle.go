package doctor

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
)

// writeBundle writes what doctor found, and what it looked at, as an archive. The file must not exist yet.
func writeBundle(ctx context.Context, env command.Environment, file string, e *examiner, found *Report) error {
	doing := fmt.Sprintf("writing the archive %s", file)
	files, err := bundleFiles(ctx, env, e, found)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	// Nobody else on this machine needs to read it.
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	err = writeArchive(out, env, files)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("%s: %w", doing, errors.Join(err, os.Remove(file)))
	}
	return nil
}

// bundleFile is one file of the archive.
type bundleFile struct {
	name string
	data []byte
}

func bundleFiles(ctx context.Context, env command.Environment, e *examiner, found *Report) ([]bundleFile, error) {
	var text bytes.Buffer
	if err := found.print(terminal.Plain(&text, e.language), true); err != nil {
		return nil, err
	}
	document, err := json.MarshalIndent(found, "", "    ")
	if err != nil {
		return nil, err
	}
	versions, err := json.MarshalIndent(command.VersionReport{Client: command.NewClientVersion(env.Build), Server: e.server}, "", "    ")
	if err != nil {
		return nil, err
	}
	files := []bundleFile{
		{"README.txt", []byte("What kubectl fluid doctor found, and the objects concerned without data, environments,\narguments, options, annotations and mount points other than dataset://.\n")},
		{"doctor.txt", []byte(withoutCredentials(text.String()))},
		{"doctor.json", []byte(withoutCredentials(string(document)))},
		{"versions.json", versions},
	}
	if !e.connected() {
		return files, nil
	}
	for _, kind := range bundledKinds() {
		file, err := kind.file(ctx, e)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func writeArchive(out io.Writer, env command.Environment, files []bundleFile) error {
	compressed := gzip.NewWriter(out)
	archive := tar.NewWriter(compressed)
	for _, file := range files {
		header := &tar.Header{Name: "kubectl-fluid-doctor/" + file.name, Mode: 0o644, Size: int64(len(file.data)), ModTime: env.Now()}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(file.data); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), compressed.Close())
}

func yamlFile(name string, value any) (bundleFile, error) {
	data, err := yaml.Marshal(value)
	return bundleFile{name + ".yaml", []byte(withoutCredentials(string(data)))}, err
}
