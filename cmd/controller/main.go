// Command controller serves Fluid's reference Datasets and ThinRuntimes in a cluster, and injects FUSE sidecars.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apiversion "k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/certificate"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/alluxio"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/alluxio/engine"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/caches"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/thinruntime"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/webhook"
)

// Set by the linker: -X main.version=v1.2.3 -X main.commit=<hash> -X main.date=<RFC 3339>.
var (
	version = "v0.0.0-dev"
	commit  = "unknown"
	date    = "unknown"
)

// options are the command line.
type options struct {
	namespace      string
	pod            string
	service        string
	mirrorNames    string
	sharing        string
	sidecarMode    string
	privileges     string
	sidecarUser    string
	besideFluid    string
	mountRoot      string
	thinRuntimes   bool
	alluxio        string
	alluxioImage   string
	leaderElection bool
	webhookPort    int
	metricsAddress string
	healthAddress  string
	drainTime      time.Duration
	caPublishTime  time.Duration
}

func main() {
	config.RegisterFlags(flag.CommandLine)
	var o options
	flag.StringVar(&o.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace that this controller runs in: of its Secret, Service and Lease")
	flag.StringVar(&o.pod, "pod", os.Getenv("POD_NAME"), "name of the pod that this controller runs in, which gets the label of the replica's seat; empty outside of pods")
	flag.StringVar(&o.service, "webhook-service", "kubectl-fluid-webhook", "Service by which the API server calls the webhooks; those with -0 and -1 at the end of its name are of one seat each")
	flag.StringVar(&o.mirrorNames, "mirror-names", string(reference.UniqueNames), "unique gives each mirrored ConfigMap and Secret a name of its own, source the name of its source, as Fluid does")
	flag.StringVar(&o.sharing, "sharing", string(reference.SharingRBAC), "whose consent a reference to another namespace needs: rbac that of RBAC (the verb use on the Dataset) or of the Dataset's owner (its list of namespaces), owner only the owner's, open nobody's; say the same in the annotation "+reference.AnnotationSharing+" of the MutatingWebhookConfiguration")
	flag.StringVar(&o.sidecarMode, "sidecar-mode", "", "where sidecars are in pods that don't say, and whose namespaces don't: native (init containers that go on running) or classic (the first of the ordinary containers); empty for native where the API server has it (Kubernetes 1.29) and classic otherwise")
	flag.StringVar(&o.privileges, "sidecar-privileges", string(inject.PrivilegesNone), "whether there are privileged sidecars, which mount by themselves: none (the node plugin mounts for all) or allowed (in namespaces with the label "+inject.LabelPrivileges+"=allowed); say the same in the annotation "+inject.LabelPrivileges+" of the MutatingWebhookConfiguration")
	flag.StringVar(&o.sidecarUser, "sidecar-user", strconv.Itoa(inject.DefaultUser), "number of the user that sidecars without privileges have where neither their FUSE pods (root doesn't count) nor their pod say, or none for their image's")
	flag.StringVar(&o.besideFluid, "beside-fluid", string(reconcile.BesideFluidAuto), "whether Fluid's own controllers serve references too: true, false, or auto for whether Fluid's webhook is configured; then statuses are written as Fluid writes them and its webhook gets the right templates")
	flag.StringVar(&o.mountRoot, "mount-root", "/runtime-mnt", "directory on the nodes below which ThinRuntimes mount")
	flag.BoolVar(&o.thinRuntimes, "thin-runtimes", true, "serve ThinRuntimes that have a profile; turn this off where Fluid's thinruntime-controller runs")
	flag.StringVar(&o.alluxio, "alluxio-runtimes", string(alluxio.ServeNone), "whether to serve AlluxioRuntimes: true, false, or auto for those that Fluid's alluxioruntime-controller doesn't serve, by its finalizer or its Deployment")
	flag.StringVar(&o.alluxioImage, "alluxio-image", "kubectl-fluid/alluxio:2.9.6", "image of masters, workers, FUSE clients and Jobs of AlluxioRuntimes that name none; see examples/images/alluxio")
	flag.BoolVar(&o.leaderElection, "leader-elect", false, "elect a leader among several replicas; webhooks run on all of them")
	flag.IntVar(&o.webhookPort, "webhook-port", 9443, "port of the webhook server")
	flag.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080", "address of the metrics, 0 for none")
	flag.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz, 0 for none")
	flag.DurationVar(&o.drainTime, "drain-time", 5*time.Second, "how long webhooks go on being answered after SIGTERM: longer than the cluster needs to send no more calls here")
	flag.DurationVar(&o.caPublishTime, "ca-publish-time", certificate.PublishBefore, "how long a new certificate authority of the webhooks is published before it signs: longer than API servers need to hear of it")
	flag.Parse()

	ctrl.SetLogger(logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, nil)))
	ctrl.Log.Info("starting", "version", version, "commit", commit, "built", date)
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// validate says what can't be about the options.
func (o options) validate() error {
	if o.namespace == "" {
		return errors.New("--namespace is needed outside a pod that has POD_NAMESPACE in its environment")
	}
	if _, err := reference.ParseSharing(o.sharing); err != nil {
		return fmt.Errorf("--sharing: %w", err)
	}
	if o.sidecarMode != "" {
		if _, err := inject.ParseMode(o.sidecarMode); err != nil {
			return fmt.Errorf("--sidecar-mode: %w", err)
		}
	}
	if _, err := inject.ParsePrivileges(o.privileges); err != nil {
		return fmt.Errorf("--sidecar-privileges: %w", err)
	}
	if _, err := inject.ParseUser(o.sidecarUser); err != nil {
		return fmt.Errorf("--sidecar-user: %w", err)
	}
	if _, err := reconcile.ParseBesideFluid(o.besideFluid); err != nil {
		return fmt.Errorf("--beside-fluid: %w", err)
	}
	if _, err := alluxio.ParseServe(o.alluxio); err != nil {
		return fmt.Errorf("--alluxio-runtimes: %w", err)
	}
	switch reference.MirrorNames(o.mirrorNames) {
	case reference.UniqueNames, reference.SourceNames:
		return nil
	}
	return fmt.Errorf("--mirror-names is %q: it must be unique or source", o.mirrorNames)
}

// run runs the controller until some time after it has been told to end.
func run(told context.Context, o options) error {
	if err := o.validate(); err != nil {
		return err
	}
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	// The API server has its own fairness; a limit here would only make many references wait for each other.
	restConfig.QPS = -1
	// Within a cluster, compressing what is watched (as API servers do from Kubernetes 1.37 on) costs more than sending it.
	restConfig.DisableCompression = true
	// The API server warns of Fluid's names of finalizers and of 100Pi; they are what other components expect.
	restConfig.WarningHandlerWithContext = rest.NoWarnings{}
	features, err := serverFeatures(restConfig)
	if err != nil {
		return err
	}
	keeper := &certificate.Keeper{
		Secret:         types.NamespacedName{Namespace: o.namespace, Name: "kubectl-fluid-webhook-ca"},
		ServerNames:    serverNames(o.service, o.namespace),
		Configurations: webhookConfigurations(),
		PublishBefore:  o.caPublishTime,
		Now:            time.Now,
	}
	mgr, err := newManager(restConfig, o, keeper)
	if err != nil {
		return err
	}
	ctx := webhook.EndAfter(told, o.drainTime)
	if err := errors.Join(setup(ctx, mgr, o, keeper), addWebhooks(told, mgr, o, features, keeper)); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// serverFeatures asks the API server what it can do for sidecars.
func serverFeatures(restConfig *rest.Config) (reference.Features, error) {
	client, err := discovery.NewDiscoveryClientForConfig(restConfig)
	if err != nil {
		return reference.Features{}, fmt.Errorf("making a discovery client: %w", err)
	}
	info, err := client.ServerVersion()
	if err != nil {
		return reference.Features{}, fmt.Errorf("asking %s for its version: %w", restConfig.Host, err)
	}
	server, err := apiversion.ParseGeneric(info.GitVersion)
	if err != nil {
		return reference.Features{}, fmt.Errorf("reading the API server's version %q: %w", info.GitVersion, err)
	}
	return reference.FeaturesOf(server), nil
}

// The rights that the election of a leader takes: its Lease, and an event of who it is, which no process repeats.
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=create,namespace=kubectl-fluid-system
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,resourceNames=kubectl-fluid-controller,verbs=get;update,namespace=kubectl-fluid-system
// +kubebuilder:rbac:groups="",resources=events,verbs=create,namespace=kubectl-fluid-system

func newManager(restConfig *rest.Config, o options, keeper *certificate.Keeper) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), datav1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering types: %w", err)
	}
	cached := caches.Options()
	cached.ByObject[&corev1.Secret{}] = keeper.WatchedSecrets()
	mgr, err := manager.New(restConfig, manager.Options{
		Scheme:                  scheme,
		Logger:                  ctrl.Log,
		Metrics:                 metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress:  o.healthAddress,
		LeaderElection:          o.leaderElection,
		LeaderElectionID:        "kubectl-fluid-controller",
		LeaderElectionNamespace: o.namespace,
		// The process ends right after its manager: the next leader needn't wait until the Lease expires.
		LeaderElectionReleaseOnCancel: true,
		Cache:                         cached,
		// Secrets are read live: a cache of them takes the right to list all of them.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}, Unstructured: true}},
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	return mgr, nil
}

// setupAlluxio adds the engine of AlluxioRuntimes if it is to serve any.
func setupAlluxio(mgr manager.Manager, o options, writer client.Client, recorder events.EventRecorder) error {
	serve := alluxio.Serve(o.alluxio)
	if serve == alluxio.ServeNone {
		return nil
	}
	kind := datav1alpha1.GroupVersion.WithKind(datav1alpha1.AlluxioRuntimeKind)
	_, err := mgr.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	switch {
	case meta.IsNoMatchError(err) && serve == alluxio.ServeAuto:
		ctrl.Log.Info("AlluxioRuntimes aren't served: their CustomResourceDefinition isn't installed; install it and restart the controller")
		return nil
	case err != nil:
		return fmt.Errorf("looking for the CustomResourceDefinition of AlluxioRuntimes, which --alluxio-runtimes=%s needs: %w", serve, err)
	}
	runtimes := &alluxio.Reconciler{Client: writer, Recorder: recorder, Serve: serve, Sharing: reference.Sharing(o.sharing), Now: time.Now,
		Settings: engine.Settings{Image: o.alluxioImage, MountRoot: o.mountRoot, Controller: o.namespace}}
	if err := runtimes.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the controller of AlluxioRuntimes: %w", err)
	}
	return nil
}

// setup adds the reconcilers.
func setup(ctx context.Context, mgr manager.Manager, o options, keeper *certificate.Keeper) error {
	names, sharing := reference.MirrorNames(o.mirrorNames), reference.Sharing(o.sharing)
	writer := client.WithFieldOwner(mgr.GetClient(), reference.FieldManager)
	keeper.Client, keeper.Live = writer, mgr.GetAPIReader()
	recorder := mgr.GetEventRecorder(reference.FieldManager)

	if err := reconcile.AddIndexes(ctx, mgr); err != nil {
		return err
	}
	references := &reconcile.ReferenceReconciler{Client: writer, Live: mgr.GetAPIReader(), Recorder: recorder, MirrorNames: names, Sharing: sharing,
		BesideFluid: reconcile.BesideFluid(o.besideFluid),
		Controller:  types.NamespacedName{Namespace: o.namespace, Name: reference.DefaultController().Name}, Now: time.Now}
	datasetRefs := &reconcile.DatasetRefReconciler{Client: writer, Sharing: sharing}
	if err := errors.Join(keeper.SetupWithManager(mgr), references.SetupWithManager(mgr), datasetRefs.SetupWithManager(mgr)); err != nil {
		return fmt.Errorf("setting up controllers: %w", err)
	}
	if err := setupAlluxio(mgr, o, writer, recorder); err != nil {
		return err
	}
	if o.thinRuntimes {
		thinRuntimes := &thinruntime.Reconciler{Client: writer, Recorder: recorder, MountRoot: o.mountRoot, Now: time.Now}
		if err := thinRuntimes.SetupWithManager(mgr); err != nil {
			return fmt.Errorf("setting up the controller of ThinRuntimes: %w", err)
		}
	}
	return nil
}
