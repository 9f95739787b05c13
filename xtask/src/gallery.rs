//! The gallery of docs/algorithms.md: what each plugin does, a picture, and a TICKscript.
//!
//! All of it is taken from the plugins' folders, so that no page says something else than another. The pictures are
//! drawn by `kapacitor-wasm replay`.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{folders, host, root, run, say};

/// The page, and the line behind which the gallery begins.
const PAGE: &str = "docs/algorithms.md";
const MARK: &str = "<!-- What follows is written by `cargo xtask gallery`. -->\n";

/// Writes the gallery, or checks that it is as it would be written. `--pictures` draws the pictures, too.
pub fn gallery(rest: &[String]) -> Result<(), String> {
    let (mut check, mut pictures) = (false, false);
    for argument in rest {
        match argument.as_str() {
            "--check" => check = true,
            "--pictures" => pictures = true,
            other => {
                return Err(format!(
                    "`cargo xtask gallery` has no argument `{other}`: there are --check and --pictures"
                ));
            }
        }
    }
    if pictures {
        draw()?;
    }
    let path = root().join(PAGE);
    let page = read(&path)?;
    let (head, before) =
        page.split_once(MARK).ok_or_else(|| format!("{PAGE}: the line {MARK:?} is missing"))?;
    let gallery = results()? + &sections(head)?;
    if before == gallery {
        return Ok(());
    }
    if check {
        return Err(format!("{PAGE} does not say what the plugins' pages say: run `cargo xtask gallery`"));
    }
    fs::write(&path, format!("{head}{MARK}{gallery}")).map_err(|e| format!("{PAGE}: {e}"))
}

/// The results of the detectors, from the page of the benchmark.
fn results() -> Result<String, String> {
    let page = read(&root().join("benchmark/README.md"))?;
    let table = page
        .split("## Results")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").find(|part| part.starts_with('|')));
    let table = table.ok_or("benchmark/README.md: there is no table under `## Results`")?;
    Ok(format!(
        "\n## Results of the detectors\n\nIn the Numenta Anomaly Benchmark: 58 series of servers, traffic, sensors and others, whose \
         anomalies are\nlabelled. 100 is perfect, and 0 finds nothing. Rows in italics are the published results of other \
         detectors.\n[benchmark/](../benchmark/README.md) says how it is measured, what was chosen with a look at the labels, \
         and how to\nrepeat it.\n\n{table}\n"
    ))
}

/// The sections of all plugins. The `head` of the page must name each of them.
fn sections(head: &str) -> Result<String, String> {
    let mut text = String::new();
    for plugin in folders(&root().join("plugins"))? {
        if !head.contains(&format!("](#{plugin})")) {
            return Err(format!(
                "{PAGE}: nothing says when to use `{plugin}`: add `[{plugin}](#{plugin})` to a table"
            ));
        }
        let folder = root().join("plugins").join(&plugin);
        let readme = read(&folder.join("README.md"))?;
        let first = readme.split("\n\n").nth(1).unwrap_or_default().trim();
        // Links are relative to the folder of the plugin there.
        let first = first.replace("](../../docs/", "](").replace("](../", "](../plugins/");
        text +=
            &format!("\n## {plugin}\n\n{first}\n\nMore: [plugins/{plugin}](../plugins/{plugin}/README.md)\n");
        if let Ok(script) = fs::read_to_string(folder.join("example.tick")) {
            text += &format!("\n![The example of {plugin}](../plugins/{plugin}/example.svg)\n");
            text += &format!("\n```javascript\n{}\n```\n", script.trim_end());
        }
    }
    Ok(text)
}

/// Draws the picture of each example.
fn draw() -> Result<(), String> {
    let host = host()?;
    super::plugins()?;
    for plugin in folders(&root().join("plugins"))? {
        let folder = Path::new("plugins").join(&plugin);
        if root().join(&folder).join("example.tick").exists() {
            say(&format!("drawing {}", folder.join("example.svg").display()));
            let mut replay = Command::new(&host);
            replay.current_dir(root()).args(["replay", &plugin, "--plugins-dir", "plugins", "--tick"]);
            replay.arg(folder.join("example.tick")).arg("--input").arg(folder.join("cases/example/input.lp"));
            replay.arg("--svg").arg(folder.join("example.svg"));
            run(&mut replay)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
