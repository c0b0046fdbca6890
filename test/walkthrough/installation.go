package walkthrough

// Install returns the commands that install the controller of a release, from a directory with its files.
func Install() []string {
	return []string{
		"kubectl apply --server-side --field-manager=kubectl-fluid -f crds.yaml",
		"kubectl apply --server-side -f install.yaml",
		"kubectl rollout status deployment/kubectl-fluid-controller -n kubectl-fluid-system --timeout=120s",
	}
}

// InstallFromSource returns the commands that install the controller from the source tree.
func InstallFromSource() []string {
	return []string{
		"kubectl apply --server-side --field-manager=kubectl-fluid -k config/crd",
		"kubectl apply -k config/default",
		"kubectl rollout status deployment/kubectl-fluid-controller -n kubectl-fluid-system --timeout=120s",
	}
}

// Restart returns the commands that replace the controller's replicas one by one.
func Restart() []string {
	return []string{
		"kubectl rollout restart deployment/kubectl-fluid-controller -n kubectl-fluid-system",
		"kubectl rollout status deployment/kubectl-fluid-controller -n kubectl-fluid-system --timeout=120s",
	}
}

// AllowPrivileges returns the commands by which a namespace gets privileged sidecars, where the controller allows it, and
// gets none any more.
func AllowPrivileges() (give, take string) {
	return "kubectl label namespace ref kubectl-fluid.dev/sidecar-privileges=allowed", "kubectl label namespace ref kubectl-fluid.dev/sidecar-privileges-"
}

// Remove returns the commands that remove the controller and leave all Datasets, volumes and pods as they are.
func Remove() []string {
	return []string{
		"kubectl delete mutatingwebhookconfigurations,validatingwebhookconfigurations -l app.kubernetes.io/part-of=kubectl-fluid",
		"kubectl delete -f install.yaml --ignore-not-found --timeout=120s",
	}
}

// RemoveData returns the commands that remove the Datasets of a namespace first, and the CRDs after Remove.
func RemoveData() (before, after []string) {
	return []string{"kubectl delete datasets --all -n ref --timeout=60s"}, []string{"kubectl delete -f crds.yaml --timeout=60s"}
}

// Look returns the commands by which an administrator looks at an installation, and at the pod nginx in ref.
func Look() []string {
	return []string{
		"kubectl fluid doctor",
		"kubectl get pods -n kubectl-fluid-system -o wide",
		"kubectl logs -n kubectl-fluid-system -l app.kubernetes.io/name=kubectl-fluid-controller --tail=20",
		"kubectl logs -n kubectl-fluid-node -l app.kubernetes.io/component=node-plugin",
		"kubectl get events -n ref",
		"kubectl get events --field-selector reason=FailedCreate",
		"kubectl logs nginx -n ref -c fluid-fuse-0",
		"kubectl fluid inspect sidecar nginx -n ref",
		"kubectl fluid explain KF3008",
		"kubectl get crd datasets.data.fluid.io --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}",
		"kubectl fluid ref check -n ref",
	}
}

// Consent returns the commands by which owners of Datasets and administrators say who may refer to them.
func Consent() []string {
	return []string{
		"kubectl create rolebinding team-b --clusterrole=fluid-dataset-user --group=team-b -n default",
		"kubectl fluid ref share default/phy --with ref,team-b",
		"kubectl fluid ref unshare default/phy --with team-b",
		"kubectl fluid ref can-i --from default/phy -n ref",
	}
}

// BesideFluid returns the commands that install the controller of a release where Fluid is installed.
func BesideFluid() []string {
	return []string{
		"kubectl apply --server-side -f with-fluid.yaml",
		"kubectl rollout status deployment/kubectl-fluid-controller -n kubectl-fluid-system --timeout=120s",
	}
}

// MoveFromFluid returns the commands by which references move over from Fluid: before BesideFluid, after it, and at last.
func MoveFromFluid() (before, after, last string) {
	return "kubectl fluid ref check -A", "kubectl delete deployment thinruntime-controller -n fluid-system", "kubectl fluid ref check -A --mirror-names=source"
}

// Helm returns the commands that install, upgrade and remove the chart of a release with Helm.
func Helm() []string {
	return []string{
		"helm install kubectl-fluid kubectl-fluid-1.2.3.tgz -n kubectl-fluid-system --create-namespace",
		"helm upgrade kubectl-fluid kubectl-fluid-1.2.3.tgz -n kubectl-fluid-system",
		"helm uninstall kubectl-fluid -n kubectl-fluid-system",
		"kubectl delete namespace kubectl-fluid-system --timeout=60s",
	}
}
