package main

import (
	"bufio"
	"os"
	"runtime"
	"strings"
)

// machine is where the figures were measured, without names and dates.
type machine struct {
	System string `json:"system"`
	Kernel string `json:"kernel,omitempty"`
	CPU    string `json:"cpu,omitempty"`
	Cores  int    `json:"cores"`
	Go     string `json:"go"`
	// Load is the load average of the last minute when the program began: what else ran there.
	Load string `json:"load,omitempty"`
}

func thisMachine() machine {
	load, _, _ := strings.Cut(firstLine("/proc/loadavg"), " ")
	m := machine{
		System: runtime.GOOS + "/" + runtime.GOARCH, Kernel: firstLine("/proc/sys/kernel/osrelease"),
		Cores: runtime.NumCPU(), Go: runtime.Version(), Load: load,
	}
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return m // not Linux
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// firstLine is "" where the file cannot be read.
func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}
