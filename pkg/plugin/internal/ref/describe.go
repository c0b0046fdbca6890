package ref

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/preflight"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// refDescribeOptions say which reference to describe.
type refDescribeOptions struct {
	key    types.NamespacedName
	naming string
	output *output.Printer
}

// DescriptionReport is the document of ref describe.
type DescriptionReport struct {
	report.TypeMeta
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// From is what it refers to as namespace/name[/sub/path].
	From        string      `json:"from"`
	Created     metav1.Time `json:"created"`
	AccessModes string      `json:"accessModes"`
	Phase       string      `json:"phase"`
	// Ready is the condition ReferenceReady; absent where its controller doesn't run.
	Ready *describedCondition `json:"ready,omitempty"`
	// Objects belong to the reference, or would.
	Objects []describedObject `json:"objects"`
	Pods    []describedPod    `json:"pods"`
	// PodsUnread says why the pods aren't known.
	PodsUnread string           `json:"podsUnread,omitempty"`
	Results    []report.Result  `json:"results"`
	Events     []describedEvent `json:"events"`
	// EventsUnread says why the events aren't known.
	EventsUnread string `json:"eventsUnread,omitempty"`
}

type describedCondition struct {
	Status  corev1.ConditionStatus `json:"status"`
	Reason  string                 `json:"reason"`
	Message string                 `json:"message"`
}

type describedObject struct {
	Object string `json:"object"`
	State  string `json:"state"`
	Detail string `json:"detail"`
}

type describedPod struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Use   string `json:"use"`
	Node  string `json:"node,omitempty"`
}

type describedEvent struct {
	Type     string      `json:"type"`
	Reason   string      `json:"reason"`
	Message  string      `json:"message"`
	LastSeen metav1.Time `json:"lastSeen"`
}

func newRefDescribeCommand(env command.Environment) *cobra.Command {
	var format, naming string
	cmd := &cobra.Command{
		Use:   "describe NAME",
		Short: "Show everything about a reference: its objects, pods, checks and events",
		Long: `Show everything about a reference: what it refers to, the objects that belong to
it, the pods that use it, what its check found, and its events. It only reads.

The exit code says whether it could be described, not what was found; for that
see kubectl fluid ref check.`,
		Example: `  # Everything about the reference refdemo of namespace ref
  kubectl fluid ref describe refdemo -n ref`,
		Args: command.ExactArg("the name of a reference"),
		RunE: func(cmd *cobra.Command, args []string) error {
			namespace, err := cluster.NamespaceOf(cmd, env.Connection)
			if err != nil {
				return err
			}
			if err = reference.ValidateName(args[0]); err != nil {
				return command.Usagef(cmd, "%w", err)
			}
			if err = cluster.ValidateNaming(cmd, naming); err != nil {
				return err
			}
			o := &refDescribeOptions{key: types.NamespacedName{Namespace: namespace, Name: args[0]}, naming: naming}
			if o.output, err = output.NewPrinter(cmd, env, format, output.ReadFormats()...); err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cluster.AddNamingFlag(cmd, &naming)
	output.AddFlag(cmd, &format, output.ReadFormats()...)
	return cmd
}

func (o *refDescribeOptions) run(ctx context.Context, env command.Environment) error {
	c, err := env.Connection.Client()
	if err != nil {
		return err
	}
	dataset, err := cluster.GetReference(ctx, c, o.key, "describing")
	if err != nil {
		return err
	}
	s, err := cluster.ResolveSettings(ctx, env, c, o.naming)
	if err != nil {
		return err
	}
	p, err := preflight.Run(ctx, c, dataset, s, reference.ForReport)
	if err != nil {
		return err
	}
	found := newDescription(p, o.output.Language)
	if err := found.addPods(ctx, c, o.key); err != nil {
		return err
	}
	if err := found.addEvents(ctx, c, o.key); err != nil {
		return err
	}
	return o.output.Print(output.View{Document: found, Names: []string{cluster.DatasetName(o.key.Name)},
		Text: func(out terminal.Screen, wide bool) error { return found.print(out, env, wide) }})
}

func newDescription(p *preflight.Preflight, language finding.Language) *DescriptionReport {
	dataset := p.World.Dataset
	d := &DescriptionReport{TypeMeta: report.NewTypeMeta("ReferenceDescription"), Namespace: dataset.Namespace, Name: dataset.Name,
		From: cluster.SourceText(dataset), Created: dataset.CreationTimestamp, AccessModes: cluster.ModesText(dataset.Spec.AccessModes),
		Phase: string(dataset.Status.Phase), Results: p.Results(language),
		Objects: []describedObject{}, Pods: []describedPod{}, Events: []describedEvent{}}
	if ready := cluster.ReadyCondition(dataset); ready != nil {
		d.Ready = &describedCondition{ready.Status, ready.Reason, ready.Message}
	}
	add := func(object finding.Object, exists bool, state, detail string) {
		switch {
		case p.World.Unread(object) != "":
			state = "unknown"
		case !exists:
			state = "doesn't exist"
		}
		d.Objects = append(d.Objects, describedObject{object.String(), terminal.OrNone(state), detail})
	}
	key, w := p.World.Key(), p.World
	thin, volume, claim := "", "", ""
	if w.ThinRuntime != nil {
		thin = string(w.ThinRuntime.Status.FusePhase)
	}
	if w.Volume != nil {
		volume = string(w.Volume.Status.Phase)
	}
	if w.Claim != nil {
		claim = string(w.Claim.Status.Phase)
	}
	add(finding.Object{Kind: datav1alpha1.ThinRuntimeKind, Namespace: key.Namespace, Name: key.Name}, w.ThinRuntime != nil, thin, "stands for the reference")
	add(finding.Object{Kind: "PersistentVolume", Name: reference.VolumeName(key)}, w.Volume != nil, volume, "leads to the mount on the node")
	add(finding.Object{Kind: "PersistentVolumeClaim", Namespace: key.Namespace, Name: key.Name}, w.Claim != nil, claim, "what pods mount")
	for _, mirror := range p.Plan.Mirrors {
		add(mirror.Target, w.Metadata(mirror.Target) != nil, "exists", "copy of "+mirror.Original.Namespace+"/"+mirror.Original.Name)
	}
	return d
}

func (d *DescriptionReport) addPods(ctx context.Context, reader client.Reader, key types.NamespacedName) error {
	pods, unread, err := workload.ListPods(ctx, reader, key.Namespace)
	if err != nil {
		return err
	}
	d.PodsUnread = unread
	for _, pod := range workload.UsersOf(pods, key) {
		d.Pods = append(d.Pods, describedPod{Name: pod.Name, State: workload.PodState(pod), Use: workload.UseOf(pod, key), Node: pod.Spec.NodeName})
	}
	return nil
}

// addEvents adds the events of the Dataset and its ThinRuntime, the latest last.
func (d *DescriptionReport) addEvents(ctx context.Context, reader client.Reader, key types.NamespacedName) error {
	of := client.MatchingFields{"involvedObject.name": key.Name}
	for page, err := range cluster.Pages(ctx, reader, &corev1.EventList{}, client.InNamespace(key.Namespace), of) {
		switch {
		case apierrors.IsForbidden(err):
			d.EventsUnread = err.Error()
			return nil
		case err != nil:
			return cluster.ExplainAPI("listing the events of the reference "+key.String(), err)
		}
		for _, event := range page.Items {
			if kind := event.InvolvedObject.Kind; kind == datav1alpha1.DatasetKind || kind == datav1alpha1.ThinRuntimeKind {
				d.Events = append(d.Events, describedEvent{Type: event.Type, Reason: event.Reason, Message: event.Message, LastSeen: lastSeen(&event)})
			}
		}
	}
	slices.SortStableFunc(d.Events, func(a, b describedEvent) int {
		return cmp.Or(a.LastSeen.Time.Compare(b.LastSeen.Time), cmp.Compare(a.Reason, b.Reason))
	})
	return nil
}

// lastSeen returns when an event was seen last; there are three fields for it, by the age of who wrote the event.
func lastSeen(event *corev1.Event) metav1.Time {
	switch {
	case event.Series != nil:
		return metav1.Time(event.Series.LastObservedTime)
	case !event.LastTimestamp.IsZero():
		return event.LastTimestamp
	}
	return metav1.Time(event.EventTime)
}

func (d *DescriptionReport) print(out terminal.Screen, env command.Environment, wide bool) error {
	ready := "<unknown>"
	if d.Ready != nil {
		ready = string(d.Ready.Status)
		if d.Ready.Status != corev1.ConditionTrue {
			ready += " (" + d.Ready.Reason + "): " + d.Ready.Message
		}
	}
	head := terminal.NewTable()
	head.Add("Reference:", d.Namespace+"/"+d.Name)
	head.Add("From:", d.From)
	head.Add("Phase:", terminal.OrNone(d.Phase))
	head.Add("Ready:", ready)
	head.Add("Access modes:", d.AccessModes)
	head.Add("Age:", output.Age(env, d.Created))
	if err := head.Print(out); err != nil {
		return err
	}
	objects := terminal.NewTable("OBJECT", "STATE", "DETAIL")
	for _, o := range d.Objects {
		objects.Add(o.Object, o.State, o.Detail)
	}
	out.Say("\n")
	if err := objects.Print(out); err != nil {
		return err
	}
	if err := d.printPods(out); err != nil {
		return err
	}
	out.Say("\n")
	if err := output.PrintResults(out, d.Results, wide); err != nil {
		return err
	}
	return d.printEvents(out, env)
}

func (d *DescriptionReport) printPods(out terminal.Screen) error {
	switch {
	case d.PodsUnread != "":
		out.Say("\nThe pods that use it aren't known: %s\n", terminal.Line(d.PodsUnread))
		return nil
	case len(d.Pods) == 0:
		out.Say("\nNo pod uses it.\n")
		return nil
	}
	t := terminal.NewTable("POD", "STATE", "BY", "NODE")
	for _, pod := range d.Pods {
		t.Add(pod.Name, terminal.OrNone(pod.State), pod.Use, terminal.OrNone(pod.Node))
	}
	out.Say("\n")
	return t.Print(out)
}

func (d *DescriptionReport) printEvents(out terminal.Screen, env command.Environment) error {
	switch {
	case d.EventsUnread != "":
		out.Say("\nIts events aren't known: %s\n", terminal.Line(d.EventsUnread))
		return nil
	case len(d.Events) == 0:
		return nil
	}
	t := terminal.NewTable("LAST SEEN", "TYPE", "REASON", "MESSAGE")
	for _, event := range d.Events {
		t.Add(output.Age(env, event.LastSeen), event.Type, event.Reason, event.Message)
	}
	out.Say("\n")
	return t.Print(out)
}
