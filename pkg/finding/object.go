package finding

// Object names an object by kind. Namespace is empty for objects of the cluster. Name is empty if all objects of a kind
// are meant; Kind may then be any words that say what was looked at.
type Object struct {
	Kind      string
	Namespace string
	Name      string
}

// String returns kind namespace/name for a person.
func (o Object) String() string {
	switch {
	case o.Name == "":
		return o.Kind
	case o.Namespace == "":
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}
