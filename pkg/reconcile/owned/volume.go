package owned

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// DatasetMark returns the UID of the Dataset of a name that an object was made for, or nothing if it wasn't. A volume must
// be the one of the Dataset's claim, too.
func DatasetMark(key types.NamespacedName, object client.Object) types.UID {
	if volume, ok := object.(*corev1.PersistentVolume); ok {
		claim := volume.Spec.ClaimRef
		if claim == nil || claim.Namespace != key.Namespace || claim.Name != key.Name {
			return ""
		}
	}
	return types.UID(object.GetLabels()[reference.LabelDatasetUID])
}

// Volume deletes the volume and the claim that were made for a Dataset.
type Volume struct {
	// Key is the Dataset's name.
	Key types.NamespacedName
	// Live reads from the API server: an object made a moment ago would otherwise be left for ever.
	Live   client.Reader
	Writer client.Writer
	// InUse is told why the claim can't go yet: pods use it. It is nil if nobody wants to know.
	InUse func(message string)
}

// Delete deletes the claim and, when it has gone, the volume, but not those of the Dataset with the UID to keep. It reports
// whether both have gone.
func (v Volume) Delete(ctx context.Context, keep types.UID) (bool, error) {
	gone, err := v.deleteMarked(ctx, v.Key, keep, &corev1.PersistentVolumeClaim{})
	if err != nil || !gone {
		return false, err
	}
	return v.deleteMarked(ctx, types.NamespacedName{Name: reference.VolumeName(v.Key)}, keep, &corev1.PersistentVolume{})
}

// DeleteOrphans deletes both if the Dataset and its runtime vanished by force. Cached reads what may be behind; owners are
// empty objects of the kinds of which there may be none left.
func (v Volume) DeleteOrphans(ctx context.Context, cached client.Reader, owners ...client.Object) error {
	claim, volume := &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}
	claimErr := cached.Get(ctx, v.Key, claim)
	volumeErr := cached.Get(ctx, types.NamespacedName{Name: reference.VolumeName(v.Key)}, volume)
	if err := errors.Join(client.IgnoreNotFound(claimErr), client.IgnoreNotFound(volumeErr)); err != nil {
		return fmt.Errorf("reading volume and claim of Dataset %s: %w", v.Key, err)
	}
	if DatasetMark(v.Key, claim) == "" && DatasetMark(v.Key, volume) == "" {
		return nil
	}
	// The caches aren't of the same moment: the Dataset may be new.
	for _, owner := range owners {
		if err := v.Live.Get(ctx, v.Key, owner); !apierrors.IsNotFound(err) {
			return err
		}
	}
	_, err := v.Delete(ctx, "")
	return err
}

// deleteMarked deletes an object that was made for a Dataset of the name, and reports whether none is left. A foreign one
// isn't touched and doesn't count.
func (v Volume) deleteMarked(ctx context.Context, key types.NamespacedName, keep types.UID, object client.Object) (bool, error) {
	err := v.Live.Get(ctx, key, object)
	switch mark := DatasetMark(v.Key, object); {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("reading %T %s: %w", object, key, err)
	case mark == "", mark == keep:
		return true, nil
	case object.GetDeletionTimestamp() != nil:
		return false, v.tellUsers(ctx, object)
	}
	uid := object.GetUID()
	if err := client.IgnoreNotFound(v.Writer.Delete(ctx, object, client.Preconditions{UID: &uid})); err != nil {
		return false, fmt.Errorf("deleting %T %s: %w", object, key, err)
	}
	return false, nil
}

// tellUsers says which pods keep a claim from going; Kubernetes lets it go when they have ended.
func (v Volume) tellUsers(ctx context.Context, object client.Object) error {
	if _, isClaim := object.(*corev1.PersistentVolumeClaim); !isClaim || v.InUse == nil {
		return nil
	}
	pods := &corev1.PodList{}
	if err := v.Live.List(ctx, pods, client.InNamespace(v.Key.Namespace)); err != nil {
		return fmt.Errorf("listing the pods of namespace %s: %w", v.Key.Namespace, err)
	}
	var users []string
	for i := range pods.Items {
		if reference.UsesClaim(&pods.Items[i], v.Key.Name) {
			users = append(users, pods.Items[i].Name)
		}
	}
	if len(users) > 0 {
		v.InUse("Dataset " + v.Key.String() + " can't be deleted yet; pods use its claim: delete " + tell.Names(users))
	}
	return nil
}
