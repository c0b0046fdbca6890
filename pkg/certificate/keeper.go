package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Keys of the Secret that holds the authorities.
const (
	bundleKey = "ca.crt"
	keysKey   = "ca.key"
)

// The rights that keeping certificates takes, with the names that things have in config/. Who may create can't be
// restricted to names: what isn't there yet has none.
// +kubebuilder:rbac:groups="",resources=secrets,verbs=create,namespace=kubectl-fluid-system
// +kubebuilder:rbac:groups="",resources=secrets,resourceNames=kubectl-fluid-webhook-ca,verbs=get;list;watch;update,namespace=kubectl-fluid-system
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations;validatingwebhookconfigurations,verbs=list;watch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations,resourceNames=kubectl-fluid-sidecar-injector;kubectl-fluid-sidecar-injector-retry,verbs=patch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=kubectl-fluid-sidecar-injector,verbs=patch

// Keeper keeps the webhook server's certificates: the authorities in a Secret, their certificates in the caBundle of
// the webhook configurations, and this process's own certificate in memory. Every replica runs one; they agree through
// the Secret.
type Keeper struct {
	Client client.Client
	// Live reads from the API server: the Secret is read so, because a cache of Secrets would need more rights.
	Live client.Reader
	// Secret holds the authorities. Nothing else may be called so in its namespace.
	Secret types.NamespacedName
	// ServerNames are the DNS names under which the API server calls.
	ServerNames []string
	// Configurations are the names of the MutatingWebhookConfiguration and ValidatingWebhookConfiguration.
	Configurations []string
	// PublishBefore is how long a new authority is published before it signs; PublishBefore if it is 0.
	PublishBefore time.Duration
	// Now tells the time.
	Now func() time.Time

	server atomic.Pointer[tls.Certificate]
	// known are the authorities that were in force when this process last looked.
	known Authorities
	// lost is since when this process, which knows none, has waited for another one to bring a lost Secret back.
	lost time.Time
	// authorityExpiry is when the newest of them expires, in seconds since 1970.
	authorityExpiry atomic.Int64
}

// GetCertificate returns this process's certificate, as tls.Config wants it.
func (k *Keeper) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if certificate := k.server.Load(); certificate != nil {
		return certificate, nil
	}
	return nil, errors.New("the webhook server has no certificate yet")
}

// Ready is a readiness check: it fails until there is a certificate.
func (k *Keeper) Ready(*http.Request) error {
	_, err := k.GetCertificate(nil)
	return err
}

// WatchedSecrets says what of the cluster's Secrets the manager's cache may have: the one with the authorities.
func (k *Keeper) WatchedSecrets() cache.ByObject {
	return cache.ByObject{Namespaces: map[string]cache.Config{
		k.Secret.Namespace: {FieldSelector: fields.OneTermEqualSelector("metadata.name", k.Secret.Name)},
	}}
}

// SetupWithManager adds the keeper to a manager, whose cache must be limited to WatchedSecrets. It also runs on replicas
// that aren't the leader.
func (k *Keeper) SetupWithManager(manager ctrl.Manager) error {
	everything := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{}}
	})
	return ctrl.NewControllerManagedBy(manager).
		Named("certificate").
		WithOptions(controller.Options{NeedLeaderElection: new(false)}).
		Watches(&admissionregistrationv1.MutatingWebhookConfiguration{}, everything).
		Watches(&admissionregistrationv1.ValidatingWebhookConfiguration{}, everything).
		Watches(&corev1.Secret{}, everything, builder.OnlyMetadata).
		Complete(k)
}

// Reconcile makes everything true at once: authorities, caBundles, this process's certificate. It comes back in time
// for the next renewal.
func (k *Keeper) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	authorities, err := k.authorities(ctx)
	if errors.Is(err, errLost) {
		return reconcile.Result{RequeueAfter: lookAgain}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	for _, name := range k.Configurations {
		if err := k.publish(ctx, name, authorities.Bundle()); err != nil {
			return reconcile.Result{}, err
		}
	}
	if err := k.issue(ctx, authorities); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: k.publishBefore()}, nil
}

func (k *Keeper) publishBefore() time.Duration {
	if k.PublishBefore == 0 {
		return PublishBefore
	}
	return k.PublishBefore
}

// A process that finds no Secret, but caBundles, waits so long before it makes a Secret: one that runs already knows the
// authorities, and brings back what it uses.
const (
	waitForOthers = 5 * time.Second
	lookAgain     = 200 * time.Millisecond
)

var errLost = errors.New("the webhook's certificate authorities are lost; another replica may know them")

// mayMake says whether this process may make authorities where there is no Secret.
func (k *Keeper) mayMake(ctx context.Context) error {
	if len(k.known) > 0 {
		return nil
	}
	published, err := k.published(ctx)
	if err != nil || !published {
		return err
	}
	if k.lost.IsZero() {
		k.lost = k.Now()
	}
	if k.Now().Before(k.lost.Add(waitForOthers)) {
		return errLost
	}
	return nil
}

// published reports whether any configuration has a caBundle.
func (k *Keeper) published(ctx context.Context) (bool, error) {
	for _, name := range k.Configurations {
		mutating := &admissionregistrationv1.MutatingWebhookConfiguration{}
		if err := k.get(ctx, name, mutating); err != nil {
			return false, err
		}
		for i := range mutating.Webhooks {
			if len(mutating.Webhooks[i].ClientConfig.CABundle) > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// authorities reads the Secret and renews what is in it. When two replicas renew at once, one of them meets a conflict
// and reads again.
//
// Deleting the Secret rotates the authorities. Those that this process knew stay in force beside the new one, since
// certificates that they signed are in use.
func (k *Keeper) authorities(ctx context.Context) (Authorities, error) {
	secret := &corev1.Secret{}
	err := k.Live.Get(ctx, k.Secret, secret)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading Secret %s with the webhook's certificate authorities: %w", k.Secret, err)
	}
	exists := err == nil
	var present Authorities
	if !exists {
		if err = k.mayMake(ctx); err != nil {
			return nil, err
		}
	}
	k.lost = time.Time{}
	if exists {
		if present, err = ParseAuthorities(secret.Data[bundleKey], secret.Data[keysKey]); err != nil {
			log.FromContext(ctx).Info("Replacing unreadable certificate authorities", "secret", k.Secret, "reason", err.Error())
			present = nil
		}
	}
	renewed, _, err := present.Merged(k.known).Renewed(k.Now())
	if err == nil && len(present) == 0 && len(k.known) > 0 {
		renewed, err = renewed.Rotated(k.Now())
	}
	if err != nil {
		return nil, err
	}
	if renewed.equal(present) {
		k.know(present)
		return present, nil
	}
	keys, err := renewed.Keys()
	if err != nil {
		return nil, err
	}
	if err := k.write(ctx, secret, exists, map[string][]byte{bundleKey: renewed.Bundle(), keysKey: keys}); err != nil {
		return nil, fmt.Errorf("writing Secret %s with the webhook's certificate authorities: %w", k.Secret, err)
	}
	log.FromContext(ctx).Info("Wrote certificate authorities", "secret", k.Secret, "authorities", len(renewed))
	k.know(renewed)
	return renewed, nil
}

func (k *Keeper) know(authorities Authorities) {
	k.known = authorities
	k.authorityExpiry.Store(authorities[0].Certificate.NotAfter.Unix())
}

// write creates the Secret, or replaces its data if it is still as it was read.
func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, exists bool, data map[string][]byte) error {
	secret.Data = data
	if exists {
		return k.Client.Update(ctx, secret)
	}
	secret.ObjectMeta = metav1.ObjectMeta{Namespace: k.Secret.Namespace, Name: k.Secret.Name}
	return k.Client.Create(ctx, secret)
}

// publish writes the caBundle of a mutating and a validating configuration of one name where it differs.
func (k *Keeper) publish(ctx context.Context, name string, bundle []byte) error {
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := k.get(ctx, name, mutating); err != nil {
		return err
	}
	var present [][]byte
	for i := range mutating.Webhooks {
		present = append(present, mutating.Webhooks[i].ClientConfig.CABundle)
	}
	if err := k.patch(ctx, mutating, present, bundle); err != nil {
		return err
	}
	if err := k.get(ctx, name, validating); err != nil {
		return err
	}
	present = nil
	for i := range validating.Webhooks {
		present = append(present, validating.Webhooks[i].ClientConfig.CABundle)
	}
	return k.patch(ctx, validating, present, bundle)
}

// get reads a configuration; one that isn't there stays empty.
func (k *Keeper) get(ctx context.Context, name string, configuration client.Object) error {
	if err := k.Client.Get(ctx, types.NamespacedName{Name: name}, configuration); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading webhook configuration %s: %w", name, err)
	}
	return nil
}

// patch replaces the bundles that differ, and nothing else: webhooks are a list, so a JSON patch that holds only for
// the list that was read is the way not to lose fields that this build doesn't know.
func (k *Keeper) patch(ctx context.Context, configuration client.Object, present [][]byte, bundle []byte) error {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	operations := []operation{{"test", "/metadata/resourceVersion", configuration.GetResourceVersion()}}
	for i := range present {
		if !bytes.Equal(present[i], bundle) {
			operations = append(operations, operation{"add", fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", i), bundle})
		}
	}
	if len(operations) == 1 {
		return nil
	}
	patch, err := json.Marshal(operations)
	if err != nil {
		return fmt.Errorf("encoding a patch of webhook configuration %s: %w", configuration.GetName(), err)
	}
	if err := k.Client.Patch(ctx, configuration, client.RawPatch(types.JSONPatchType, patch)); err != nil {
		return fmt.Errorf("writing the caBundle of %T %s: %w", configuration, configuration.GetName(), err)
	}
	return nil
}

// issue makes this process's certificate if it has none, if it is about to expire, or if its authority isn't in force.
func (k *Keeper) issue(ctx context.Context, authorities Authorities) error {
	now := k.Now()
	if present := k.server.Load(); present != nil && !expiring(present.Leaf, now) &&
		present.Leaf.CheckSignatureFrom(authorities.signer(now, k.publishBefore()).Certificate) == nil {
		return nil
	}
	certificate, err := authorities.Issue(now, k.publishBefore(), k.ServerNames...)
	if err != nil {
		return err
	}
	k.server.Store(certificate)
	log.FromContext(ctx).Info("Issued the webhook server's certificate", "until", certificate.Leaf.NotAfter)
	return nil
}
