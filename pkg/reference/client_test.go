package reference

import (
	"slices"
	"testing"
)

func TestAClientsAnnotationIsReadStrictly(t *testing.T) {
	for text, good := range map[string]bool{
		`{}`: true,
		` {"runAsUser": 0, "writableDirectories": ["/var/cache/x"], "mountOptions": ["default_permissions", "noexec", "max_read=131072"]} `: true,
		`{"mountOptions": []}`:                  true,
		`{"runAsUser": 2147483647}`:             true,
		``:                                      false,
		`true`:                                  false,
		`[]`:                                    false,
		`{} {}`:                                 false,
		`{"user": 1}`:                           false,
		`{"runAsUser": -1}`:                     false,
		`{"runAsUser": 2147483648}`:             false,
		`{"runAsUser": "0"}`:                    false,
		`{"writableDirectories": ["cache"]}`:    false,
		`{"writableDirectories": ["/a/../b"]}`:  false,
		`{"writableDirectories": ["/a/"]}`:      false,
		`{"writableDirectories": ["/"]}`:        false,
		`{"writableDirectories": ["/$(HOME)"]}`: false,
		`{"writableDirectories": ["/a:b"]}`:     false,
		`{"mountOptions": ["suid"]}`:            false,
		`{"mountOptions": ["allow_other"]}`:     false,
		`{"mountOptions": ["default_permissions,dev"]}`: false,
		`{"mountOptions": ["max_read=0"]}`:              false,
		`{"mountOptions": ["fd=3"]}`:                    false,
		`{"mountOptions": ["max_read=1\n"]}`:            false,
	} {
		client, err := ParseClient(text)
		if (err == nil) != good {
			t.Errorf("%s: %+v, %v", text, client, err)
		}
	}
	client, err := ParseClient(`{}`)
	if err != nil || !slices.Equal(client.MountOptions, []string{"default_permissions"}) {
		t.Errorf("the kernel's checks are off: %+v, %v", client, err)
	}
}
