package load

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// processorTime is how long the processes of the cluster, the webhooks and this one have used processors.
func (n *installation) processorTime(b *testing.B) time.Duration {
	b.Helper()
	processes := []int{os.Getpid()}
	for _, r := range n.replicas {
		processes = append(processes, r.command.Process.Pid)
	}
	if n.null != nil {
		processes = append(processes, n.null.Pid)
	}
	programs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(programs) == 0 {
		b.Skip("the times of processes are only known on Linux")
	}
	for _, program := range programs {
		line, err := os.ReadFile(program)
		if err != nil || !strings.HasPrefix(string(line), n.cluster.BinDir()+"/") {
			continue // it has ended, or is somebody else's
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(program))); err == nil {
			processes = append(processes, pid)
		}
	}
	var total time.Duration
	for _, pid := range processes {
		total += processTime(b, pid)
	}
	return total
}

// processTime reads the time of one process: the 14th and 15th field of its stat, in hundredths of a second.
func processTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	// The name of the program, in parentheses, may have spaces.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var total time.Duration
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(ticks) * 10 * time.Millisecond
	}
	return total
}
