package ref

import (
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// TreeReport is the document of ref tree.
type TreeReport struct {
	report.TypeMeta
	// Roots are physical Datasets.
	Roots []*treeNode `json:"roots"`
}

// treeNode is an object and what uses it.
type treeNode struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// State is the object's state in one word, as its status has it.
	State string `json:"state"`
	// Detail says more about it: what a Dataset is served by, how a pod uses it.
	Detail   string      `json:"detail,omitempty"`
	Children []*treeNode `json:"children,omitempty"`
}

// title names the object: Kind namespace/name.
func (n *treeNode) title() string {
	if n.Namespace == "" {
		return n.Kind + " " + n.Name
	}
	return n.Kind + " " + n.Namespace + "/" + n.Name
}

func (n *treeNode) add(child *treeNode) *treeNode {
	n.Children = append(n.Children, child)
	return child
}

// visit calls f for each node below and including n, a parent before its children.
func (n *treeNode) visit(parent *treeNode, f func(parent, node *treeNode)) {
	f(parent, n)
	for _, child := range n.Children {
		child.visit(n, f)
	}
}

// print draws the trees.
func (r *TreeReport) print(out terminal.Screen, wide bool) error {
	columns := []string{"OBJECT", "STATE", "DETAIL"}
	if !wide {
		columns = columns[:2]
	}
	t := terminal.NewTable(columns...)
	t.Tree = true
	for _, root := range r.Roots {
		root.draw(t, "", "", wide)
	}
	return t.Print(out)
}

// draw adds a line for a node and those for its children; first begins the node's line and rest those below it.
func (n *treeNode) draw(t *terminal.Table, first, rest string, wide bool) {
	row := []string{first + n.title(), terminal.OrNone(n.State), n.Detail}
	if !wide {
		row = row[:2]
	}
	t.Add(row...)
	for i, child := range n.Children {
		if i < len(n.Children)-1 {
			child.draw(t, rest+"├── ", rest+"│   ", wide)
		} else {
			child.draw(t, rest+"└── ", rest+"    ", wide)
		}
	}
}

// graph is the trees as nodes with numbers, each object once, and arrows between them.
type graph struct {
	nodes  []*treeNode
	arrows [][2]int
}

func (r *TreeReport) graph() graph {
	g := graph{}
	numbers := map[string]int{}
	drawn := map[[2]int]bool{}
	number := func(n *treeNode) int {
		if _, ok := numbers[n.title()]; !ok {
			numbers[n.title()] = len(g.nodes)
			g.nodes = append(g.nodes, n)
		}
		return numbers[n.title()]
	}
	for _, root := range r.Roots {
		root.visit(nil, func(parent, node *treeNode) {
			to := number(node)
			if parent == nil {
				return
			}
			if arrow := [2]int{number(parent), to}; !drawn[arrow] {
				drawn[arrow] = true
				g.arrows = append(g.arrows, arrow)
			}
		})
	}
	return g
}

// writeDot writes the trees for Graphviz.
func (r *TreeReport) writeDot(out io.Writer) error {
	var text strings.Builder
	g := r.graph()
	text.WriteString("digraph references {\n  rankdir=LR;\n  node [shape=box];\n")
	for i, node := range g.nodes {
		fmt.Fprintf(&text, "  n%d [label=\"%s\"];\n", i, strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(label(node, "\n")))
	}
	for _, arrow := range g.arrows {
		fmt.Fprintf(&text, "  n%d -> n%d;\n", arrow[0], arrow[1])
	}
	text.WriteString("}\n")
	_, err := io.WriteString(out, text.String())
	return err
}

// writeMermaid writes the trees as a flow chart of Mermaid, which Markdown can show.
func (r *TreeReport) writeMermaid(out io.Writer) error {
	var text strings.Builder
	g := r.graph()
	text.WriteString("flowchart LR\n")
	for i, node := range g.nodes {
		// Mermaid writes special characters as #name;.
		escape := strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "\n", "<br>")
		fmt.Fprintf(&text, "  n%d[\"%s\"]\n", i, escape.Replace(label(node, "\n")))
	}
	for _, arrow := range g.arrows {
		fmt.Fprintf(&text, "  n%d --> n%d\n", arrow[0], arrow[1])
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// label returns what a node's box says.
func label(node *treeNode, separator string) string {
	lines := []string{node.Kind, node.Name}
	if node.Namespace != "" {
		lines[1] = node.Namespace + "/" + node.Name
	}
	if node.State != "" {
		lines = append(lines, node.State)
	}
	for i := range lines {
		lines[i] = terminal.Line(lines[i])
	}
	return strings.Join(lines, separator)
}
