// Command sign-in serves the pages on which people sign up, sign in and look after
// their account; see shared/pages/signin.
package main

import "portico/shared/lambdahost/site"

func main() { site.SignIn() }
