// Command release builds what is published of this project: archives of the plugin with krew's manifest, the
// controller's image, and manifests. The makefile's targets release, image, manifests and push call it.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/dist"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/image"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/manifests"
)

// imageArchive is the file name of the controller's image in a release.
const imageArchive = "controller.oci.tar"

type options struct {
	release   build.Release
	directory string
	image     string
	baseURL   string
	// platforms are those of the plugin, and of the image as far as it is made for them.
	platforms []build.Platform
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	command, o, err := parse(ctx, args)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	switch command {
	case "image":
		_, err := makeImage(ctx, o, work, out)
		return err
	case "manifests":
		return makeManifests(o)
	case "push":
		return image.Push(ctx, filepath.Join(o.directory, imageArchive), o.image)
	case "release":
		controllers, err := makeImage(ctx, o, work, out)
		if err != nil {
			return err
		}
		if err := makeManifests(o); err != nil {
			return err
		}
		return dist.Make(ctx, dist.Options{
			Release: o.release, Platforms: o.platforms, Controllers: controllers, Directory: o.directory, Out: out,
			BaseURL: cmp.Or(o.baseURL, "https://"+build.Module+"/releases/download/"+o.release.Version),
		})
	}
	return fmt.Errorf("there is no command %q: it must be image, manifests, push or release", command)
}

// parse reads the command line and asks git for what the release is made from.
func parse(ctx context.Context, args []string) (string, options, error) {
	var o options
	var platforms string
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&o.release.Version, "version", "", "version, as in v1.2.3")
	flags.StringVar(&o.directory, "directory", "dist", "directory for what is made")
	flags.StringVar(&o.image, "image", "kubectl-fluid/controller:latest", "full name of the controller's image")
	flags.StringVar(&o.baseURL, "base-url", "", "where the archives will be for download; without it, the version's release on GitHub")
	flags.StringVar(&platforms, "platforms", "", "only these platforms of the plugin and of the image, as in linux/amd64,darwin/arm64")
	if err := flags.Parse(args); err != nil {
		return "", o, err
	}
	if flags.NArg() != 1 {
		return "", o, fmt.Errorf("say one of image, manifests, push and release after the flags, not %q", flags.Args())
	}
	o.platforms = build.PluginPlatforms()
	if platforms != "" {
		o.platforms = nil
		for _, text := range strings.Split(platforms, ",") {
			goos, arch, _ := strings.Cut(text, "/")
			o.platforms = append(o.platforms, build.Platform{OS: goos, Arch: arch})
		}
	}
	if flags.Arg(0) == "release" && !isVersion(o.release.Version) {
		return "", o, fmt.Errorf("the version is %q: it must be as in v1.2.3; say make release VERSION=v1.2.3", o.release.Version)
	}
	var err error
	if o.release.Source, err = os.Getwd(); err != nil {
		return "", o, err
	}
	o.release.Commit, o.release.Date, err = commit(ctx)
	return flags.Arg(0), o, err
}

// commit returns the commit that is checked out and its date, which SOURCE_DATE_EPOCH overrides. Outside a checkout the
// commit is unknown and the date must be given.
func commit(ctx context.Context) (string, time.Time, error) {
	hash, text := "unknown", ""
	if output, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%H %ct").Output(); err == nil {
		hash, text, _ = strings.Cut(strings.TrimSpace(string(output)), " ")
	}
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		text = epoch
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("the date is %q: run this in a git checkout, or set SOURCE_DATE_EPOCH to seconds since 1970", text)
	}
	return hash, time.Unix(seconds, 0).UTC(), nil
}

// makeImage compiles the controller below work and packs its image into an OCI archive.
func makeImage(ctx context.Context, o options, work string, out io.Writer) ([]image.Program, error) {
	platforms := slices.DeleteFunc(build.ControllerPlatforms(), func(p build.Platform) bool { return !slices.Contains(o.platforms, p) })
	if len(platforms) == 0 {
		return nil, fmt.Errorf("there is no image for %q: it is for %q", o.platforms, build.ControllerPlatforms())
	}
	if err := os.MkdirAll(o.directory, 0o755); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "Building the image %s for %s ...\n", o.image, platforms)
	programs, err := image.Compile(ctx, o.release, platforms, work)
	if err != nil {
		return nil, err
	}
	archive := filepath.Join(o.directory, imageArchive)
	digest, err := image.Pack(ctx, o.release, programs, o.image, archive)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "Built %s, %s\n", archive, digest)
	return programs, nil
}

// makeManifests renders config, and packs the Helm chart if the version is one that Helm knows.
func makeManifests(o options) error {
	if err := os.MkdirAll(o.directory, 0o755); err != nil {
		return err
	}
	for name, kustomization := range map[string]string{"crds.yaml": "crd", "install.yaml": "default", "with-fluid.yaml": "with-fluid"} {
		text, err := manifests.Render(o.release.Source, kustomization, o.image)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(o.directory, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if !isVersion(o.release.Version) {
		return nil
	}
	return manifests.PackChart(o.release, o.image, o.directory)
}

// isVersion says whether a text is as v1.2.3.
func isVersion(text string) bool {
	number, found := strings.CutPrefix(text, "v")
	_, err := version.ParseSemantic(number)
	return found && err == nil
}
