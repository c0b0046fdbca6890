package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDebFiles(t *testing.T) {
	got := debFiles("Reading package lists...\n" +
		"'http://deb.example/a_1%3a2-3_amd64.deb' a_1%3a2-3_amd64.deb 12 SHA256:00\n" +
		"'http://deb.example/b_4_all.deb' b_4_all.deb 34 SHA256:11\n")
	if want := []string{"a_1%3a2-3_amd64.deb", "b_4_all.deb"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUsrPath(t *testing.T) {
	for in, want := range map[string]string{
		"/bin/sh": "/usr/bin/sh", "/lib64/ld.so": "/usr/lib64/ld.so", "/library": "/library", "/usr/bin/env": "/usr/bin/env", "/sbin": "/usr/sbin", "/etc//x/": "/etc/x",
	} {
		if got := usrPath(in); got != want {
			t.Errorf("usrPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWriteArchive(t *testing.T) {
	image := Image{Name: "docker.io/library/test:latest", Entrypoint: []string{"/bin/run"}, Env: []string{"A=b"}}
	var archives [2][]byte
	for i := range archives {
		root := baseRootfs()
		root.add("/bin/run", entry{mode: 0o755 | fs.ModeSetuid, content: []byte("#!/bin/sh\n")})
		root.add("/opt/deep/link", entry{mode: fs.ModeSymlink | 0o777, target: "/bin/run"})
		file := filepath.Join(t.TempDir(), "image.tar")
		if err := writeArchive(file, image, root); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		archives[i] = data
		checkArchive(t, data, image)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the same image made two different archives")
	}
}

// checkArchive follows an archive from its manifest to the configuration and the layer, by their digests.
func checkArchive(t *testing.T, data []byte, image Image) {
	t.Helper()
	files := untar(t, data)
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("the manifest is %s, %v", files["manifest.json"], err)
	}
	m := manifest[0]
	if !slices.Equal(m.RepoTags, []string{image.Name}) || len(m.Layers) != 1 || m.Config != fmt.Sprintf("%x.json", sha256.Sum256(files[m.Config])) {
		t.Fatalf("the manifest is %+v", m)
	}
	var config struct {
		Config struct{ Entrypoint, Env []string }
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(files[m.Config], &config); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(config.Config.Entrypoint, image.Entrypoint) || !slices.Contains(config.Config.Env, "A=b") {
		t.Errorf("configuration: %+v", config.Config)
	}
	layer := files[m.Layers[0]]
	if want := []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}; !slices.Equal(config.RootFS.DiffIDs, want) {
		t.Errorf("the configuration has the layers %q, and the archive %q", config.RootFS.DiffIDs, want)
	}
	if program := untar(t, layer)["usr/bin/run"]; string(program) != "#!/bin/sh\n" {
		t.Errorf("the program in the image is %q", program)
	}
}

// untar returns the files of a tar.
func untar(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	r := tar.NewReader(bytes.NewReader(data))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImageKey(t *testing.T) {
	image := Image{Name: "i", Files: map[string]File{"/f": {Source: "/here/f"}}}
	key := func(i Image, content string, debs ...string) string {
		t.Helper()
		k, err := i.key(map[string][]byte{"/f": []byte(content)}, debs)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	base := key(image, "x", "a_1.deb")
	moved := Image{Name: "i", Files: map[string]File{"/f": {Source: "/there/f"}}}
	if key(moved, "x", "a_1.deb") != base {
		t.Error("the key depends on where a file is")
	}
	executable := Image{Name: "i", Files: map[string]File{"/f": {Executable: true}}}
	for what, other := range map[string]string{
		"a file's content":  key(image, "y", "a_1.deb"),
		"a package version": key(image, "x", "a_2.deb"),
		"a file's mode":     key(executable, "x", "a_1.deb"),
	} {
		if other == base {
			t.Errorf("the key does not depend on %s", what)
		}
	}
}

func TestExampleImages(t *testing.T) {
	for _, name := range []string{"nginx", "rclone-fuse", "alluxio"} {
		image, err := ExampleImage(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := image.readFiles(); err != nil {
			t.Error(err)
		}
	}
	if _, err := ExampleImage("missing"); err == nil {
		t.Error("an image that doesn't exist: no error")
	}
}

func TestRequiredVersion(t *testing.T) {
	gomod := "module m\n\ntool k8s.io/kubernetes/cmd/kubectl\n\nrequire k8s.io/kubernetes v1.2.3 // indirect\n\nreplace k8s.io/api => k8s.io/api v0.2.3\n"
	if got := requiredVersion(gomod, "k8s.io/kubernetes"); got != "v1.2.3" {
		t.Errorf("got %q", got)
	}
	if got := requiredVersion(gomod, "k8s.io/api"); got != "" {
		t.Errorf("got %q for a module that isn't required", got)
	}
}

// TestMavenProjectIsPartOfTheKey: an image is built anew if the project's sources change, and not if Maven's results do.
func TestMavenProjectIsPartOfTheKey(t *testing.T) {
	project := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(project, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keyed := func() map[string][]byte {
		t.Helper()
		image := Image{Name: "i", Maven: &Maven{Project: project, Target: "/opt"}}
		files, err := image.keyedFiles(map[string][]byte{"/f": nil})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	for _, name := range []string{"pom.xml", "maven.xml", "src/main/java/A.java"} {
		write(name, "1")
	}
	before := keyed()
	write("target/image/web/a.jar", "made")
	if got := keyed(); !maps.EqualFunc(got, before, bytes.Equal) || len(got) != 4 {
		t.Errorf("the key is made of %q, was of %q", got, before)
	}
	write("src/main/java/A.java", "2")
	if got := keyed(); maps.EqualFunc(got, before, bytes.Equal) {
		t.Error("a changed source doesn't change the key")
	}
}

// TestJavaReadsTheKeyStore: Java's own tool finds every certificate in what the builder makes of a bundle.
func TestJavaReadsTheKeyStore(t *testing.T) {
	var bundle []byte
	for range 3 {
		bundle = append(bundle, selfSigned(t)...)
	}
	store := javaKeyStore(bundle)
	if again := javaKeyStore(bundle); !bytes.Equal(store, again) {
		t.Error("the same certificates made two stores")
	}
	keytool, err := lookPath("keytool")
	if err != nil {
		t.Skip("there is no Java on this machine")
	}
	file := filepath.Join(t.TempDir(), "cacerts")
	if err = os.WriteFile(file, store, 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), keytool, "-list", "-keystore", file, "-storepass", "changeit").CombinedOutput()
	if err != nil || strings.Count(string(output), "trustedCertEntry") != 3 {
		t.Errorf("keytool says %v: %s", err, output)
	}
}

func selfSigned(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
