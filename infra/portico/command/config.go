package command

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"portico/infra/portico/config"
)

func (a *app) config() *cobra.Command {
	show := a.command("config", "Show the settings in use, and where each comes from", "portico config\nportico config save --api https://api.example.com --key ptc_…", nil,
		func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			return a.showSettings(s)
		})
	save := a.command("save", "Write the settings in use into the file, readable only by you", "portico config save --api https://api.example.com --key ptc_…", nil,
		func(cmd *cobra.Command, _ []string) error {
			s, err := a.settingsOf(cmd, false)
			if err != nil {
				return err
			}
			if s.File == "" {
				return misuse(cmd, "this machine has no folder for configuration: give --config FILE")
			}
			if err := s.Save(); err != nil || a.json {
				return err
			}
			a.out.Line("Saved to %s.", s.File)
			return nil
		})
	show.AddCommand(save)
	return show
}

// showSettings prints the settings; the key so that nobody can use it.
func (a *app) showSettings(s *config.Settings) error {
	type shown struct {
		Value  string `json:"value"`
		Source string `json:"source"`
	}
	document := map[string]shown{}
	rows := make([][]string, len(config.Names))
	for i, name := range config.Names {
		set := s.Get(name)
		if name == config.Key {
			set.Value = config.Masked(set.Value)
		}
		document[name] = shown{set.Value, set.Source}
		rows[i] = []string{name, or(set.Value), or(set.Source)}
	}
	if a.json {
		text, err := json.Marshal(document)
		if err != nil {
			return err
		}
		return a.document(text)
	}
	a.out.Table([]string{"SETTING", "VALUE", "FROM"}, rows)
	a.out.Line("\nThe file is %s", or(s.File))
	return nil
}
