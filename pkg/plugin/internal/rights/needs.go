package rights

// place is where a right is needed.
type place int

const (
	InNamespace place = iota // the namespace of the references, pods or Datasets that a command is about
	InSource                 // the namespace of the physical Dataset
	InCluster                // the whole cluster
)

func places() []place { return []place{InNamespace, InSource, InCluster} }

func (p place) String() string { return []string{"namespace", "source", "cluster"}[p] }

// bind says how a role with rights of the place is bound.
func (p place) bind() string {
	return []string{
		"with a RoleBinding in the namespace of the references",
		"with a RoleBinding in the namespace of the physical Dataset",
		"with a ClusterRoleBinding",
	}[p]
}

// Need is a right that a command asks for.
type Need struct {
	Where           place
	Verb            string
	Group, Resource string
	// Names are the only objects of the resource that are meant; nil for any.
	Names []string
	// Purpose says what for where that isn't always; without the right only that is missing.
	Purpose string
}

// ResourceName returns the resource with its group, as kubectl writes it.
func (n Need) ResourceName() string {
	if n.Group == "" {
		return n.Resource
	}
	return n.Resource + "." + n.Group
}
