package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cpu is the CPU time, in seconds, of the stack's processes by what they are.
type cpu struct{ functions, postgres, dynamodb, gateway float64 }

func (c cpu) minus(o cpu) cpu {
	return cpu{c.functions - o.functions, c.postgres - o.postgres, c.dynamodb - o.dynamodb, c.gateway - o.gateway}
}

// ticks is the unit of /proc/<pid>/stat: USER_HZ, 100 on every Linux platform Go runs on.
const ticks = 100

// cpuNow adds up the stack's process and all below it, with what their ended
// children have used.
func (b *bench) cpuNow() cpu {
	type process struct {
		parent  int
		name    string
		seconds float64
	}
	all := map[int]process{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid …; the name may hold spaces and brackets.
		open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
		fields := strings.Fields(string(text[end+1:]))
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:open])))
		parent, _ := strconv.Atoi(fields[1])
		p := process{parent: parent, name: string(text[open+1 : end])}
		for _, field := range fields[11:15] { // utime stime cutime cstime
			n, _ := strconv.ParseFloat(field, 64)
			p.seconds += n / ticks
		}
		all[pid] = p
	}
	root := b.process.Process.Pid
	var sum cpu
	for pid, p := range all {
		above := pid
		for above != root && above > 1 {
			above = all[above].parent
		}
		switch {
		case above != root:
		case pid == root:
			sum.gateway += p.seconds
		case p.name == "postgres":
			sum.postgres += p.seconds
		case p.name == "node":
			sum.dynamodb += p.seconds
		default:
			sum.functions += p.seconds
		}
	}
	return sum
}

// parentOf returns the id of a process's parent, 0 when it has ended.
func parentOf(pid int) int {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
