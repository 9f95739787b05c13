// Kapacitor's own example UDFs (moving_avg, outliers and mirror, in Go and in Python) that the
// benchmark compares with. The Go ones are built from here; the Python ones run from the same
// module's folder. Nothing of Kapacitor is copied into this repository.
//
// The replaces at the end are Kapacitor's: those of a dependency have no effect on the module that
// depends on it, so they are repeated here.

module kapacitor-wasm.test/peers

go 1.25.10

require github.com/influxdata/kapacitor v1.8.6

require google.golang.org/protobuf v1.36.11 // indirect

replace gopkg.in/fsnotify.v1 => github.com/fsnotify/fsnotify v1.4.2

replace k8s.io/client-go => k8s.io/client-go v0.20.5

replace k8s.io/api => k8s.io/api v0.20.5

replace github.com/dgrijalva/jwt-go => github.com/Waterdrips/jwt-go v3.2.1-0.20200915121943-f6506928b72e+incompatible
