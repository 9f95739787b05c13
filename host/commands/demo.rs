//! `demo`.
#[derive(clap::Args)]
pub struct Options {}
pub fn demo(_: &Options) -> anyhow::Result<std::process::ExitCode> {
    anyhow::bail!("not yet")
}
