package lambda

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
)

// megabytesPerCPU is the memory at which a function gets one CPU on Lambda.
const megabytesPerCPU = 1769

// environment has the variables that Lambda gives a process, and none of this
// program's own.
func (p *process) environment(api string, overrides map[string]string) []string {
	f := p.fn
	env := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin",
		"LANG": "en_US.UTF-8",
		"TZ":   ":UTC",
		// A process of less than 1,769 MB has less than one CPU on Lambda.
		"GOMAXPROCS": strconv.Itoa((f.MemoryMB + megabytesPerCPU - 1) / megabytesPerCPU),
	}
	maps.Copy(env, f.host.opts.Env)
	maps.Copy(env, f.Env)
	maps.Copy(env, overrides)
	maps.Copy(env, map[string]string{
		"AWS_REGION":                      f.host.opts.Region,
		"AWS_DEFAULT_REGION":              f.host.opts.Region,
		"AWS_EXECUTION_ENV":               "AWS_Lambda_provided.al2023",
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      "local",
		"AWS_LAMBDA_RUNTIME_API":          api,
		"LAMBDA_TASK_ROOT":                filepath.Dir(f.Binary),
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"_HANDLER":                        f.Handler,
	})
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}
