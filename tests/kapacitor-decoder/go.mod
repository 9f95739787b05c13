// Kapacitor's own decoder of what a UDF sends, for the tests of the guard.
//
// The replaces are those of Kapacitor's go.mod: they do not reach a module that requires it.

module kapacitor-wasm.test/kapacitor-decoder

go 1.25.10

require github.com/influxdata/kapacitor v1.8.6

require google.golang.org/protobuf v1.36.11 // indirect

replace gopkg.in/fsnotify.v1 => github.com/fsnotify/fsnotify v1.4.2

replace k8s.io/client-go => k8s.io/client-go v0.20.5

replace k8s.io/api => k8s.io/api v0.20.5

replace github.com/dgrijalva/jwt-go => github.com/Waterdrips/jwt-go v3.2.1-0.20200915121943-f6506928b72e+incompatible
