package webhook

import (
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/jsonscan"
)

// decodeReview reads an AdmissionReview as the API server's own reader does, but for its response: nobody sends one. The
// objects in it stay as they are. They and all strings are parts of the body, which mustn't change any more.
func decodeReview(body []byte) (*admissionv1.AdmissionReview, error) {
	review := &admissionv1.AdmissionReview{}
	d := decoder{jsonscan.InPlace(body), body}
	err := d.Document(func() {
		d.Object(func(field string) bool {
			switch field {
			case "kind":
				d.String(&review.Kind)
			case "apiVersion":
				d.String(&review.APIVersion)
			case "request":
				request := &admissionv1.AdmissionRequest{}
				if d.request(request) {
					review.Request = request
				}
			default:
				return false
			}
			return true
		})
	})
	return review, err
}

// decoder reads the parts of an AdmissionReview.
type decoder struct {
	*jsonscan.Scanner
	body []byte
}

// request reads a request; it reports whether there is one.
func (d decoder) request(to *admissionv1.AdmissionRequest) bool {
	return d.Object(func(field string) bool {
		switch field {
		case "uid":
			d.String((*string)(&to.UID))
		case "kind":
			d.kind(&to.Kind)
		case "resource":
			d.resource(&to.Resource)
		case "subResource":
			d.String(&to.SubResource)
		case "requestKind":
			to.RequestKind = optional(d.kind)
		case "requestResource":
			to.RequestResource = optional(d.resource)
		case "requestSubResource":
			d.String(&to.RequestSubResource)
		case "name":
			d.String(&to.Name)
		case "namespace":
			d.String(&to.Namespace)
		case "operation":
			d.String((*string)(&to.Operation))
		case "userInfo":
			d.user(&to.UserInfo)
		case "object":
			to.Object.Raw = d.raw()
		case "oldObject":
			to.OldObject.Raw = d.raw()
		case "dryRun":
			dryRun := false
			if d.Bool(&dryRun) {
				to.DryRun = &dryRun
			}
		case "options":
			to.Options.Raw = d.raw()
		default:
			return false
		}
		return true
	})
}

// optional reads what may be null.
func optional[T any](read func(*T) bool) *T {
	value := new(T)
	if !read(value) {
		return nil
	}
	return value
}

func (d decoder) kind(to *metav1.GroupVersionKind) bool {
	return d.groupVersion("kind", &to.Group, &to.Version, &to.Kind)
}

func (d decoder) resource(to *metav1.GroupVersionResource) bool {
	return d.groupVersion("resource", &to.Group, &to.Version, &to.Resource)
}

// groupVersion reads an API group, its version, and what of it is meant.
func (d decoder) groupVersion(what string, group, version, value *string) bool {
	return d.Object(func(field string) bool {
		switch field {
		case "group":
			d.String(group)
		case "version":
			d.String(version)
		case what:
			d.String(value)
		default:
			return false
		}
		return true
	})
}

func (d decoder) user(to *authenticationv1.UserInfo) {
	d.Object(func(field string) bool {
		switch field {
		case "username":
			d.String(&to.Username)
		case "uid":
			d.String(&to.UID)
		case "groups":
			to.Groups = d.list()
		case "extra":
			extra := map[string]authenticationv1.ExtraValue{}
			if d.Members(func(name string) { extra[name] = d.list() }) {
				to.Extra = extra
			}
		default:
			return false
		}
		return true
	})
}

// list reads a list of strings; nil is null.
func (d decoder) list() []string {
	list := []string{}
	if !d.List(func() {
		text := ""
		d.String(&text)
		list = append(list, text)
	}) {
		return nil
	}
	return list
}

// raw passes over a value and returns it as a RawExtension has it: nothing for null.
func (d decoder) raw() []byte {
	d.Next()
	start := d.At()
	d.Skip()
	if raw := d.body[start:d.At()]; string(raw) != "null" {
		return raw
	}
	return nil
}
