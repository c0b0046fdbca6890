package plugin

import (
	"fmt"
	"strconv"
	"strings"
)

// print writes the report for people: the sidecars, where containers see the data, the chains, the findings.
func (r *sidecarReport) print(out screen, _ bool) error {
	if err := r.printSidecars(out); err != nil {
		return err
	}
	for _, c := range r.Chains {
		fmt.Fprintf(out, "\nFrom the claim to the template of Dataset %s:\n\n", c.Dataset)
		t := newTable("LINK", "OBJECT", "STATE")
		for _, l := range c.Links {
			t.add(l.Link, l.Object, l.State)
		}
		if err := t.print(out); err != nil {
			return err
		}
		if !r.Injected && c.Would != nil {
			c.Would.print(out)
		}
	}
	if len(r.Findings) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	return printResults(out, resultsOf(r.Findings, out.language), true)
}

func (w *wouldBe) print(out screen) {
	fmt.Fprintf(out, "\nA pod that is created now, with the label, gets the sidecar %s with the image %s.\n", w.Container, line(w.Image))
	if len(w.Mirrors) > 0 {
		fmt.Fprintf(out, "It reads %s.\n", strings.Join(w.Mirrors, ", "))
	}
}

func (r *sidecarReport) printSidecars(out screen) error {
	if !r.Injected {
		fmt.Fprintf(out, "Pod %s/%s has no FUSE sidecar.\n", r.Namespace, r.Pod)
		return nil
	}
	by := ""
	if r.InjectedBy != "" {
		by = ", injected by " + line(r.InjectedBy)
	}
	fmt.Fprintf(out, "Pod %s/%s has %d FUSE sidecar(s)%s.\n\n", r.Namespace, r.Pod, len(r.Sidecars), by)
	t := newTable("CONTAINER", "MODE", "DATASET", "READY", "STARTED", "RESTARTS", "STATE", "LAST EXIT", "IMAGE")
	mounts := newTable("DATASET", "CONTAINER", "SEES IT AT", "NODE PATH")
	for _, s := range r.Sidecars {
		t.add(s.Container, s.Mode, orNone(s.Dataset), strconv.FormatBool(s.Ready), strconv.FormatBool(s.Started),
			strconv.Itoa(int(s.Restarts)), s.State, orNone(s.LastExit), s.Image)
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
