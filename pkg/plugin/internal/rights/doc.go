// Package rights says which rights each command needs, and holds the command rbac.
package rights
