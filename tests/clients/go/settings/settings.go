// Package settings reads from the environment where the broker is and how to log in.
package settings

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// User is the name that goes with a connection string as password.
const User = "$ConnectionString"

var (
	Bootstrap = os.Getenv("BOOTSTRAP")
	Topic     = os.Getenv("TOPIC")
	Group     = os.Getenv("GROUP")
	Password  = os.Getenv("CONNECTION_STRING")
)

// TLS is nil where the broker is plaintext.
func TLS() *tls.Config {
	if Password == "" {
		return nil
	}
	pem, err := os.ReadFile(os.Getenv("CA_FILE"))
	Must(err, "read the CA")
	pool := x509.NewCertPool()
	Expect(pool.AppendCertsFromPEM(pem), "no certificate in the CA file")
	return &tls.Config{RootCAs: pool}
}

// Must ends the program where err is one.
func Must(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

// Expect ends the program where the condition doesn't hold.
func Expect(condition bool, format string, values ...any) {
	if !condition {
		fmt.Fprintf(os.Stderr, "expectation failed: "+format+"\n", values...)
		os.Exit(1)
	}
}

// OK is the last line of a program that found all as it should be.
func OK() { fmt.Println("ok") }
