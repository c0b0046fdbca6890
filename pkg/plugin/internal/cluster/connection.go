package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation"
	apiversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Client-side rate limits: a check of many references shall not wait for a limit that is meant for controllers.
const (
	clientQPS   = 50
	clientBurst = 100
)

// versionTimeout is how long the server may take to say its version, as with kubectl.
const versionTimeout = 32 * time.Second

// NewConnection returns the connection that kubectl's flags and files ask for. Warnings of the API server go to
// warnings, each once.
func NewConnection(kubeconfig command.Kubeconfig, version string, warnings io.Writer) command.Connection {
	return &kubeConnection{kubeconfig: kubeconfig, userAgent: "kubectl-fluid/" + version,
		warnings: rest.NewWarningWriter(warnings, rest.WarningWriterOptions{Deduplicate: true})}
}

type kubeConnection struct {
	kubeconfig command.Kubeconfig
	userAgent  string
	warnings   rest.WarningHandler
}

func (c *kubeConnection) Namespace() (string, error) {
	namespace, err := c.kubeconfig.Namespace()
	if err != nil {
		return "", explainKubeconfig(err)
	}
	return namespace, nil
}

func (c *kubeConnection) config() (*rest.Config, error) {
	config, err := c.kubeconfig.RESTConfig()
	if err != nil {
		return nil, explainKubeconfig(err)
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = clientQPS, clientBurst
	config.UserAgent = c.userAgent
	config.WarningHandler = c.warnings
	return config, nil
}

func (c *kubeConnection) Client() (client.WithWatch, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	cl, err := client.NewWithWatch(config, client.Options{Scheme: scheme, Mapper: NewMapper()})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return cl, nil
}

func (c *kubeConnection) ServerVersion(ctx context.Context) (*apiversion.Info, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	if config.Timeout == 0 {
		config.Timeout = versionTimeout
	}
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme())
	server, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	const doing = "reading the version of the API server"
	data, err := server.Get().AbsPath("/version").DoRaw(ctx)
	if err != nil {
		return nil, ExplainAPI(doing, err)
	}
	info := &apiversion.Info{}
	if err := json.Unmarshal(data, info); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return info, nil
}

// explainKubeconfig says what was tried; that there is no configuration at all has a remedy.
func explainKubeconfig(err error) error {
	if clientcmd.IsEmptyConfig(err) {
		return errors.New("reading the kubeconfig: there is none, or its context is empty: set KUBECONFIG, or use --kubeconfig or --server")
	}
	return fmt.Errorf("reading the kubeconfig: %w", err)
}

// NewScheme returns a scheme with the kinds that the commands read as Go types.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	builder := runtime.NewSchemeBuilder(corev1.AddToScheme, appsv1.AddToScheme,
		admissionregistrationv1.AddToScheme, authorizationv1.AddToScheme, datav1alpha1.AddToScheme)
	if err := builder.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering types: %w", err)
	}
	return scheme, nil
}

// NewMapper knows the few kinds that the commands use: with it nothing has to be discovered, which saves each command
// the requests (on a large cluster: seconds) that discovery costs.
func NewMapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	add := func(gv schema.GroupVersion, scope meta.RESTScope, kinds ...string) {
		for _, kind := range kinds {
			mapper.Add(gv.WithKind(kind), scope)
		}
	}
	add(corev1.SchemeGroupVersion, meta.RESTScopeNamespace, "ConfigMap", "Secret", "PersistentVolumeClaim", "Pod", "Event")
	add(corev1.SchemeGroupVersion, meta.RESTScopeRoot, "PersistentVolume", "Namespace", "Node")
	add(appsv1.SchemeGroupVersion, meta.RESTScopeNamespace, "DaemonSet", "Deployment", "StatefulSet", "ReplicaSet")
	add(batchv1.SchemeGroupVersion, meta.RESTScopeNamespace, "Job", "CronJob")
	add(admissionregistrationv1.SchemeGroupVersion, meta.RESTScopeRoot, "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
	add(authorizationv1.SchemeGroupVersion, meta.RESTScopeRoot, "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview")
	add(DefinitionKind().GroupVersion(), meta.RESTScopeRoot, DefinitionKind().Kind)
	add(datav1alpha1.GroupVersion, meta.RESTScopeNamespace, datav1alpha1.DatasetKind)
	for _, r := range reference.Runtimes() {
		add(datav1alpha1.GroupVersion, meta.RESTScopeNamespace, r.Kind)
	}
	add(datav1alpha1.GroupVersion, meta.RESTScopeNamespace, reference.OperationKinds()...)
	return mapper
}

// NamespaceOf returns the connection's namespace. One that can't be a namespace is a wrong command line, a kubeconfig that
// can't be read isn't.
func NamespaceOf(cmd *cobra.Command, c command.Connection) (string, error) {
	namespace, err := c.Namespace()
	if err != nil {
		return "", err
	}
	if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
		return "", command.Usagef(cmd, "%q is not a namespace: %s", namespace, problems[0])
	}
	return namespace, nil
}
