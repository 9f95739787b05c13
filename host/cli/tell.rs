//! What a command says on stderr.

use std::io::{self, Write as _};

use crate::logging::visible;

/// Says a sentence on stderr, with the name of the program. Nobody may be reading, which is no reason to fail.
pub fn tell(sentence: &str) {
    let _ = writeln!(io::stderr(), "kapacitor-wasm: {}", visible(sentence));
}
