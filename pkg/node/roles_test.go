//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// playPlugin runs the node plugin until SIGTERM, as cmd/node does, in this process's mount namespace.
func playPlugin() error {
	if err := unix.Mount("tmpfs", "/mnt/hidden", "tmpfs", 0, ""); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	p, err := New(testConfig(os.Stderr))
	if err != nil {
		return err
	}
	return errors.Join(Serve(ctx, p, "test"), p.Close())
}

func testConfig(log io.Writer) Config {
	return Config{
		KubeletDirectory: "/mnt/kubelet", HiddenDirectory: "/mnt/hidden", Program: os.Getenv("NODE_TEST_PROGRAM"),
		NodeName: "node-1", Log: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// playSidecar is a container: USER BROKER COMMAND…, with PID 1, its own view of mounts, and no rights.
func playSidecar(arguments []string) error {
	uid, err := strconv.Atoi(arguments[0])
	if err != nil {
		return err
	}
	if err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err = unix.Mount(arguments[1], volume.MountPath, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err = unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err = errors.Join(syscall.Setgroups(nil), syscall.Setgid(uid), syscall.Setuid(uid)); err != nil {
		return err
	}
	path, err := exec.LookPath(arguments[2])
	if err != nil {
		return err
	}
	environment := append(without(os.Environ(), roleVariable), roleVariable+"="+roleClient)
	return syscall.Exec(path, arguments[2:], environment)
}

// playApp is a container that mounts a data volume, and prints a file in it again and again: TARGET FILE.
func playApp(arguments []string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount(arguments[0], "/mnt/data", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	for {
		contents, err := os.ReadFile(filepath.Join("/mnt/data", arguments[1]))
		if err != nil {
			return err
		}
		fmt.Println(string(contents))
		time.Sleep(time.Millisecond)
	}
}

// playClient is a FUSE client that gets its mount from fusermount3, as those of libfuse do. It serves the text.
//
//	serve TEXT       serves until SIGTERM, then ends with 0
//	never            takes the descriptor and never reads from it
//	hang TEXT        serves, but never answers for what is below the directory "hang"
//	fail CODE        ends before it mounts
//	background TEXT  has a process in the background serve, and ends with 0
//	script TEXT      has a process in the background serve, and goes on itself
func playClient(arguments []string) error {
	switch arguments[0] {
	case "fail":
		code, err := strconv.Atoi(arguments[1])
		if err != nil {
			return err
		}
		os.Exit(code)
	case "background", "script":
		c := exec.Command("/proc/self/exe", "serve", arguments[1])
		c.Stdout, c.Stderr, c.Env = os.Stdout, os.Stderr, os.Environ()
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := c.Start(); err != nil {
			return err
		}
		if arguments[0] == "script" {
			time.Sleep(time.Hour)
		}
		return nil
	}
	device, err := askFusermount("fusermount3")
	if err != nil {
		return err
	}
	if arguments[0] == "never" {
		time.Sleep(time.Hour)
	}
	server, err := serveFUSE(device, arguments[1])
	if err != nil {
		return err
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, unix.SIGTERM)
	ended := make(chan struct{})
	go func() { server.Wait(); close(ended) }()
	select {
	case <-told:
		return nil
	case <-ended:
		return errors.New("the kernel ended the connection")
	}
}

// askFusermount gets a descriptor of /dev/fuse by the protocol of libfuse.
func askFusermount(name string, options ...string) (int, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "commfd")
	ours := os.NewFile(uintptr(pair[0]), "ours")
	defer ours.Close()
	c := exec.Command(name, append(options, "--", "/mnt")...)
	c.Env = append(os.Environ(), "_FUSE_COMMFD=3")
	c.ExtraFiles, c.Stderr = []*os.File{theirs}, os.Stderr
	err = c.Run()
	theirs.Close()
	if err != nil {
		return -1, fmt.Errorf("%s: %w", name, err)
	}
	conn, err := net.FileConn(ours)
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	buffer, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(buffer, rights)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("no descriptor came: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// directory is a FUSE directory with files, links and directories in it.
type directory struct {
	fs.Inode
	text string
}

func (d *directory) OnAdd(ctx context.Context) {
	add := func(parent *fs.Inode, name string, node fs.InodeEmbedder, mode uint32) *fs.Inode {
		child := parent.NewPersistentInode(ctx, node, fs.StableAttr{Mode: mode})
		parent.AddChild(name, child, true)
		return child
	}
	file := func() fs.InodeEmbedder {
		return &fs.MemRegularFile{Data: []byte(d.text), Attr: fuse.Attr{Mode: 0o444}}
	}
	add(&d.Inode, "file", file(), unix.S_IFREG)
	sub := add(&d.Inode, "sub", &fs.Inode{}, unix.S_IFDIR)
	add(sub, "file", file(), unix.S_IFREG)
	deep := add(sub, "deep", &fs.Inode{}, unix.S_IFDIR)
	add(deep, "file", file(), unix.S_IFREG)
	add(&d.Inode, "hang", &hangs{}, unix.S_IFDIR)
	for name, to := range map[string]string{
		"inside": "sub/deep", "up": "sub/../sub", "out": "../../../../../../../mnt", "absolute": "/mnt",
		"magic": "/proc/self/root", "loop": "loop", "farther": "sub/deep/../../../..",
	} {
		add(&d.Inode, name, &fs.MemSymlink{Data: []byte(to)}, unix.S_IFLNK)
	}
}

// hangs is a directory that never answers for what is in it.
type hangs struct{ fs.Inode }

func (*hangs) Lookup(context.Context, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) { select {} }

// serveFUSE serves a file system on an open /dev/fuse.
func serveFUSE(device int, text string) (*fuse.Server, error) {
	zero := time.Duration(0)
	server, err := fuse.NewServer(fs.NewNodeFS(&directory{text: text}, &fs.Options{EntryTimeout: &zero, AttrTimeout: &zero}),
		fmt.Sprintf("/dev/fd/%d", device), &fuse.MountOptions{AllowOther: true})
	if err != nil {
		return nil, err
	}
	go server.Serve()
	return server, nil
}

// pidOf returns the process whose arguments, without its name, are these. There must be one: a signal to zero would be one to
// the tests themselves.
func pidOf(t *testing.T, arguments ...string) int {
	t.Helper()
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if _, rest, _ := strings.Cut(string(line), "\x00"); rest == strings.Join(arguments, "\x00")+"\x00" {
			return pid
		}
	}
	t.Fatalf("no process has the arguments %q", arguments)
	return 0
}
