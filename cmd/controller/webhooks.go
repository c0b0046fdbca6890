package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/certificate"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/webhook"
)

// webhookConfigurations are the names of the webhook configurations in config/webhook.
func webhookConfigurations() []string {
	return []string{"kubectl-fluid-sidecar-injector", "kubectl-fluid-sidecar-injector-retry"}
}

// serverNames are the names by which the API server calls the webhooks: by a Service in front of all replicas, and by one
// for each seat.
func serverNames(service, namespace string) []string {
	var names []string
	for _, seat := range []string{"", "-0", "-1"} {
		names = append(names, service+seat+"."+namespace+".svc")
	}
	return names
}

// addSeat gives this process's pod a seat. A process that isn't in a pod has none.
func addSeat(mgr manager.Manager, namespace, pod string) error {
	if pod == "" {
		return nil
	}
	clientset, err := kubernetes.NewForConfig(mgr.GetConfig())
	if err != nil {
		return fmt.Errorf("making a client of pods: %w", err)
	}
	seat := &webhook.Seat{Clientset: clientset, Namespace: namespace, Pod: pod,
		Selector: labels.SelectorFromSet(labels.Set{"app.kubernetes.io/name": "kubectl-fluid-controller"})}
	return errors.Join(mgr.Add(seat), mgr.AddReadyzCheck("seat", seat.Ready))
}

// addWebhooks adds the webhook server and says when this replica is ready for its calls. The server drains once it is
// told to end.
func addWebhooks(told context.Context, mgr manager.Manager, o options, f reference.Features, keeper *certificate.Keeper) error {
	names, sharing := reference.MirrorNames(o.mirrorNames), reference.Sharing(o.sharing)
	counted, err := inject.NewMetrics(metrics.Registry)
	if err = errors.Join(err, keeper.RegisterMetrics(metrics.Registry)); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	handlers, limits := http.NewServeMux(), webhook.DefaultLimits(webhook.BudgetOfProcess())
	handle := func(path, name string, handler admission.Handler) {
		handlers.Handle(path, webhook.Review(limits, counted.Observe(name, handler)))
	}
	user, err := inject.ParseUser(o.sidecarUser)
	if err != nil {
		return fmt.Errorf("--sidecar-user: %w", err)
	}
	// Replicas that aren't the leader run no reconcilers, whose informers these would be.
	changes, err := inject.Watch(told, mgr.GetCache())
	if err != nil {
		return err
	}
	handle(inject.PodPath, "pods", &inject.PodHandler{
		Reader: mgr.GetCache(), Changes: changes, MirrorNames: names, Sharing: sharing, NativeSidecars: f.NativeSidecars, SelfHealing: f.SelfHealing, Mode: inject.Mode(o.sidecarMode),
		Privileges: inject.Privileges(o.privileges), User: user,
	})
	handle(inject.DatasetPath, "datasets", &inject.DatasetHandler{
		Reader: mgr.GetClient(), MirrorNames: names, Sharing: sharing, Reviewer: inject.AccessReviewer{Client: mgr.GetClient()},
	})
	server := &webhook.Server{
		Address:     net.JoinHostPort("", strconv.Itoa(o.webhookPort)),
		Certificate: keeper.GetCertificate,
		Handler:     handlers,
		Draining:    told,
	}
	return errors.Join(
		mgr.Add(server),
		addSeat(mgr, o.namespace, o.pod),
		mgr.AddHealthzCheck("alive", func(*http.Request) error { return nil }),
		mgr.AddReadyzCheck("webhook", server.Ready),
		mgr.AddReadyzCheck("certificate", keeper.Ready),
		mgr.AddReadyzCheck("caches", cachesSynced(mgr.GetCache())),
	)
}

// cachesSynced is a readiness check: before the caches are filled nothing can be injected.
func cachesSynced(caches cache.Cache) func(*http.Request) error {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), time.Second)
		defer cancel()
		if !caches.WaitForCacheSync(ctx) {
			return errors.New("the informer caches aren't in sync")
		}
		return nil
	}
}
