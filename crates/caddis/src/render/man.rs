//! Man pages: what clap generates, with the examples in a section of their own and as they are laid out.

use std::io;

use clap::Command;
use clap_mangen::Man;

/// The pages for a command and all below it that are not hidden: file name and text.
pub fn pages(mut command: Command) -> io::Result<Vec<(String, String)>> {
    command.build();
    let mut pages = Vec::new();
    visit(&command, &mut pages)?;
    Ok(pages)
}

fn visit(command: &Command, pages: &mut Vec<(String, String)>) -> io::Result<()> {
    let name = command
        .get_display_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let mut page = Vec::new();
    let man = Man::new(command.clone()).manual("Caddis").source("Caddis");
    man.render(&mut page)?;
    pages.push((
        format!("{name}.1"),
        with_examples(&String::from_utf8_lossy(&page)),
    ));
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| visit(below, pages))
}

/// clap calls what follows the options EXTRA and runs its lines together.
fn with_examples(page: &str) -> String {
    let Some((before, extra)) = page.split_once(".SH EXTRA\n") else {
        return page.to_owned();
    };
    let (extra, after) = match extra.find(".SH ") {
        Some(at) => extra.split_at(at),
        None => (extra, ""),
    };
    let extra = extra.trim_end();
    format!("{before}.SH EXAMPLES AND NOTES\n.nf\n{extra}\n.fi\n{after}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_has_a_page() {
        let pages = pages(Cli::command()).unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["caddis.1", "caddis-run.1", "caddis-admin-policy-check.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("generate")));
        for (name, page) in &pages {
            assert!(
                page.contains(".SH EXAMPLES AND NOTES\n.nf\n"),
                "{name} has no examples"
            );
        }
    }
}
