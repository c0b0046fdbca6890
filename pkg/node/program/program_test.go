//go:build linux

package program

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

func TestMastersGetTheirNamespace(t *testing.T) {
	for options, want := range map[string]string{
		"":                                       "",
		"-Dalluxio.master.hostname=phy-master-0": "-Dalluxio.master.hostname=phy-master-0",
		"-Dalluxio.master.rpc.addresses=phy-master-0:20000,phy-master-1:20000,phy-master-12:20000 -Dx=y": "-Dalluxio.master.rpc.addresses=phy-master-0.ns:20000,phy-master-1.ns:20000,phy-master-12.ns:20000 -Dx=y",
		"-Da=other-master-0:1,phy-master-0.elsewhere:1,phy-masterX0:1":                                   "-Da=other-master-0:1,phy-master-0.elsewhere:1,phy-masterX0:1",
		"-Da=$(echo phy-master-0:1) -Db=phy-master-0:1":                                                  "-Da=$(echo phy-master-0:1) -Db=phy-master-0.ns:1",
	} {
		if got := completeMasters(options, "phy-master-", "ns"); got != want {
			t.Errorf("%q became %q, want %q", options, got, want)
		}
	}
	if got := completeMasters("-Da=xyz0:1,x.z0:1", "x.z", "ns"); got != "-Da=xyz0:1,x.z0.ns:1" {
		t.Errorf("a prefix with a dot: %q", got)
	}
}

func TestFusermountTakesWhatLibrariesCallItWith(t *testing.T) {
	for line, want := range map[string]fusermountArguments{
		"-o ro,nosuid,subtype=rclone -- /mnt": {options: []string{"ro", "nosuid", "subtype=rclone"}},
		"-oro -o max_read=131072 /mnt":        {options: []string{"ro", "max_read=131072"}},
		"-u /mnt":                             {unmount: true},
		"-u -q -z -- /mnt":                    {unmount: true},
		"-uz /mnt":                            {unmount: true},
		"-V":                                  {version: true},
		"--version":                           {version: true},
		"--auto-unmount -o fsname=x -- /mnt/-u-V": {options: []string{"fsname=x"}},
		"":   {},
		"-o": {},
	} {
		got := parseFusermount(strings.Fields(line))
		if got.unmount != want.unmount || got.version != want.version || strings.Join(got.options, ",") != strings.Join(want.options, ",") {
			t.Errorf("%q: %+v, want %+v", line, got, want)
		}
	}
}

func TestOnlyOptionsThatTheMountLacksAreCalledIgnored(t *testing.T) {
	asked := strings.Split("rw,nosuid,nodev,fsname=x,subtype=y,auto_unmount,allow_other,default_permissions,max_read=131072,suid", ",")
	if got := strings.Join(ignoredOptions(asked, "nosuid,nodev,allow_other,ro,max_read=131072"), ","); got != "default_permissions,suid" {
		t.Errorf("ignored: %s", got)
	}
}

func TestArgumentsOfRunAndWait(t *testing.T) {
	o, err := parseRun([]string{"--masters", "m-", "--namespace", "ns", "--", "client", "--masters", "x"})
	if err != nil || o.masters != "m-" || o.namespace != "ns" || strings.Join(o.command, " ") != "client --masters x" {
		t.Errorf("%+v, %v", o, err)
	}
	for _, line := range []string{"", "--", "client", "--masters", "--masters m- -- client", "--namespace ns -- client", "--other -- client"} {
		if o, err := parseRun(strings.Fields(line)); err == nil {
			t.Errorf("run %s: %+v", line, o)
		}
	}
	if timeout, err := parseWait([]string{"--timeout", "110s"}); err != nil || timeout != 110*time.Second {
		t.Errorf("%s, %v", timeout, err)
	}
	for _, line := range []string{"", "--timeout", "--timeout x", "--timeout -1s", "--timeout 0s", "110s", "--timeout 1s more"} {
		if timeout, err := parseWait(strings.Fields(line)); err == nil {
			t.Errorf("wait %s: %s", line, timeout)
		}
	}
}

// answer listens as the plugin does, and gives replies to the first connection.
func answer(t *testing.T, replies ...wire.Reply) (broker string) {
	t.Helper()
	broker = t.TempDir()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errorOf(unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(broker, volume.Socket)}), unix.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, _, err := unix.Accept(fd)
			if err != nil {
				return
			}
			for _, r := range replies {
				// Who asked may have gone.
				_ = unix.Sendmsg(conn, r.Encode(), nil, nil, unix.MSG_NOSIGNAL)
			}
			defer unix.Close(conn)
		}
	}()
	return broker
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestWaitSaysWhatIsMissingWithTheCauseFirst(t *testing.T) {
	for name, test := range map[string]struct {
		broker string
		code   int
		says   string
	}{
		"served":        {answer(t, wire.Reply{Kind: wire.Waiting, Text: "x"}, wire.Reply{Kind: wire.Served}), 0, ""},
		"waiting":       {answer(t, wire.Reply{Kind: wire.Waiting, Text: "first"}, wire.Reply{Kind: wire.Waiting, Text: "then"}), 1, "then (waited 300ms)"},
		"died":          {answer(t, wire.Reply{Kind: wire.Died}), 1, "the FUSE client that was there is gone"},
		"no plugin":     {t.TempDir(), 1, "the node plugin doesn't answer at "},
		"a long cause":  {answer(t, wire.Reply{Kind: wire.Waiting, Text: strings.Repeat("数", 1000)}), 1, "数数"},
		"a new meaning": {answer(t, wire.Reply{Kind: "later", Text: "something new"}), 1, "something new"},
	} {
		log := filepath.Join(t.TempDir(), "termination-log")
		var said bytes.Buffer
		p := Program{Broker: test.broker, TerminationLog: log, Stderr: &said}
		if code := p.Main([]string{"/x/fluid-fuse", "wait", "--timeout", "300ms"}); code != test.code {
			t.Errorf("%s: exit code %d; %s", name, code, &said)
		}
		message, _ := os.ReadFile(log)
		if !strings.HasPrefix(string(message), test.says) || len(message) > volume.TerminationMessageBytes || !utf8.Valid(message) {
			t.Errorf("%s: the termination message is %q", name, message)
		}
		if test.code == 0 && len(message) > 0 {
			t.Errorf("%s: a termination message without a reason: %q", name, message)
		}
	}
}

func TestUnmountingNeedsNobody(t *testing.T) {
	var said bytes.Buffer
	p := Program{Broker: "/nonexistent", Stderr: &said}
	for _, name := range []string{"/usr/bin/fusermount", "fusermount3"} {
		if code := p.Main([]string{name, "-u", "-z", "/mnt"}); code != 0 {
			t.Errorf("%s -u: exit code %d: %s", name, code, &said)
		}
	}
}

func TestMountingWithoutALibraryIsExplained(t *testing.T) {
	var said bytes.Buffer
	t.Setenv(commVariable, "")
	if code := (Program{Broker: "/nonexistent", Stderr: &said}).Main([]string{"fusermount3", "/mnt"}); code != 1 || !strings.Contains(said.String(), commVariable) {
		t.Errorf("exit code %d: %s", code, &said)
	}
}

func TestACodeThatRestartsAllIsOnlyForFileSystemsThatWereThere(t *testing.T) {
	for _, code := range append(volume.ExitCodesToRestartAll(), 0) {
		if got := unmountedCode(int(code)); got != 1 {
			t.Errorf("a client that ended with %d before it mounted gives %d", code, got)
		}
	}
	if got := unmountedCode(3); got != 3 {
		t.Errorf("3 became %d", got)
	}
}

func TestTheRestOfAProcessLineIsFoundBehindAnyName(t *testing.T) {
	for line, want := range map[string]string{"1 (sh) S 0 1": "S 0 1", "1 (a) S) (b) R 7": "R 7", "": "", "1 (x)": ""} {
		if got := afterName(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
