// Command image puts one layer into a container image and writes it as a folder that is an OCI image layout and, with
// its manifest.json, what `docker load` reads as well. It reads the image back and validates it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// The name that an image gets where it is loaded.
const name = "kapacitor-wasm"

// The address of the project, which labels name.
const source = "https://github.com/kapacitor-wasm/kapacitor-wasm"

func main() {
	version := flag.String("version", "", "version of the binary in the image")
	architecture := flag.String("architecture", "", "architecture of the binary, such as amd64")
	user := flag.String("user", "", "number of the user and of the group of the process")
	layer := flag.String("layer", "", "archive with the files of the image")
	output := flag.String("output", "", "empty folder for the image")
	flag.Parse()
	if err := write(*version, *architecture, *user, *layer, *output); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func write(version, architecture, user, layer, output string) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH is the time of the image, in seconds since 1970: %w", err)
	}
	created := v1.Time{Time: time.Unix(seconds, 0).UTC()}
	labels := map[string]string{
		"org.opencontainers.image.title":         name,
		"org.opencontainers.image.description":   "Every UDF of a Kapacitor in one process, each task in a WebAssembly sandbox of its own",
		"org.opencontainers.image.version":       version,
		"org.opencontainers.image.created":       created.Format(time.RFC3339),
		"org.opencontainers.image.licenses":      "MIT",
		"org.opencontainers.image.source":        source,
		"org.opencontainers.image.documentation": source + "/blob/main/docs/packages.md",
	}
	image, err := build(layer, architecture, user, created, labels)
	if err != nil {
		return err
	}
	if err := save(image, version, output); err != nil {
		return err
	}
	return check(output)
}

// build makes an image of nothing but the layer.
func build(layer, architecture, user string, created v1.Time, labels map[string]string) (v1.Image, error) {
	files, err := tarball.LayerFromFile(layer, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	history := v1.History{Created: created, CreatedBy: "cargo xtask dist"}
	image, err := mutate.Append(base, mutate.Addendum{Layer: files, History: history, MediaType: types.OCILayer})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", architecture, created
	config.Config = v1.Config{
		User:       user + ":" + user,
		Entrypoint: []string{"/usr/bin/kapacitor-wasm"},
		Cmd:        []string{"serve"},
		Env:        []string{"PATH=/usr/bin"},
		WorkingDir: "/var/lib/kapacitor-wasm",
		Volumes:    map[string]struct{}{"/run/kapacitor-wasm": {}, "/var/lib/kapacitor-wasm": {}},
		StopSignal: "SIGTERM",
		Labels:     labels,
	}
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, labels).(v1.Image), nil
}

// save writes the layout, and manifest.json beside it, which names the same blobs.
func save(image v1.Image, version, output string) error {
	path, err := layout.Write(output, empty.Index)
	if err != nil {
		return err
	}
	reference := "docker.io/library/" + name + ":" + version
	annotations := map[string]string{
		"io.containerd.image.name":          reference,
		"org.opencontainers.image.ref.name": version,
	}
	if err := path.AppendImage(image, layout.WithAnnotations(annotations)); err != nil {
		return err
	}
	config, err := image.ConfigName()
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	loaded := tarball.Descriptor{Config: blob(config), RepoTags: []string{name + ":" + version}}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		loaded.Layers = append(loaded.Layers, blob(digest))
	}
	manifest, err := json.Marshal(tarball.Manifest{loaded})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(output, "manifest.json"), manifest, 0o644)
}

// blob is the path of a blob in a layout.
func blob(digest v1.Hash) string {
	return "blobs/" + digest.Algorithm + "/" + digest.Hex
}

// check reads the image from the layout, and compares every digest and size with what is there.
func check(output string) error {
	index, err := layout.ImageIndexFromPath(output)
	if err != nil {
		return err
	}
	return validate.Index(index)
}
