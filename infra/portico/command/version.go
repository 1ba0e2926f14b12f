package command

import (
	"encoding/json"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) version() *cobra.Command {
	return a.command("version", "Show the version of this command", "portico version --json", nil, func(*cobra.Command, []string) error {
		version := map[string]string{"version": buildVersion(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
		if a.json {
			text, err := json.Marshal(version)
			if err != nil {
				return err
			}
			return a.document(text)
		}
		a.out.Line("portico %s, %s, %s", version["version"], version["go"], version["platform"])
		return nil
	})
}

// buildVersion is the version that Go recorded: a tag or a commit.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
