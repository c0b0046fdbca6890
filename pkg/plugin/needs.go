package plugin

// place is where a right is needed.
type place int

const (
	inNamespace place = iota // the namespace of the references, pods or Datasets that a command is about
	inSource                 // the namespace of the physical Dataset
	inCluster                // the whole cluster
)

func places() []place { return []place{inNamespace, inSource, inCluster} }

func (p place) String() string { return []string{"namespace", "source", "cluster"}[p] }

// bind says how a role with rights of the place is bound.
func (p place) bind() string {
	return []string{
		"with a RoleBinding in the namespace of the references",
		"with a RoleBinding in the namespace of the physical Dataset",
		"with a ClusterRoleBinding",
	}[p]
}

// need is a right that a command asks for.
type need struct {
	where           place
	verb            string
	group, resource string
	// names are the only objects of the resource that are meant; nil for any.
	names []string
	// purpose says what for where that isn't always; without the right only that is missing.
	purpose string
}

func (n need) resourceName() string {
	if n.group == "" {
		return n.resource
	}
	return n.resource + "." + n.group
}
