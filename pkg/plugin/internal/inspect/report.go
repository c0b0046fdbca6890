package inspect

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// SidecarReport is the document of inspect sidecar.
type SidecarReport struct {
	report.TypeMeta
	Summary report.Summary `json:"summary"`
	Pods    []podReport    `json:"pods"`
}

// podReport is what is known about the sidecars of one pod, or of the pods that a workload makes.
type podReport struct {
	// Kind is Pod, or the workload's.
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// File is the manifest that it is from.
	File string `json:"file,omitempty"`
	// Exists says that it is a pod of the cluster; otherwise the report is about what would be.
	Exists bool `json:"exists"`
	// Injected says that the pod has sidecars.
	Injected bool `json:"injected"`
	// InjectedBy is the injector, where the pod shows it.
	InjectedBy string             `json:"injectedBy,omitempty"`
	Sidecars   []workload.Sidecar `json:"sidecars"`
	Chains     []chain            `json:"chains"`
	// BrokenLink is the first link that keeps sidecars from the pod.
	BrokenLink string `json:"brokenLink,omitempty"`
	// Diff is what injection changed in the pod, or would change, as a unified diff of YAML.
	Diff string `json:"diff,omitempty"`
	// PodsOfWorkload are the pods that a workload has now.
	PodsOfWorkload []workloadPod   `json:"podsOfWorkload,omitempty"`
	Results        []report.Result `json:"results"`

	findings finding.List
}

// workloadPod is a pod of a workload.
type workloadPod struct {
	Name     string `json:"name"`
	Injected bool   `json:"injected"`
}

// finish makes the results.
func (r *podReport) finish(chosen output.Selection, subject *podSubject, language finding.Language) {
	var passes []report.Result
	for _, c := range r.Chains {
		for _, l := range c.Links {
			if l.Fine {
				passes = append(passes, report.NewPass(l.Object, l.State))
			}
		}
	}
	r.Results = chosen.Apply(append(passes, output.ResultsOf(r.findings, language)...), subject.pod.Annotations, r.object())
	for i := range r.Results {
		r.Results[i].File = r.File
	}
}

func (r *podReport) object() string { return r.Kind + " " + r.Namespace + "/" + r.Name }

func (r *SidecarReport) groups() []report.Group {
	var groups []report.Group
	for _, pod := range r.Pods {
		groups = append(groups, report.Group{Name: pod.object(), Results: pod.Results})
	}
	return groups
}

func (r *SidecarReport) view(policy report.Policy) output.View {
	v := output.View{Document: r, Items: []any{}, Text: r.print, Checks: r.groups(), Policy: policy}
	for _, pod := range r.Pods {
		v.Items = append(v.Items, pod)
		for _, w := range workload.Kinds() {
			if w.GVK.Kind == pod.Kind {
				group := ""
				if w.GVK.Group != "" {
					group = "." + w.GVK.Group
				}
				v.Names = append(v.Names, w.Names[0]+group+"/"+pod.Name)
			}
		}
	}
	return v
}

// print writes the report for people.
func (r *SidecarReport) print(out terminal.Screen, wide bool) error {
	for i := range r.Pods {
		if i > 0 {
			out.Say("\n")
		}
		if err := r.Pods[i].print(out, wide); err != nil {
			return err
		}
	}
	return nil
}

// print writes the sidecars, where containers see the data, the chains, the findings and, if wide, the diff.
func (r *podReport) print(out terminal.Screen, wide bool) error {
	if err := r.printSidecars(out); err != nil {
		return err
	}
	for _, c := range r.Chains {
		if err := c.print(out, !r.Injected); err != nil {
			return err
		}
	}
	if r.BrokenLink != "" {
		out.Say("\nThe first link that fails: %s\n", terminal.Line(r.BrokenLink))
	}
	out.Say("\n")
	if err := output.PrintResults(out, r.Results, wide); err != nil {
		return err
	}
	if r.Diff == "" {
		return nil
	}
	if !wide && r.Exists {
		out.Say("\n-o wide shows what injection changed in the pod.\n")
		return nil
	}
	out.Print("\n" + terminal.Multiline(r.Diff))
	return nil
}

func (r *podReport) printSidecars(out terminal.Screen) error {
	from := ""
	if r.File != "" {
		from = " (" + terminal.Line(r.File) + ")"
	}
	subject := r.object() + from
	switch {
	case !r.Exists && r.Kind == "Pod":
		out.Say("%s, once it is created:\n", subject)
		return nil
	case !r.Exists:
		out.Say("New pods of %s:\n", subject)
		r.printPods(out)
		return nil
	case !r.Injected:
		out.Say("%s has no FUSE sidecar.\n", subject)
		return nil
	}
	by := ""
	if r.InjectedBy != "" {
		by = ", injected by " + terminal.Line(r.InjectedBy)
	}
	out.Say("%s has %s%s.\n\n", subject, terminal.Counted(len(r.Sidecars), "FUSE sidecar"), by)
	t := terminal.NewTable("CONTAINER", "MODE", "DATASET", "READY", "STARTED", "RESTARTS", "STATE", "LAST EXIT", "MOUNT CHECK", "IMAGE")
	mounts := terminal.NewTable("DATASET", "CONTAINER", "SEES IT AT", "NODE PATH")
	for _, s := range r.Sidecars {
		t.Add(s.Container, s.Mode, terminal.OrNone(s.Dataset), strconv.FormatBool(s.Ready), strconv.FormatBool(s.Started),
			strconv.Itoa(int(s.Restarts)), s.State, terminal.OrNone(s.LastExit), s.MountCheck, s.Image)
		for _, m := range s.Mounts {
			mounts.Add(terminal.OrNone(s.Dataset), m.Container, m.Path, cmp.Or(m.NodePath, "mounted by the node plugin"))
		}
	}
	if err := t.Print(out); err != nil || len(mounts.Rows) == 0 {
		return err
	}
	out.Say("\n")
	return mounts.Print(out)
}

// printPods says which pods a workload has now.
func (r *podReport) printPods(out terminal.Screen) {
	if len(r.PodsOfWorkload) == 0 {
		return
	}
	var with, without []string
	for _, pod := range r.PodsOfWorkload {
		if pod.Injected {
			with = append(with, pod.Name)
		} else {
			without = append(without, pod.Name)
		}
	}
	out.Say("\nIts pods now, with sidecars: %s; without: %s.\n", terminal.OrNone(terminal.Line(strings.Join(with, ", "))), terminal.OrNone(terminal.Line(strings.Join(without, ", "))))
}

// print writes the links, and what a new pod would get.
func (c *chain) print(out terminal.Screen, would bool) error {
	out.Say("\nFrom the claim to the template of Dataset %s:\n\n", c.Dataset)
	t := terminal.NewTable("LINK", "OBJECT", "STATE")
	for _, l := range c.Links {
		t.Add(l.Link, l.Object, l.State)
	}
	if err := t.Print(out); err != nil {
		return err
	}
	if !would || c.Would == nil {
		return nil
	}
	out.Say("\nA pod that is created now, with the label, gets the sidecar %s with the image %s.\n", c.Would.Container, terminal.Line(c.Would.Image))
	if len(c.Would.Mirrors) > 0 {
		out.Say("It reads %s.\n", strings.Join(c.Would.Mirrors, ", "))
	}
	return nil
}
