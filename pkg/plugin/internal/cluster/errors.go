package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
)

// ExplainAPI adds to an error of the API server what the user can do about it. doing says what was tried, on which
// object.
func ExplainAPI(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case observe.KindUnknown(err):
		return fmt.Errorf("%s: the cluster doesn't know Fluid's kinds: the CustomResourceDefinition datasets.data.fluid.io isn't installed; "+
			"install Fluid, or kubectl fluid's own: kubectl apply --server-side --field-manager=kubectl-fluid -k config/crd", doing)
	case IsRefusal(err):
		return fmt.Errorf("%s: %w", doing, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w; ask a cluster administrator for this right, or see what you may do: kubectl auth can-i --list", doing, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the API server doesn't accept your credentials: %w; log in again, or choose others with --context or --user", doing, err)
	}
	if _, ok := errors.AsType[*url.Error](err); ok && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: the API server can't be reached: %w; check --kubeconfig, --context and --server", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// OwnRefusal begins what the API server says of a refusal by this project's webhook for Datasets, AnyRefusal what it says
// of one by any webhook.
const (
	AnyRefusal = "denied the request: "
	OwnRefusal = `admission webhook "reference.kubectl-fluid.dev" ` + AnyRefusal
)

// IsRefusal reports whether a webhook refused a request: no right would change that.
func IsRefusal(err error) bool { return err != nil && strings.Contains(err.Error(), AnyRefusal) }

// RefusalOf returns why this project's webhook refused a Dataset, or false if it didn't.
func RefusalOf(err error) (string, bool) {
	if err == nil {
		return "", false
	}
	_, reason, refused := strings.Cut(err.Error(), OwnRefusal)
	return reason, refused
}
