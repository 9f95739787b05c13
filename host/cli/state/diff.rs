//! `state diff`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::logging::on_one_line;
use crate::state::{PayloadKind, Snapshot, page_runs};
use crate::units::Bytes;
use anyhow::{Context, Result};

use super::Found;
use super::show::lines;

/// Most pieces of memory that are listed.
const MOST: usize = 16;

/// No plugin can have more.
const MOST_MEMORY: Bytes = Bytes::mib(4096);

/// Bytes of a page, and the piece that is compared.
const PAGE: usize = 4096;

/// What differs between two states.
pub fn diff(one: &Found, other: &Found) -> Result<String> {
    let [a, b] = [one, other].map(|found| {
        let snapshot = Snapshot::parse(&found.bytes).with_context(|| found.name.clone())?;
        let payload = snapshot.payload(MOST_MEMORY).with_context(|| found.name.clone())?;
        anyhow::Ok((snapshot, payload))
    });
    let ((a, a_payload), (b, b_payload)) = (a?, b?);
    let mut out = format!("- {}\n+ {}\n", on_one_line(&one.name), on_one_line(&other.name));
    for ((name, was), (_, is)) in lines(&a, &one.bytes).into_iter().zip(lines(&b, &other.bytes)) {
        if was != is {
            write!(out, "{name}\n  - {was}\n  + {is}\n")?;
        }
    }
    if a_payload == b_payload && a.header.globals == b.header.globals {
        out += "the state is the same\n";
        return Ok(out);
    }
    match (a.header.kind(), b.header.kind()) {
        (PayloadKind::Memory, PayloadKind::Memory) => {
            globals(&a.header.globals, &b.header.globals, &mut out)?;
            memory(&a_payload, &b_payload, &mut out)?;
        }
        (PayloadKind::Plugin, PayloadKind::Plugin) => {
            let same = a_payload.iter().zip(&b_payload).take_while(|(a, b)| a == b).count();
            let (was, is) = (a_payload.len(), b_payload.len());
            writeln!(
                out,
                "the plugin's own format: {was} bytes and {is} bytes, the first {same} are the same"
            )?;
        }
        _ => {}
    }
    Ok(out)
}

fn globals(was: &[u64], is: &[u64], out: &mut String) -> Result<()> {
    for (i, (was, is)) in was.iter().zip(is).enumerate() {
        if was != is {
            writeln!(out, "global {i}: {was:#x} and {is:#x}")?;
        }
    }
    Ok(())
}

/// Says which pieces of memory differ. A page that only one of them has is as it was at the start in the
/// other one.
fn memory(was: &[u8], is: &[u8], out: &mut String) -> Result<()> {
    let (was, is) = (pages(was)?, pages(is)?);
    let mut differ = Vec::new();
    let mut at: Vec<_> = was.keys().chain(is.keys()).copied().collect();
    at.sort_unstable();
    at.dedup();
    for address in at {
        match (was.get(&address), is.get(&address)) {
            (Some(a), Some(b)) => {
                let count = a.iter().zip(*b).filter(|(a, b)| a != b).count();
                if count > 0 {
                    differ.push(format!("{address:#08x}: {count} bytes of the page"));
                }
            }
            (Some(_), None) => differ.push(format!("{address:#08x}: a page of the first one only")),
            (None, _) => differ.push(format!("{address:#08x}: a page of the second one only")),
        }
    }
    writeln!(out, "memory: {} pages of {PAGE} bytes differ", differ.len())?;
    for line in differ.iter().take(MOST) {
        writeln!(out, "  {line}")?;
    }
    if differ.len() > MOST {
        writeln!(out, "  and {} more", differ.len() - MOST)?;
    }
    Ok(())
}

fn pages(payload: &[u8]) -> Result<BTreeMap<usize, &[u8]>> {
    let mut pages = BTreeMap::new();
    for run in page_runs(payload) {
        let (start, bytes) = run?;
        pages.extend(bytes.chunks(PAGE).enumerate().map(|(i, page)| (start + i * PAGE, page)));
    }
    Ok(pages)
}
