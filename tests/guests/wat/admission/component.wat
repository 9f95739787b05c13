;; Is a WebAssembly component.
(component)
