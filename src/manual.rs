//! `falconer man`: one page with every command and every option.
//!
//! clap_mangen makes a page of a command, and names a page of its own for each command below it.
//! Nobody installed those, so what it would put there is put into this one:
//!
//! 1. The head of the program's page, up to its options.
//! 2. Each command, in the order of `--help`, as a section; the sections of its own page stand one
//!    level below.
//! 3. What a page of its own would repeat (title, name, version) is left out.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;

/// Writes the page.
pub(crate) fn write(command: Command, out: &mut impl Write) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true).max_term_width(0);
    command.build();
    let page = Man::new(command.clone());
    // Its own title leaves out what is empty, and then the version stands for the date.
    let version = command.get_version().unwrap_or_default();
    writeln!(out, ".TH FALCONER 1 \"\" \"falconer {version}\" \"Falconer\"")?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    below(&command, out)?;
    page.render_extra_section(out)
}

/// The commands below one; those that only group others are left to these.
fn below(parent: &Command, out: &mut impl Write) -> io::Result<()> {
    for command in parent.get_subcommands().filter(|command| !command.is_hide_set()) {
        if command.has_subcommands() {
            below(command, out)?;
            continue;
        }
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        let page = Man::new(command.clone());
        let mut sections = Vec::new();
        page.render_description_section(&mut sections)?;
        page.render_synopsis_section(&mut sections)?;
        page.render_options_section(&mut sections)?;
        writeln!(out, ".SH \"{}\"", name.to_uppercase())?;
        out.write_all(lowered(&String::from_utf8_lossy(&sections)).as_bytes())?;
    }
    Ok(())
}

/// Sections one level lower. The first is the description, which needs no heading here, and each
/// begins with two lines that every page has once.
fn lowered(sections: &str) -> String {
    let lines = sections.lines().filter(|line| {
        !line.starts_with(".ie ") && !line.starts_with(".el ") && *line != ".SH DESCRIPTION"
    });
    lines.map(|line| line.replacen(".SH ", ".SS ", 1) + "\n").collect()
}
