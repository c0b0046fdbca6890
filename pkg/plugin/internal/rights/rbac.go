package rights

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// NewCommand returns the command rbac.
func NewCommand(env command.Environment) *cobra.Command {
	cmd := command.NewGroup(&cobra.Command{
		Use:   "rbac",
		Short: "Show which rights the commands need",
	})
	cmd.AddCommand(newRBACPrintCommand(env))
	return cmd
}

// rbacPrintOptions say whose rights to print.
type rbacPrintOptions struct {
	command string
	// secrets also prints the rights on Secrets, which are never required.
	secrets bool
	output  *output.Printer
}

func newRBACPrintCommand(env command.Environment) *cobra.Command {
	var format, line string
	var secrets bool
	cmd := &cobra.Command{
		Use:   "print --for COMMAND",
		Short: "Print the roles that a command needs",
		Long: `Print ClusterRoles with the rights that a command needs, up to three of them:

  kubectl-fluid-COMMAND           in the reference's or the pod's namespace,
  kubectl-fluid-COMMAND-source    in the namespace of the physical Dataset,
  kubectl-fluid-COMMAND-cluster   in the whole cluster.

Bind the first two with RoleBindings in those namespaces, or all of them with
ClusterRoleBindings. Without rights that aren't required a command says what it
couldn't look at. Rights on Secrets are left out unless --with-secrets is given:
commands read only the metadata of Secrets (ref diff compares values), but who
may get a Secret may see all of it. No request is made.`,
		Example: `  # What does a user need to create references?
  kubectl fluid rbac print --for "ref create" | kubectl apply -f -

  # Which commands are there?
  kubectl fluid rbac print`,
		Args: command.MaxArgs(0, "no argument; a command of two words is one value: --for \"ref create\""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			line = strings.TrimPrefix(strings.Join(strings.Fields(line), " "), "kubectl fluid ")
			if _, known := Needs()[line]; line != "" && !known {
				return command.Usagef(cmd, "%q is not a command: known are %s", line, strings.Join(Commands(), ", "))
			}
			o := &rbacPrintOptions{command: line, secrets: secrets}
			var err error
			if o.output, err = output.NewPrinter(cmd, env, format, output.ReadFormats()...); err != nil {
				return err
			}
			return o.run(env)
		},
	}
	cmd.Flags().StringVar(&line, "for", "", "The command, \"ref create\" for example. Default: list the commands.")
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(Commands(), cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().BoolVar(&secrets, "with-secrets", false, "Also the rights on Secrets.")
	output.AddFlag(cmd, &format, output.ReadFormats()...)
	return cmd
}

func (o *rbacPrintOptions) run(env command.Environment) error {
	if o.command == "" {
		return o.output.Print(listNeeds())
	}
	roles := RolesFor(o.command, o.secrets)
	if len(roles) == 0 {
		env.Sayf("kubectl fluid %s needs no right: it asks the API server for nothing, or only for what everybody may.\n", o.command)
	}
	v := output.View{Items: []any{}, Text: func(out terminal.Screen, _ bool) error { return printRoles(out, roles) }}
	for _, role := range roles {
		v.Items = append(v.Items, role)
		v.Names = append(v.Names, "clusterrole.rbac.authorization.k8s.io/"+role.Name)
	}
	v.Document = map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{}, "items": v.Items}
	return o.output.Print(v)
}

// printRoles writes roles as YAML documents for kubectl apply.
func printRoles(out terminal.Screen, roles []rbacv1.ClusterRole) error {
	for i, role := range roles {
		data, err := yaml.Marshal(role)
		if err != nil {
			return fmt.Errorf("encoding the output: %w", err)
		}
		if i > 0 {
			out.Print("---\n")
		}
		out.Print(string(data))
	}
	return nil
}

// Report is the document of all commands' rights.
type Report struct {
	report.TypeMeta
	Needs []commandRight `json:"needs"`
}

// commandRight is a right that a command asks for.
type commandRight struct {
	Command  string `json:"command"`
	Verb     string `json:"verb"`
	Resource string `json:"resource"`
	// Where is namespace, source (that of the physical Dataset) or cluster.
	Where string `json:"where"`
	// For says what the right is for where the command works without it.
	For string `json:"for,omitempty"`
}

// listNeeds shows the rights of all commands.
func listNeeds() output.View {
	document := Report{report.NewTypeMeta("CommandRights"), []commandRight{}}
	v := output.View{Items: []any{}}
	t := terminal.NewTable("COMMAND", "VERB", "RESOURCE", "WHERE", "FOR")
	for _, command := range Commands() {
		for _, n := range Needs()[command] {
			right := commandRight{command, n.Verb, n.ResourceName(), n.Where.String(), n.Purpose}
			document.Needs = append(document.Needs, right)
			v.Items = append(v.Items, right)
			t.Add(command, n.Verb, n.ResourceName(), n.Where.String(), n.Purpose)
		}
	}
	v.Document, v.Names, v.Text = document, Commands(), func(out terminal.Screen, _ bool) error { return t.Print(out) }
	return v
}

// RolesFor returns the roles with the rights of a command, one for each place where it needs some.
func RolesFor(command string, secrets bool) []rbacv1.ClusterRole {
	var roles []rbacv1.ClusterRole
	for _, where := range places() {
		var rules []rbacv1.PolicyRule
		for _, n := range Needs()[command] {
			if n.Where == where && (secrets || n.Resource != "secrets") {
				rules = addRule(rules, n)
			}
		}
		if len(rules) == 0 {
			continue
		}
		name := "kubectl-fluid-" + strings.ReplaceAll(command, " ", "-")
		if where != InNamespace {
			name += "-" + where.String()
		}
		roles = append(roles, rbacv1.ClusterRole{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"kubectl-fluid.dev/bind": where.bind()}},
			Rules:      rules,
		})
	}
	return roles
}

// addRule adds a right to the rule of the same resource, or a rule of its own.
func addRule(rules []rbacv1.PolicyRule, n Need) []rbacv1.PolicyRule {
	for i := range rules {
		if rules[i].APIGroups[0] == n.Group && rules[i].Resources[0] == n.Resource && slices.Equal(rules[i].ResourceNames, n.Names) {
			if !slices.Contains(rules[i].Verbs, n.Verb) {
				rules[i].Verbs = append(rules[i].Verbs, n.Verb)
			}
			return rules
		}
	}
	return append(rules, rbacv1.PolicyRule{APIGroups: []string{n.Group}, Resources: []string{n.Resource}, ResourceNames: n.Names, Verbs: []string{n.Verb}})
}

// Commands returns all commands in the order of their names.
func Commands() []string {
	var commands []string
	for command := range Needs() {
		commands = append(commands, command)
	}
	slices.SortFunc(commands, cmp.Compare)
	return commands
}
