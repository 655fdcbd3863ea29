package process

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// yield lets everything else go first. The process may have ended meanwhile.
func yield(pid int) { _ = syscall.Setpriority(syscall.PRIO_PGRP, pid, 19) }

func terminate(pid int) { _ = syscall.Kill(-pid, syscall.SIGTERM) } // it may have ended meanwhile
func kill(pid int)      { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// sweep kills what carries the mark, again and again until nothing new is found: a process may fork while we look.
func sweep(mark string) {
	for range 20 {
		found := 0
		for _, pid := range marked(mark) {
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				found++
			}
		}
		if found == 0 {
			return
		}
	}
}

// marked lists the processes whose environment has the mark. Those of other users cannot be read, zombies have none.
func marked(mark string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	want := []byte(markName + "=" + mark)
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil {
			continue
		}
		for kv := range bytes.SplitSeq(env, []byte{0}) {
			if bytes.Equal(kv, want) {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}
