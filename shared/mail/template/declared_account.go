package template

import "time"

// The templates here are about a user's own account, and no organization stands around
// them. URL is a link that the user must open to act; it is never empty. Device says in
// words with what the request came, and IP from where; both may be "".

// LinkData is a link that works once, until a time.
type LinkData struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
	Device    string    `json:"device"`
	IP        string    `json:"ip"`
}

// NoticeData tells what was done with an account.
type NoticeData struct {
	At     time.Time `json:"at"`
	Device string    `json:"device"`
	IP     string    `json:"ip"`
	URL    string    `json:"url"` // where to act if it was somebody else
}

// AccountLinkedData tells that an account at a provider signs in from now on.
type AccountLinkedData struct {
	Provider string    `json:"provider"` // such as Google
	Account  string    `json:"account"`  // its address; "": the provider tells none
	At       time.Time `json:"at"`
	Device   string    `json:"device"`
	IP       string    `json:"ip"`
	URL      string    `json:"url"` // where to remove it
}

// FactorsResetData tells that an organization has removed all second factors.
type FactorsResetData struct {
	Organization string    `json:"organization"`
	At           time.Time `json:"at"`
	URL          string    `json:"url"` // where to set up a new one
}

// AddressNoticeData tells the old address of a new one.
type AddressNoticeData struct {
	NewAddress string    `json:"new_address"`
	At         time.Time `json:"at"`
	Device     string    `json:"device"`
	IP         string    `json:"ip"`
	URL        string    `json:"url"` // takes the change back
	UndoUntil  time.Time `json:"undo_until"`
}

// FactorChangedData tells how second factors were changed or used, or that a linked account
// was removed.
type FactorChangedData struct {
	Change    string    `json:"change"`     // one of those below
	Passkey   string    `json:"passkey"`    // its name, or ""
	CodesLeft int       `json:"codes_left"` // recovery codes that still work, after one was used
	At        time.Time `json:"at"`
	Device    string    `json:"device"`
	IP        string    `json:"ip"`
	URL       string    `json:"url"` // where to act if it was somebody else
}

// The changes.
const (
	TOTPAdded      = "totp_added"
	TOTPRemoved    = "totp_removed"
	PasskeyAdded   = "passkey_added"
	PasskeyRemoved = "passkey_removed"
	CodesMade      = "codes_made"
	CodeUsed       = "code_used"
	// AccountUnlinked: an account at a provider does not sign in any more.
	AccountUnlinked = "account_unlinked"
)

// CodeData is a code that a person types into the page that asks for it.
type CodeData struct {
	Code      string    `json:"code"`
	ExpiresAt time.Time `json:"expires_at"`
	Device    string    `json:"device"`
	IP        string    `json:"ip"`
	URL       string    `json:"url"` // where to act if it was somebody else
}

const (
	sampleDevice = "Firefox on Linux"
	sampleIP     = "192.0.2.44"
	sampleReset  = "https://portico.example.com/reset"
	sampleToken  = "4kzm9qwe7rty2uio5pas8dfg1hjk3lzx6cvb0nmq4wer"
)

func sampleLink(path string) LinkData {
	return LinkData{"https://portico.example.com/sign-in/" + path + "/" + sampleToken, sampleTime.Add(10 * time.Minute), sampleDevice, sampleIP}
}

func sampleNotice(path string) NoticeData {
	return NoticeData{sampleTime, sampleDevice, sampleIP, "https://portico.example.com/" + path}
}

func sampleAddressNotice(path string) AddressNoticeData {
	return AddressNoticeData{"ada.lovelace@new.example", sampleTime, sampleDevice, sampleIP, "https://portico.example.com/" + path + "/" + sampleToken, sampleTime.AddDate(0, 0, 7)}
}

// account declares a template about a user's own account. Nobody can unsubscribe from it.
func account[T any](name string, samples ...named[T]) Of[T] {
	return declare(Template{Name: name, Stream: Product, Account: true}, samples...)
}

var (
	// VerifyAddress asks a person who signs up to prove the address.
	VerifyAddress = account("verify_address", named[LinkData]{"sign-up", sampleLink("verify")})
	// SignUpKnownAddress is sent in place of VerifyAddress if the address has an account.
	SignUpKnownAddress = account("sign_up_known_address", named[NoticeData]{"again", sampleNotice("sign-in")})
	// SignInLink signs in who opens it where it was asked for.
	SignInLink = account("sign_in_link", named[LinkData]{"browser", sampleLink("link")})
	// ResetPassword lets a person choose a new password.
	ResetPassword = account("reset_password", named[LinkData]{"forgotten", sampleLink("reset")}, named[LinkData]{"unknown device", LinkData{"https://portico.example.com/sign-in/reset/" + sampleToken, sampleTime, "", ""}})
	// PasswordChanged tells of a new password.
	PasswordChanged = account("password_changed", named[NoticeData]{"changed", sampleNotice("sign-in/reset")})
	// AccountLinked tells of another account with which the person signs in.
	AccountLinked = account("account_linked", named[AccountLinkedData]{"linked", AccountLinkedData{"Google", "ada@gmail.com", sampleTime, sampleDevice, sampleIP, "https://portico.example.com/account/linked"}},
		named[AccountLinkedData]{"unnamed", AccountLinkedData{"GitHub", "", sampleTime, "", "", "https://portico.example.com/account/linked"}})
	// FactorChanged tells that a second factor was added or removed, and of recovery codes.
	FactorChanged = account("factor_changed",
		named[FactorChangedData]{"totp added", FactorChangedData{TOTPAdded, "", 0, sampleTime, sampleDevice, sampleIP, sampleReset}},
		named[FactorChangedData]{"totp removed", FactorChangedData{TOTPRemoved, "", 0, sampleTime, sampleDevice, sampleIP, sampleReset}},
		named[FactorChangedData]{"passkey added", FactorChangedData{PasskeyAdded, "Ada's laptop & its key", 0, sampleTime, sampleDevice, sampleIP, sampleReset}},
		named[FactorChangedData]{"passkey removed", FactorChangedData{PasskeyRemoved, "", 0, sampleTime, "", "", sampleReset}},
		named[FactorChangedData]{"codes made", FactorChangedData{CodesMade, "", 0, sampleTime, sampleDevice, sampleIP, sampleReset}},
		named[FactorChangedData]{"account unlinked", FactorChangedData{AccountUnlinked, "", 0, sampleTime, sampleDevice, sampleIP, sampleReset}},
		named[FactorChangedData]{"code used", FactorChangedData{CodeUsed, "", 9, sampleTime, sampleDevice, sampleIP, sampleReset}},
		named[FactorChangedData]{"code left", FactorChangedData{CodeUsed, "", 1, sampleTime, sampleDevice, sampleIP, sampleReset}})
	// FactorsReset tells that an organization has removed all second factors.
	FactorsReset = account("factors_reset", named[FactorsResetData]{"reset", FactorsResetData{"Acme & Söhne", sampleTime, "https://portico.example.com/account/totp"}})
	// ConfirmFactor has the code without which nobody sets up the first second factor.
	ConfirmFactor = account("confirm_factor", named[CodeData]{"code", CodeData{"4KZM9QWE", sampleTime.Add(10 * time.Minute), sampleDevice, sampleIP, sampleReset}})
	// NewDevice tells that somebody has signed in with a device that was not known.
	NewDevice = account("new_device", named[NoticeData]{"new", sampleNotice("account")}, named[NoticeData]{"unknown", NoticeData{sampleTime, "", "", "https://portico.example.com/account"}})
	// ChangeAddress asks for a proof of the new address. It goes to that address, which may
	// be a stranger's, so it does not name the account.
	ChangeAddress = account("change_address", named[LinkData]{"new", sampleLink("change-address")})
	// ChangeAddressTaken is sent in place of ChangeAddress if another account has the address.
	ChangeAddressTaken = account("change_address_taken", named[NoticeData]{"taken", sampleNotice("sign-in")})
	// AddressChangeRequested tells the old address that a new one is to be proven.
	AddressChangeRequested = account("address_change_requested", named[AddressNoticeData]{"asked", sampleAddressNotice("sign-in/keep-address")})
	// AddressChanged tells the old address that it is no longer used.
	AddressChanged = account("address_changed", named[AddressNoticeData]{"changed", sampleAddressNotice("sign-in/undo-address")})
)
