// The Telegraf that the tests run.
//
// Build tags choose its plugins (see binary.rs), so that most of what Telegraf depends on is neither
// fetched nor built. `go mod tidy` ignores these tags and would add all of it. After a change, run
// `go build -mod=mod` with the tags instead, which adds to go.sum what is needed.

module kapacitor-wasm.test/telegraf

go 1.25.5

require github.com/influxdata/telegraf v1.37.2
