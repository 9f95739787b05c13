//go:build tools

// Package tools pins the telegraf command that the tests run.
package tools

import _ "github.com/influxdata/telegraf/cmd/telegraf"
