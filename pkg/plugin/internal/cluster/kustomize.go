package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// nowhere is where requests of kubectl kustomize go: nobody answers there.
const nowhere = "http://0.0.0.0:0"

// KubectlKustomize builds a kustomization with the user's own kubectl, as "kubectl apply -k" would. kubectl fetches remote
// resources and bases; here it can't: nothing but the API server is asked over the network.
func KubectlKustomize(ctx context.Context, directory string) ([]byte, error) {
	if info, err := os.Stat(directory); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, errors.New("it isn't a directory; -f reads files")
	}
	command := exec.CommandContext(ctx, "kubectl", "kustomize", directory)
	command.Env = withoutNetwork(os.Environ())
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("kubectl, which builds it, isn't in the PATH")
	case err != nil:
		return nil, fmt.Errorf("kubectl kustomize: %s; what is remote isn't fetched: build it with kubectl kustomize, and read the result with -f -",
			strings.TrimSpace(strings.TrimPrefix(stderr.String(), "error: ")))
	}
	return stdout.Bytes(), nil
}

// withoutNetwork returns an environment in which HTTP requests go through a proxy that isn't there, and git speaks no
// protocol that leaves the machine.
func withoutNetwork(environment []string) []string {
	environment = slices.DeleteFunc(environment, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "GIT_ALLOW_PROTOCOL"}, strings.ToUpper(name))
	})
	return append(environment, "HTTP_PROXY="+nowhere, "HTTPS_PROXY="+nowhere, "ALL_PROXY="+nowhere, "GIT_ALLOW_PROTOCOL=file")
}
