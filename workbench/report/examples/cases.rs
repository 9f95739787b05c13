//! Writes reports of several kinds into a folder, to look at them: `cargo run --example cases -- FOLDER`.

#[path = "../tests/cases/mod.rs"]
mod cases;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    for case in cases::ALL {
        let start = std::time::Instant::now();
        let (report, recorder) = (case.make)();
        let recorded = start.elapsed();
        let start = std::time::Instant::now();
        let file = |kind: &str| File::create(Path::new(&folder).join(format!("{}.{kind}", case.name)));
        report.write_html(&recorder, &mut BufWriter::new(file("html")?))?;
        report.write_svg(&recorder, &mut BufWriter::new(file("svg")?))?;
        println!("{}: made in {recorded:?}, written in {:?}", case.name, start.elapsed());
    }
    Ok(())
}
