// Command mail serves what staff do with mail; see shared/api/mail.
package main

import (
	"portico/shared/api/mail"
	"portico/shared/lambdahost"
)

func main() { lambdahost.API(mail.List, mail.Get) }
