// Package permission says to people what each permission allows.
package permission

import (
	"cmp"

	"portico/shared/auth"
)

// In says in a language what a permission allows that can be given to an app.
func In(lang string, p auth.Permission) string {
	return cmp.Or(translated[lang][p], auth.Scopes()[p])
}

// translated is what auth.Scopes says in English.
var translated = map[string]map[auth.Permission]string{"de": {
	auth.EventsRead:            "Ereignisse und ihre Daten lesen.",
	auth.EventsWrite:           "Ereignisse veröffentlichen.",
	auth.EventsDelete:          "Ereignisse tilgen, also ihre Daten endgültig entfernen.",
	auth.EventTypesRead:        "Den Ereigniskatalog lesen, also Typen und ihre Schemas.",
	auth.EventTypesWrite:       "Ereignistypen anlegen, ändern, importieren und löschen.",
	auth.EventConsumersRead:    "Empfänger von Ereignissen und deren unzustellbare Ereignisse lesen, ohne Geheimnisse.",
	auth.EventConsumersWrite:   "Empfänger von Ereignissen anlegen, ändern und löschen und ihnen Unzustellbares noch einmal senden.",
	auth.EventStreamWrite:      "Ereignisse mit ihren Daten aus dem Ereignisstrom lesen und bestätigen.",
	auth.WebhookEndpointsRead:  "Webhook-Endpunkte lesen, ohne Geheimnisse.",
	auth.WebhookEndpointsWrite: "Webhook-Endpunkte anlegen, ändern und löschen.",
	auth.DeliveriesRead:        "Zustellungen und ihre Versuche lesen.",
	auth.DeliveriesWrite:       "Zustellungen wiederholen und frühere Ereignisse an einen Webhook-Endpunkt senden.",
	auth.AuditLogRead:          "Das Protokoll lesen: wer was geändert hat.",
	auth.AuditLogDelete:        "Aus dem Protokoll entfernen, wer jemand war: Name, Adresse und Programm. Kein Eintrag wird gelöscht.",
	auth.AuditStreamsRead:      "Weiterleitungen und regelmäßige Exporte des Protokolls lesen, ohne Geheimnisse.",
	auth.AuditStreamsWrite:     "Weiterleitungen und regelmäßige Exporte des Protokolls anlegen, ändern, testen und löschen. Damit lässt sich das ganze Protokoll an jede Adresse senden.",
	auth.OrganizationRead:      "Name, Einstellungen und Aussehen der Organisation lesen.",
	auth.OrganizationWrite:     "Name, Einstellungen und Aussehen der Organisation ändern.",
	auth.OrganizationDelete:    "Die Organisation mit allem löschen, was ihr gehört.",
	auth.OrganizationsCreate:   "Organisationen anlegen. Nur für Personal des Betreibers.",
	auth.MembersRead:           "Mitglieder, die ihnen freigegebenen Objekte und ihre Rechte lesen.",
	auth.MembersWrite:          "Mitglieder und die ihnen freigegebenen Objekte hinzufügen, ändern und entfernen.",
	auth.RolesRead:             "Rollen lesen.",
	auth.RolesWrite:            "Rollen anlegen, ändern und löschen.",
	auth.APIKeysRead:           "API-Schlüssel lesen: was sie dürfen und wann sie zuletzt benutzt wurden.",
	auth.APIKeysWrite:          "API-Schlüssel anlegen, ändern, austauschen und widerrufen. Keiner darf mehr als die App selbst.",
	auth.OAuthClientsRead:      "Apps lesen, ohne Geheimnisse, und welche davon Mitglieder zugelassen haben.",
	auth.OAuthClientsWrite:     "Apps anmelden, ändern und löschen und ihnen den Zugang nehmen. Keine darf mehr als die App selbst.",
	auth.SSOConnectionsRead:    "Verbindungen für Single Sign-on lesen, ohne Geheimnisse, und Spuren gescheiterter Anmeldungen.",
	auth.SSOConnectionsWrite:   "Verbindungen für Single Sign-on anlegen, ändern, einschalten und löschen. Damit kann man sich als jedes Mitglied anmelden, dessen Adresse zu einer Domain der Organisation gehört.",
	auth.DomainsRead:           "Die Domains der Organisation lesen und die DNS-Einträge, die sie nachweisen.",
	auth.DomainsWrite:          "Domains hinzufügen, prüfen und löschen.",
	auth.JobsRead:              "Aufträge lesen: was Portico für die Organisation im Hintergrund tut.",
	auth.JobsWrite:             "Aufträge abbrechen und gescheiterte wiederholen.",
	auth.LimitsRead:            "Die Grenzen der App und ihrer Organisation lesen.",
	auth.LimitsWrite:           "Grenzen von Organisationen setzen. Nur für Personal des Betreibers.",
	auth.MailRead:              "Das Verzeichnis der E-Mails, die Vorlagen und die gesperrten Adressen lesen. Nur für Personal des Betreibers.",
	auth.MailWrite:             "Vorlagen von E-Mails und gesperrte Adressen ändern. Nur für Personal des Betreibers.",
	auth.StaffAccessRead:       "Lesen, wer vom Personal des Betreibers die Organisation betreten darf oder durfte, und warum.",
	auth.StaffAccessWrite:      "Den Zugang des Personals zur Organisation beenden. Das Personal kann ihn auch öffnen.",
	auth.Self:                  "Ihr Konto lesen, Ihren Namen ändern, Ihre Sitzungen sehen und beenden und die zugelassenen Apps sehen und ihnen den Zugang nehmen, in allen Ihren Organisationen.",
}}
