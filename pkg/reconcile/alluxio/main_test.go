package alluxio

import (
	"os"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
)

func TestMain(m *testing.M) {
	os.Exit(livetest.Main(m, "../../../config/crd/bases/data.fluid.io_alluxioruntimes.yaml"))
}
