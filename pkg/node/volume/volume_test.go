package volume

import (
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestExitCodeIsNeitherASignalsNorOneThatProgramsUse(t *testing.T) {
	// 1 and 2 are everybody's, 64 to 78 those of sysexits.h, 125 to 127 those of shells and container engines; from 129 on
	// they are signals', up to 64 of them.
	if ExitRestartAll <= 128+64 || ExitRestartAll > 254 {
		t.Errorf("the exit code %d may be another program's", ExitRestartAll)
	}
	if !slices.Contains(ExitCodesToRestartAll(), ExitRestartAll) {
		t.Errorf("the restart rule %v doesn't have the exit code %d", ExitCodesToRestartAll(), ExitRestartAll)
	}
}

func TestStandInsAreMountedUnderTheNameThatTheyStandFor(t *testing.T) {
	for _, at := range FusermountPaths() {
		if path.Base(at.Path) != at.File {
			t.Errorf("%s gets the file %s", at.Path, at.File)
		}
	}
}

// TestManifestsHaveTheNamesOfTheCode: config/node installs the driver and its namespace by the names that this package says.
func TestManifestsHaveTheNamesOfTheCode(t *testing.T) {
	for file, name := range map[string]string{"driver.yaml": Driver, "namespace.yaml": Namespace} {
		text, err := os.ReadFile("../../../config/node/" + file)
		if err != nil || !strings.Contains(string(text), "\n  name: "+name+"\n") {
			t.Errorf("%s doesn't name %s: %v", file, name, err)
		}
	}
}
