//! `falconer man`: one manual page with every command and every option.
//!
//! clap_mangen renders one page for each command and refers to the pages of its subcommands. Only
//! this page gets installed, so it includes the others:
//!
//! 1. The head of the program's page, up to its options.
//! 2. Each command as a section, in the order of `--help`. The sections of the command's own page
//!    become subsections.
//! 3. Title, name and version of a command's own page are left out.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;

/// Writes the page to `out`.
pub(crate) fn write(command: Command, out: &mut impl Write) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true).max_term_width(0);
    command.build();
    let page = Man::new(command.clone());
    // clap_mangen's title omits empty fields, which would put the version in place of the date.
    let version = command.get_version().unwrap_or_default();
    writeln!(out, ".TH FALCONER 1 \"\" \"falconer {version}\" \"Falconer\"")?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    below(&command, out)?;
    page.render_extra_section(out)
}

/// Writes the subcommands of `parent`. A command that only groups others has no section.
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

/// Turns sections into subsections. Drops the heading of the description, and the `.ie` and `.el`
/// lines that each rendered part begins with.
fn lowered(sections: &str) -> String {
    let lines = sections.lines().filter(|line| {
        !line.starts_with(".ie ") && !line.starts_with(".el ") && *line != ".SH DESCRIPTION"
    });
    lines.map(|line| line.replacen(".SH ", ".SS ", 1) + "\n").collect()
}
