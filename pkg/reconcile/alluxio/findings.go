package alluxio

import "strings"

// messageOf joins troubles to one text.
func messageOf(troubles []Trouble) string {
	var texts []string
	for _, trouble := range troubles {
		texts = append(texts, trouble.Object+": "+trouble.Text)
	}
	return strings.Join(texts, "; ")
}
