//go:build tools

// Package tools pins Kapacitor's example UDFs that the benchmark runs as peers.
package tools

import (
	_ "github.com/influxdata/kapacitor/udf/agent/examples/mirror"
	_ "github.com/influxdata/kapacitor/udf/agent/examples/moving_avg"
	_ "github.com/influxdata/kapacitor/udf/agent/examples/outliers"
)
