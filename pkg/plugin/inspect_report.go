package plugin

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// sidecarReport is the document of inspect sidecar.
type sidecarReport struct {
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
	InjectedBy string        `json:"injectedBy,omitempty"`
	Sidecars   []sidecarView `json:"sidecars"`
	Chains     []chain       `json:"chains"`
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
func (r *podReport) finish(chosen selection, subject *podSubject, language finding.Language) {
	var passes []report.Result
	for _, c := range r.Chains {
		for _, l := range c.Links {
			if l.Fine {
				passes = append(passes, report.NewPass(l.Object, l.State))
			}
		}
	}
	r.Results = chosen.apply(append(passes, resultsOf(r.findings, language)...), subject.pod.Annotations, r.object())
	for i := range r.Results {
		r.Results[i].File = r.File
	}
}

func (r *podReport) object() string { return r.Kind + " " + r.Namespace + "/" + r.Name }

func (r *sidecarReport) groups() []report.Group {
	var groups []report.Group
	for _, pod := range r.Pods {
		groups = append(groups, report.Group{Name: pod.object(), Results: pod.Results})
	}
	return groups
}

func (r *sidecarReport) view(policy report.Policy) view {
	v := view{document: r, items: []any{}, text: r.print, checks: r.groups(), policy: policy}
	for _, pod := range r.Pods {
		v.items = append(v.items, pod)
		for _, w := range workloads() {
			if w.kind.Kind == pod.Kind {
				group := ""
				if w.kind.Group != "" {
					group = "." + w.kind.Group
				}
				v.names = append(v.names, w.names[0]+group+"/"+pod.Name)
			}
		}
	}
	return v
}

// print writes the report for people.
func (r *sidecarReport) print(out screen, wide bool) error {
	for i := range r.Pods {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := r.Pods[i].print(out, wide); err != nil {
			return err
		}
	}
	return nil
}

// print writes the sidecars, where containers see the data, the chains, the findings and, if wide, the diff.
func (r *podReport) print(out screen, wide bool) error {
	if err := r.printSidecars(out); err != nil {
		return err
	}
	for _, c := range r.Chains {
		if err := c.print(out, !r.Injected); err != nil {
			return err
		}
	}
	if r.BrokenLink != "" {
		out.say("\nThe first link that fails: %s\n", line(r.BrokenLink))
	}
	fmt.Fprintln(out)
	if err := printResults(out, r.Results, wide); err != nil {
		return err
	}
	if r.Diff == "" {
		return nil
	}
	if !wide && r.Exists {
		return out.say("\n-o wide shows what injection changed in the pod.\n")
	}
	_, err := fmt.Fprintf(out, "\n%s", multiline(r.Diff))
	return err
}

func (r *podReport) printSidecars(out screen) error {
	from := ""
	if r.File != "" {
		from = " (" + line(r.File) + ")"
	}
	subject := r.object() + from
	switch {
	case !r.Exists && r.Kind == "Pod":
		return out.say("%s, once it is created:\n", subject)
	case !r.Exists:
		out.say("New pods of %s:\n", subject)
		r.printPods(out)
		return nil
	case !r.Injected:
		return out.say("%s has no FUSE sidecar.\n", subject)
	}
	by := ""
	if r.InjectedBy != "" {
		by = ", injected by " + line(r.InjectedBy)
	}
	out.say("%s has %s%s.\n\n", subject, counted(len(r.Sidecars), "FUSE sidecar"), by)
	t := newTable("CONTAINER", "MODE", "DATASET", "READY", "STARTED", "RESTARTS", "STATE", "LAST EXIT", "MOUNT CHECK", "IMAGE")
	mounts := newTable("DATASET", "CONTAINER", "SEES IT AT", "NODE PATH")
	for _, s := range r.Sidecars {
		t.add(s.Container, s.Mode, orNone(s.Dataset), strconv.FormatBool(s.Ready), strconv.FormatBool(s.Started),
			strconv.Itoa(int(s.Restarts)), s.State, orNone(s.LastExit), s.MountCheck, s.Image)
		for _, m := range s.Mounts {
			mounts.add(orNone(s.Dataset), m.Container, m.Path, m.NodePath)
		}
	}
	if err := t.print(out); err != nil || len(mounts.rows) == 0 {
		return err
	}
	fmt.Fprintln(out)
	return mounts.print(out)
}

// printPods says which pods a workload has now.
func (r *podReport) printPods(out screen) {
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
	out.say("\nIts pods now, with sidecars: %s; without: %s.\n", orNone(line(strings.Join(with, ", "))), orNone(line(strings.Join(without, ", "))))
}

// print writes the links, and what a new pod would get.
func (c *chain) print(out screen, would bool) error {
	out.say("\nFrom the claim to the template of Dataset %s:\n\n", c.Dataset)
	t := newTable("LINK", "OBJECT", "STATE")
	for _, l := range c.Links {
		t.add(l.Link, l.Object, l.State)
	}
	if err := t.print(out); err != nil {
		return err
	}
	if !would || c.Would == nil {
		return nil
	}
	out.say("\nA pod that is created now, with the label, gets the sidecar %s with the image %s.\n", c.Would.Container, line(c.Would.Image))
	if len(c.Would.Mirrors) > 0 {
		out.say("It reads %s.\n", strings.Join(c.Would.Mirrors, ", "))
	}
	return nil
}
