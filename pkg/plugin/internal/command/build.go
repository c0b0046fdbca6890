package command

import (
	"runtime"
	"runtime/debug"

	apiversion "k8s.io/apimachinery/pkg/version"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// Build says which build of the plugin this is; the linker sets it in package main.
type Build struct {
	Version string
	Commit  string
	Date    string
}

// Modules are those whose versions decide how the plugin talks to a cluster.
func Modules() []string {
	return []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/cli-runtime", "k8s.io/client-go", "sigs.k8s.io/controller-runtime"}
}

type clientVersion struct {
	Version  string            `json:"version"`
	Commit   string            `json:"commit"`
	Date     string            `json:"date"`
	Go       string            `json:"goVersion"`
	Platform string            `json:"platform"`
	Modules  map[string]string `json:"modules"`
}

// VersionReport is the document of the versions.
type VersionReport struct {
	report.TypeMeta
	Client clientVersion    `json:"clientVersion"`
	Server *apiversion.Info `json:"serverVersion,omitempty"`
}

// NewClientVersion says which build this is, with the versions of the modules in it.
func NewClientVersion(build Build) clientVersion {
	v := clientVersion{Version: build.Version, Commit: build.Commit, Date: build.Date,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Modules: map[string]string{}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, wanted := range Modules() {
		for _, module := range info.Deps {
			if module.Path == wanted {
				v.Modules[wanted] = module.Version
			}
		}
	}
	return v
}
