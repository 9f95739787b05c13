//go:build tools

// Package tools pins the kapacitord and kapacitor commands that the tests run.
package tools

import (
	_ "github.com/influxdata/kapacitor/cmd/kapacitor"
	_ "github.com/influxdata/kapacitor/cmd/kapacitord"
)
