//go:build tools

package main

// Has the schemas of Kubernetes' own objects.
import _ "sigs.k8s.io/kubectl-validate"
