//! Tables for a terminal.

use comfy_table::{Table, presets};

/// An empty table for a terminal.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.iter().copied());
    table
}
