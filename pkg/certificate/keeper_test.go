package certificate

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const configuration = "injector"

var secretName = types.NamespacedName{Namespace: "kubectl-fluid-system", Name: "webhook-ca"}

// server is an API server, a clock, and a count of what is written.
type server struct {
	client.WithWatch
	now    time.Time
	writes int
	// fails gives the error of a write, or nil.
	fails func() error
	// raced is called once, between a reading of the Secret and what comes after it.
	raced func()
}

func newServer(objects ...client.Object) *server {
	s := &server{now: start}
	wrote := func() error {
		if s.fails != nil {
			if err := s.fails(); err != nil {
				return err
			}
		}
		s.writes++
		return nil
	}
	s.WithWatch = fake.NewClientBuilder().WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			err := c.Get(ctx, key, object, options...)
			if raced := s.raced; raced != nil && key == secretName {
				s.raced = nil
				raced()
			}
			return err
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if err := wrote(); err != nil {
				return err
			}
			return c.Create(ctx, object, options...)
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			if err := wrote(); err != nil {
				return err
			}
			return c.Update(ctx, object, options...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if err := wrote(); err != nil {
				return err
			}
			return c.Patch(ctx, object, patch, options...)
		},
	}).Build()
	return s
}

func (s *server) keeper() *Keeper {
	return &Keeper{Client: s, Live: s, Secret: secretName, ServerNames: []string{serverName},
		Configurations: []string{configuration}, Now: func() time.Time { return s.now }}
}

// configurations are a mutating and a validating configuration with two webhooks each.
func configurations() []client.Object {
	meta := metav1.ObjectMeta{Name: configuration, Labels: map[string]string{"kept": "yes"}}
	return []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: meta,
			Webhooks: []admissionregistrationv1.MutatingWebhook{{Name: "a.example.com"}, {Name: "b.example.com"}}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: meta,
			Webhooks: []admissionregistrationv1.ValidatingWebhook{{Name: "c.example.com"}, {Name: "d.example.com"}}},
	}
}

func keep(t *testing.T, keepers ...*Keeper) {
	t.Helper()
	for _, keeper := range keepers {
		result, err := keeper.Reconcile(t.Context(), reconcile.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if result.RequeueAfter != PublishBefore {
			t.Errorf("it comes back after %v", result.RequeueAfter)
		}
	}
}

func get[T client.Object](t *testing.T, s *server, key types.NamespacedName, object T) T {
	t.Helper()
	if err := s.Get(t.Context(), key, object); err != nil {
		t.Fatal(err)
	}
	return object
}

// bundles returns the caBundles of all webhooks.
func (s *server) bundles(t *testing.T) [][]byte {
	t.Helper()
	key := types.NamespacedName{Name: configuration}
	var bundles [][]byte
	for _, webhook := range get(t, s, key, &admissionregistrationv1.MutatingWebhookConfiguration{}).Webhooks {
		bundles = append(bundles, webhook.ClientConfig.CABundle)
	}
	for _, webhook := range get(t, s, key, &admissionregistrationv1.ValidatingWebhookConfiguration{}).Webhooks {
		bundles = append(bundles, webhook.ClientConfig.CABundle)
	}
	return bundles
}

// checkTrust makes sure that all webhooks trust a keeper's certificate now.
func checkTrust(t *testing.T, s *server, keepers ...*Keeper) {
	t.Helper()
	for i, keeper := range keepers {
		certificate, err := keeper.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, bundle := range s.bundles(t) {
			if err := verify(bundle, certificate.Leaf, s.now); err != nil {
				t.Errorf("keeper %d: %v", i, err)
			}
		}
	}
}

func TestAKeeperMakesEverythingAndThenWritesNothing(t *testing.T) {
	s := newServer(configurations()...)
	keeper := s.keeper()
	if _, err := keeper.GetCertificate(nil); err == nil || keeper.Ready(nil) == nil {
		t.Error("it is ready before it has a certificate")
	}
	keep(t, keeper)
	if s.writes != 3 {
		t.Errorf("%d writes for a Secret and two configurations", s.writes)
	}
	if err := keeper.Ready(nil); err != nil {
		t.Error(err)
	}
	checkTrust(t, s, keeper)
	certificate, _ := keeper.GetCertificate(nil)
	s.writes = 0
	for range 100 {
		s.now = s.now.Add(PublishBefore)
		keep(t, keeper)
	}
	if again, _ := keeper.GetCertificate(nil); s.writes > 0 || again != certificate {
		t.Errorf("%d writes although all was right, another certificate: %t", s.writes, again != certificate)
	}
}

func TestAKeeperHealsWhatOthersReset(t *testing.T) {
	s := newServer(configurations()...)
	keeper := s.keeper()
	keep(t, keeper)
	key := types.NamespacedName{Name: configuration}
	mutating := get(t, s, key, &admissionregistrationv1.MutatingWebhookConfiguration{})
	mutating.Webhooks[1].ClientConfig.CABundle = nil
	validating := get(t, s, key, &admissionregistrationv1.ValidatingWebhookConfiguration{})
	validating.Webhooks[0].ClientConfig.CABundle = []byte("another's")
	for _, object := range []client.Object{mutating, validating} {
		if err := s.Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	s.writes = 0
	keep(t, keeper)
	checkTrust(t, s, keeper)
	if s.writes != 2 {
		t.Errorf("%d writes", s.writes)
	}
	healed := get(t, s, key, &admissionregistrationv1.MutatingWebhookConfiguration{})
	if healed.Labels["kept"] != "yes" || healed.Webhooks[1].Name != "b.example.com" {
		t.Errorf("more was changed: %+v", healed)
	}
}

func TestAKeeperNeedsNoConfigurations(t *testing.T) {
	s := newServer(configurations()[1])
	keeper := s.keeper()
	keep(t, keeper)
	s = newServer()
	keeper = s.keeper()
	keep(t, keeper)
	if s.writes != 1 || keeper.Ready(nil) != nil {
		t.Errorf("%d writes", s.writes)
	}
}

func TestALostOrBrokenSecretIsReplaced(t *testing.T) {
	s := newServer(configurations()...)
	keeper := s.keeper()
	keep(t, keeper)
	secret := get(t, s, secretName, &corev1.Secret{})
	secret.Labels = map[string]string{"owner": "somebody"}
	secret.Data[keysKey] = []byte("garbage")
	if err := s.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	keep(t, keeper)
	checkTrust(t, s, keeper)
	secret = get(t, s, secretName, &corev1.Secret{})
	if !maps.Equal(secret.Labels, map[string]string{"owner": "somebody"}) {
		t.Errorf("the Secret's labels are %v", secret.Labels)
	}
	if err := s.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	keep(t, keeper)
	checkTrust(t, s, keeper)
}

// TestDeletingTheSecretRotates: a new authority is published beside those that have signed certificates in use, also
// when the keeper that comes first knows none of them, and there are never more than a few.
func TestDeletingTheSecretRotates(t *testing.T) {
	s := newServer(configurations()...)
	keepers := []*Keeper{s.keeper(), s.keeper()}
	keep(t, keepers...)
	for i := range 2 * maxAuthorities {
		before := s.bundles(t)[0]
		if err := s.Delete(t.Context(), get(t, s, secretName, &corev1.Secret{})); err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(PublishBefore / 4)
		if i == 3 {
			// One that has just started leaves it to those that know more.
			late := s.keeper()
			if result, err := late.Reconcile(t.Context(), reconcile.Request{}); err != nil || result.RequeueAfter != lookAgain || late.Ready(nil) == nil {
				t.Errorf("%+v, %v, ready: %v", result, err, late.Ready(nil))
			}
		}
		keep(t, keepers...)
		after := s.bundles(t)[0]
		if bytes.Equal(before, after) {
			t.Fatal("nothing was rotated")
		}
		if n := bytes.Count(after, []byte("BEGIN")); n > maxAuthorities || n < min(i+2, maxAuthorities) {
			t.Errorf("after %d rotations there are %d authorities", i+1, n)
		}
		checkStillTrusted(t, s, before, keepers)
		checkTrust(t, s, keepers...)
	}
	s.writes = 0
	keep(t, keepers...)
	if s.writes > 0 {
		t.Errorf("%d writes although nothing happened", s.writes)
	}
}

// TestALostSecretIsMadeAnewIfNobodyKnowsIt: a keeper waits for others that could bring it back, but not for ever.
func TestALostSecretIsMadeAnewIfNobodyKnowsIt(t *testing.T) {
	s := newServer(configurations()...)
	keep(t, s.keeper())
	if err := s.Delete(t.Context(), get(t, s, secretName, &corev1.Secret{})); err != nil {
		t.Fatal(err)
	}
	late := s.keeper()
	for range 2 {
		if _, err := late.Reconcile(t.Context(), reconcile.Request{}); err != nil || late.Ready(nil) == nil {
			t.Fatal(err)
		}
	}
	s.now = s.now.Add(waitForOthers)
	keep(t, late)
	checkTrust(t, s, late)
}

// TestTwoKeepersAgreeThroughOneSecret lets a second keeper come between another's reading of the Secret and its
// writing, when there is none and when it is renewed.
func TestTwoKeepersAgreeThroughOneSecret(t *testing.T) {
	s := newServer(configurations()...)
	first, second := s.keeper(), s.keeper()
	for _, now := range []time.Time{start, start.Add(AuthorityLifetime - time.Hour), start.Add(AuthorityLifetime + time.Hour)} {
		s.now = now
		s.raced = func() { keep(t, second) }
		if result, err := first.Reconcile(t.Context(), reconcile.Request{}); err == nil && result.RequeueAfter != lookAgain {
			t.Error("the one who came too late noticed nothing")
		}
		bundle := s.bundles(t)[0]
		keep(t, first, second)
		if !bytes.Equal(bundle, s.bundles(t)[0]) {
			t.Error("the one who came too late replaced the other's authorities")
		}
		checkTrust(t, s, first, second)
	}
}

// TestNothingIsSignedByWhatIsntPublished fails every write in turn.
func TestNothingIsSignedByWhatIsntPublished(t *testing.T) {
	for fail := range 3 {
		s := newServer(configurations()...)
		count := 0
		s.fails = func() error {
			if count++; count == fail+1 {
				return errors.New("the API server is away")
			}
			return nil
		}
		keeper := s.keeper()
		if _, err := keeper.Reconcile(t.Context(), reconcile.Request{}); err == nil || keeper.Ready(nil) == nil {
			t.Errorf("write %d failed, and it is ready: %v", fail, err)
		}
		keep(t, keeper)
		checkTrust(t, s, keeper)
	}
}

// TestForTwoYearsCertificatesAreTrusted runs two replicas, which restart now and then, over two years. At each instant,
// every API server trusts every replica, even one that hasn't heard yet of what was published within PublishBefore, and
// even just before a replica comes back to renew its certificate.
func TestForTwoYearsCertificatesAreTrusted(t *testing.T) {
	s := newServer(configurations()...)
	keepers := []*Keeper{s.keeper(), s.keeper()}
	keep(t, keepers...)
	early := s.bundles(t)[0]
	rotations := 0
	for step := 0; s.now.Before(start.Add(2 * AuthorityLifetime)); step++ {
		// Days on which nothing happens pass faster; the minutes after a rotation are looked at one by one.
		for _, wait := range []time.Duration{PublishBefore, PublishBefore, PublishBefore, 24 * time.Hour} {
			s.now = s.now.Add(wait)
			checkStillTrusted(t, s, early, keepers)
			early = s.bundles(t)[0]
			if step%20 == 0 {
				keepers[step/20%2] = s.keeper()
			}
			keep(t, keepers...)
			checkStillTrusted(t, s, early, keepers)
			if !bytes.Equal(early, s.bundles(t)[0]) {
				rotations++
			}
		}
	}
	// Two renewals at least, and an old authority that went.
	if rotations < 3 {
		t.Errorf("only %d rotations", rotations)
	}
}

func checkStillTrusted(t *testing.T, s *server, bundle []byte, keepers []*Keeper) {
	t.Helper()
	for i, keeper := range keepers {
		certificate, err := keeper.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(bundle, certificate.Leaf, s.now); err != nil {
			t.Fatalf("at %v, replica %d: %v", s.now, i, err)
		}
	}
}
