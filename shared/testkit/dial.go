package testkit

import (
	"net"
	"os"
	"syscall"
)

// DialError is the error of a connection attempt whose system call failed.
func DialError(call string, errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(call, errno)}
}

// DialErrorAt is the error of a connection to an address.
func DialErrorAt(ip string, errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 443}, Err: os.NewSyscallError("connect", errno)}
}
