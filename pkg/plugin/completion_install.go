package plugin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
)

// pluginName is the file by which kubectl finds the plugin.
const pluginName = "kubectl-fluid"

// completionInstallOptions say where to put the program that kubectl asks for completions.
type completionInstallOptions struct {
	// directory is empty for the one where the plugin is.
	directory string
	// copied makes a copy instead of a link: on Windows only administrators may make links.
	copied bool
}

func newCompletionInstallCommand(env Environment) *cobra.Command {
	o := &completionInstallOptions{copied: runtime.GOOS == "windows"}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Let kubectl complete the plugin's arguments",
		Long: `Put kubectl_complete-fluid, which kubectl asks for completions, beside the plugin:
a link to it, on Windows a copy. It needs kubectl 1.26 or newer, with its own
completion loaded in the shell. A file that isn't such a link is left alone.`,
		Example: `  # Beside the plugin
  kubectl fluid completion install

  # In another directory of the PATH
  kubectl fluid completion install --dir ~/.local/bin`,
		Args:              command.MaxArgs(0, "no argument"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(*cobra.Command, []string) error { return o.run(env) },
	}
	cmd.Flags().StringVar(&o.directory, "dir", "", "The directory to put it in. Default: the plugin's.")
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

func (o *completionInstallOptions) run(env Environment) error {
	target, err := findPlugin()
	if err != nil {
		return fmt.Errorf("finding the plugin's own file: %w", err)
	}
	directory := o.directory
	if directory == "" {
		directory = filepath.Dir(target)
	}
	file := filepath.Join(directory, completionName+filepath.Ext(target))
	changed, err := o.install(target, file)
	if err != nil {
		return fmt.Errorf("installing %s: %w", file, err)
	}
	if !changed {
		env.Printf("%s is there already\n", file)
	} else {
		env.Printf("%s installed, for %s\n", file, target)
	}
	if _, err := exec.LookPath(completionName); err != nil {
		env.Sayf("Warning: kubectl doesn't find it: the directory %s isn't in the PATH\n", directory)
	}
	return nil
}

// findPlugin returns the file that kubectl runs. A link in the PATH is preferred to what it leads to: a plugin manager
// lets it lead to the next version.
func findPlugin() (string, error) {
	executable, err := os.Executable()
	if err != nil {
		return "", err
	}
	found, err := exec.LookPath(pluginName)
	if err != nil {
		return executable, nil
	}
	if found, err = filepath.Abs(found); err != nil {
		return "", err
	}
	own, ownErr := os.Stat(executable)
	other, otherErr := os.Stat(found)
	if ownErr != nil || otherErr != nil || !os.SameFile(own, other) {
		return executable, nil
	}
	return found, nil
}

// errForeignFile says that what has the name isn't this command's work.
var errForeignFile = errors.New("a file of that name exists, and it isn't a link to the plugin; remove it first, or choose another directory with --dir")

// install makes file a link to, or a copy of, target, and reports whether that took anything. What is there is replaced
// in one step.
func (o *completionInstallOptions) install(target, file string) (changed bool, err error) {
	present, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case o.copied:
		// A copy of an earlier version looks like any program.
	case present.Mode()&fs.ModeSymlink == 0:
		return false, errForeignFile
	default:
		var leads string
		if leads, err = os.Readlink(file); err != nil {
			return false, err
		}
		if leads == target {
			return false, nil
		}
		if !strings.HasPrefix(filepath.Base(leads), pluginName) {
			return false, errForeignFile
		}
	}
	if err = os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return false, err
	}
	temporary := fmt.Sprintf("%s.%d", file, os.Getpid())
	if o.copied {
		err = copyProgram(target, temporary)
	} else {
		err = os.Symlink(target, temporary)
	}
	if err == nil {
		err = os.Rename(temporary, file)
	}
	if err != nil {
		return false, errors.Join(err, removeIfThere(temporary))
	}
	return true, nil
}

func copyProgram(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

func removeIfThere(file string) error {
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
