package org

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a function's machine may have no zones

	"portico/shared/fault"
	"portico/shared/role"
)

// Settings are the values that an organization has set. Other settings have the
// default of the registry.
type Settings map[string]any

// Setting is an entry of the registry; T is the Go type of its JSON values.
type Setting[T any] struct {
	Name        string
	Default     T
	Description string
	// check returns what is wrong with a value, as the end of a sentence; nil:
	// every value is valid.
	check func(T) string
}

// The settings.
var (
	Timezone = Setting[string]{"timezone", "UTC", "Time zone of reports and e-mails, such as Europe/Berlin.", checkTimezone}
	Locale   = Setting[string]{"locale", "en", "Language of pages and e-mails: " + strings.Join(locales, ", ") + ".", checkLocale}
	// JSON has one kind of number.
	SessionHours = Setting[float64]{"session_hours", 12, "Hours after which members must sign in again, 1 to 720.", checkHours}
	RequireMFA   = Setting[bool]{"require_mfa", false, "Whether members must sign in with a second factor.", nil}
	RoleModel    = Setting[string]{"role_model", string(role.Custom), "Which roles there are. single: none, every member may everything (is owner). two_tier: admin and member, besides the owners. " +
		"custom: all predefined roles and your own. A narrower model needs members, open invitations and single sign-on connections to have its roles already, and no role of your own.", checkRoleModel}
	RecordReads = Setting[bool]{"record_reads", false, "Whether each read of records leaves an entry in the audit log. Then each costs a write.", nil}
	// The upkeep reads it by the function event_retentions.
	EventRetentionDays = unset[float64]{Setting[float64]{"event_retention_days", 0, "Days after which events are deleted with their deliveries and attempts, 1 to 3650. " +
		"null: when Portico deletes them for all organizations; a longer time than that has no effect.", checkDays}}
	// The upkeep reads it by the function audit_retentions.
	AuditRetentionDays = unset[float64]{Setting[float64]{"audit_retention_days", 0, "Days after which entries of the audit log are removed, 30 to 3650. " +
		"null: when Portico removes them for all organizations; a longer time than that has no effect.", checkAuditDays}}
)

// registry lists all settings. A setting that is no longer in it is not shown.
var registry = []setting{Timezone, Locale, SessionHours, RequireMFA, RoleModel, RecordReads, EventRetentionDays, AuditRetentionDays}

// setting is a Setting of any type.
type setting interface {
	name() string
	describe() string
	fallback() any
	wrong(value any) string
}

// Of returns the setting's value in an organization.
func (s Setting[T]) Of(set Settings) T {
	if v, ok := set[s.Name].(T); ok {
		return v
	}
	return s.Default
}

func (s Setting[T]) name() string  { return s.Name }
func (s Setting[T]) fallback() any { return s.Default }

func (s Setting[T]) describe() string {
	return fmt.Sprintf("`%s` (%s, default %v): %s", s.Name, kindOf(s.Default), s.Default, s.Description)
}

// unset is a Setting without a default: it is null until it is set.
type unset[T any] struct{ Setting[T] }

func (unset[T]) fallback() any { return nil }

func (s unset[T]) describe() string {
	return fmt.Sprintf("`%s` (%s, default null): %s", s.Name, kindOf(s.Default), s.Description)
}

func (s Setting[T]) wrong(value any) string {
	v, ok := value.(T)
	if !ok {
		return "must be a " + kindOf(s.Default)
	}
	if s.check == nil {
		return ""
	}
	return s.check(v)
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case bool:
		return "boolean"
	}
	return "number"
}

// DescribeSettings lists the registry for the documentation.
func DescribeSettings() string {
	var lines []string
	for _, s := range registry {
		lines = append(lines, s.describe())
	}
	return strings.Join(lines, " ")
}

// All returns the value of every setting.
func (set Settings) All() map[string]any {
	all := map[string]any{}
	for _, s := range registry {
		all[s.name()] = s.fallback()
		if v, ok := set[s.name()]; ok && s.wrong(v) == "" {
			all[s.name()] = v
		}
	}
	return all
}

// CheckSettings returns the fault of all changes that cannot be accepted.
func CheckSettings(field string, change map[string]any) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(change)) {
		i := slices.IndexFunc(registry, func(s setting) bool { return s.name() == name })
		if i < 0 {
			faults = append(faults, fault.InvalidField(field+"."+name, "is not a setting"))
			continue
		}
		if change[name] == nil {
			continue // back to the default
		}
		if wrong := registry[i].wrong(change[name]); wrong != "" {
			faults = append(faults, fault.InvalidField(field+"."+name, wrong))
		}
	}
	return fault.Join(faults...)
}

func (set Settings) with(change map[string]any) Settings {
	out := Settings{}
	maps.Copy(out, set)
	maps.Copy(out, change)
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}

func checkTimezone(name string) string {
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		return "must be a time zone such as Europe/Berlin"
	}
	return ""
}

var locales = []string{"de", "en", "es", "fr", "it", "ja", "nl", "pt"}

// CheckLocale returns a fault if a language is not one of pages and mails.
func CheckLocale(field, name string) error {
	if wrong := checkLocale(name); wrong != "" {
		return fault.InvalidField(field, wrong)
	}
	return nil
}

func checkLocale(name string) string {
	if !slices.Contains(locales, name) {
		return "must be one of " + strings.Join(locales, ", ")
	}
	return ""
}

func checkRoleModel(name string) string {
	if !slices.Contains(role.Models(), role.Model(name)) {
		return "must be one of single, two_tier, custom"
	}
	return ""
}

func checkHours(n float64) string { return checkWhole(n, 1, 720) }

func checkDays(n float64) string { return checkWhole(n, 1, 3650) }

func checkAuditDays(n float64) string { return checkWhole(n, 30, 3650) }

func checkWhole(n, least, most float64) string {
	if n != math.Trunc(n) || n < least || n > most {
		return fmt.Sprintf("must be a whole number, %v to %v", least, most)
	}
	return ""
}
