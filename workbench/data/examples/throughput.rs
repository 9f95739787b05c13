//! Reads a file, and prints how many points it has and how many were read in a second.

use std::path::Path;
use std::time::Instant;

use kapacitor_wasm_data::input::{self, Options};

fn main() {
    for file in std::env::args().skip(1) {
        let start = Instant::now();
        let mut input = match input::open(Path::new(&file), &Options::default()) {
            Ok(input) => input,
            Err(error) => {
                println!("{error}");
                continue;
            }
        };
        let (mut records, mut end) = (0, None);
        for record in &mut input {
            match record {
                Ok(_) => records += 1,
                Err(error) => end = Some(error),
            }
        }
        let (seconds, format) = (start.elapsed().as_secs_f64(), input.format());
        println!("{file}: {format}, {records} records, {:.0} in a second", f64::from(records) / seconds);
        for line in &input.bad_lines().first {
            println!("  {line}");
        }
        if let Some(error) = end {
            println!("  {error}");
        }
    }
}
