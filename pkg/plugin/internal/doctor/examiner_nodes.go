package doctor

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// checkNodes looks at the kubelets, those of one version together.
func (e *examiner) checkNodes() {
	nodes := map[string][]string{}
	var versions []string
	for page, err := range cluster.Pages(e.ctx, e.client, &corev1.NodeList{}) {
		if err != nil {
			e.unread(thing("Nodes"), err)
			return
		}
		for _, node := range page.Items {
			v := node.Status.NodeInfo.KubeletVersion
			if nodes[v] == nil {
				versions = append(versions, v)
			}
			nodes[v] = append(nodes[v], node.Name)
		}
	}
	if len(versions) == 0 {
		e.skip("the cluster has no nodes")
	}
	slices.Sort(versions)
	for _, v := range versions {
		e.checkKubelet(v, nodes[v])
	}
}

func (e *examiner) checkKubelet(kubelet string, nodes []string) {
	object := thing("Node " + nodes[0])
	if len(nodes) > 1 {
		object = thing(fmt.Sprintf("Nodes %s and %d more", nodes[0], len(nodes)-1))
	}
	parsed, err := version.ParseGeneric(kubelet)
	switch {
	case err != nil:
		e.unread(object, fmt.Errorf("the kubelet's version %q: %w", kubelet, err))
		return
	case !reference.FeaturesOf(parsed).NativeSidecars:
		e.find(finding.CodeKubernetesTooOld, object, "the kubelet's version is %s", kubelet)
		return
	case reference.FeaturesOf(parsed).SelfHealing:
		e.pass(object, "kubelet %s", kubelet)
		return
	}
	if bugs := KubeletBugs(parsed); len(bugs) > 0 {
		e.find(finding.CodeKubeletBug, object, "the kubelet's version is %s, which has kubernetes/kubernetes%s", kubelet, strings.Join(bugs, ", "))
	}
	e.find(finding.CodeNoSelfHealing, object, "the kubelet's version is %s", kubelet)
}

// KubeletBugs returns the numbers of known bugs of a kubelet that concern native sidecars with a startup probe, by the
// patch releases that mended them.
func KubeletBugs(kubelet *version.Version) []string {
	within := func(from, to *version.Version) bool { return kubelet.AtLeast(from) && kubelet.LessThan(to) }
	release := func(minor, patch uint) *version.Version { return version.MajorMinor(1, minor).WithPatch(patch) }
	var bugs []string
	if kubelet.LessThan(release(33, 6)) || within(release(34, 0), release(34, 2)) {
		bugs = append(bugs, "#132826")
	}
	if within(release(35, 0), release(35, 4)) {
		bugs = append(bugs, "#137146")
	}
	return bugs
}
