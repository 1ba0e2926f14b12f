package cost

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks is the unit of /proc/<pid>/stat: USER_HZ, 100 on every Linux platform Go runs on.
const ticks = 100

// process is a process of the machine, with the CPU time of its ended children.
type process struct {
	parent  int
	name    string
	seconds float64
}

// cpuNow adds up the CPU time of the stack's process, its descendants and their
// ended children.
func cpuNow(root int) (sum Work) {
	for pid, p := range below(root) {
		switch {
		case pid == root:
			sum[Gateway] += p.seconds
		case p.name == "postgres":
			sum[Postgres] += p.seconds
		case p.name == "node":
			sum[DynamoDB] += p.seconds
		default:
			sum[Functions] += p.seconds
		}
	}
	return sum
}

// below returns a process and all its descendants, by id.
func below(root int) map[int]process {
	all := map[int]process{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		pid, p := parseStat(string(text))
		all[pid] = p
	}
	found := map[int]process{}
	for pid, p := range all {
		above := pid
		for above != root && above > 1 {
			above = all[above].parent
		}
		if above == root {
			found[pid] = p
		}
	}
	return found
}

// parseStat reads «pid (name) state ppid …»; the name may hold spaces and
// brackets.
func parseStat(text string) (pid int, p process) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	fields := strings.Fields(text[end+1:])
	pid, _ = strconv.Atoi(strings.TrimSpace(text[:open]))
	p.parent, _ = strconv.Atoi(fields[1])
	p.name = text[open+1 : end]
	for _, field := range fields[11:15] { // utime stime cutime cstime
		n, _ := strconv.ParseFloat(field, 64)
		p.seconds += n / ticks
	}
	return pid, p
}

// ParentOf returns the id of a process's parent, 0 when it has ended.
func ParentOf(pid int) int {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, p := parseStat(string(text))
	return p.parent
}

// ForeignLoad measures the CPU time that other processes use while bench
// measures.
type ForeignLoad struct {
	root       int
	begin      time.Time
	busy, ours float64 // CPU-s at the beginning
}

// StartForeignLoad counts all processes below root as ours.
func StartForeignLoad(root int) ForeignLoad {
	f := ForeignLoad{root: root, begin: time.Now()}
	f.busy, f.ours = f.now()
	return f
}

// Cores is how many cores other processes used on average.
func (f ForeignLoad) Cores() float64 {
	busy, ours := f.now()
	return max(0, (busy-f.busy)-(ours-f.ours)) / time.Since(f.begin).Seconds()
}

// now returns the CPU time that the machine and our processes have used so far.
func (f ForeignLoad) now() (busy, ours float64) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:9] { // user nice system idle iowait irq softirq steal
		if n, _ := strconv.ParseFloat(field, 64); i != 3 && i != 4 {
			busy += n / ticks
		}
	}
	for _, p := range below(f.root) {
		ours += p.seconds
	}
	return busy, ours
}
