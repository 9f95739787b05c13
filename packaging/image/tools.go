//go:build tools

package main

// Reads an image back: `crane validate --tarball`.
import _ "github.com/google/go-containerregistry/cmd/crane"
