//go:build tools

// Package tools pins the promtool command that checks packaging/alerts.yml.
package tools

import _ "github.com/prometheus/prometheus/cmd/promtool"
