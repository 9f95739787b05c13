//! Files of the state folder.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file that is there whole or not at all, also after a loss of power.
///
/// # Errors
///
/// What the system says; nothing is left behind then but a `.partial` file.
pub(crate) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join(name);
    let partial = folder.join(format!("{name}.partial"));
    let mut file = fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, &path)?;
    Ok(path)
}

/// An id as part of a file name.
pub(crate) fn file_name(id: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }
    };
    id.chars().take(80).map(plain).collect()
}
