package server

import (
	"os/exec"
	"syscall"
)

// attributes gives a program a process group, another user where that is asked for, and, if it shall not outlive this process, its end.
func attributes(cmd *exec.Cmd, a account, dies bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if dies {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	credential(cmd, a)
}

// noFollow refuses a link in the last place of a path: the directory belongs to the server's user, and this process may be root.
const noFollow = syscall.O_NOFOLLOW

// session gives a server a session of its own: it outlives this process.
func session(cmd *exec.Cmd, a account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	credential(cmd, a)
}
