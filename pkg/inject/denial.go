package inject

import (
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// auditFinding is the key of the audit annotation with the code of the finding for which something was denied. In the
// API server's audit log it has the webhook's name before it: sidecar.kubectl-fluid.dev/finding.
const auditFinding = "finding"

// denied refuses a request because of findings, of which the first names the reason.
func denied(message string, first finding.Finding) admission.Response {
	response := admission.Denied(message)
	response.AuditAnnotations = map[string]string{auditFinding: string(first.Code)}
	return response
}
