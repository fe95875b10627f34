//! The inputs and their state, for the status and `/readyz`.

use std::fmt::Write as _;

use falconer_gateway::port::{Input as Told, InputFile};

use crate::ingest::presence::{Asked, Down};
use crate::ingest::{ACCEPTED, Input, Intake};

/// The most inputs that the answer to a probe names.
const MOST_NAMED: usize = 5;

/// Checks that no configured input is down. The error has no paths, because probes need no token.
pub(super) fn ready(intake: &Intake) -> Result<(), String> {
    let states = intake.presence().states();
    let mut down = states.iter().filter_map(|(asked, down)| Some((asked, down.as_ref()?)));
    let mut text = String::new();
    for (Asked { input, .. }, Down { why, since }) in down.by_ref().take(MOST_NAMED) {
        let separator = if text.is_empty() { "" } else { "\n" };
        // Writing into a string does not fail.
        let _ = write!(text, "{separator}input {}: {why} (since {since:.0})", input.name());
    }
    let more = down.count();
    if more > 0 {
        let _ = write!(text, "\nand {more} more");
    }
    if text.is_empty() { Ok(()) } else { Err(text) }
}

/// Returns every input that is configured or has received records.
pub(super) fn told(intake: &Intake) -> Vec<Told> {
    let (counts, latest, states) = (intake.counts(), intake.latest(), intake.presence().states());
    let names = counts.keys().map(|(input, _)| *input).chain(states.keys().map(|of| of.input));
    let mut inputs: Vec<Input> = names.collect();
    inputs.sort_unstable();
    inputs.dedup();
    let one = |input: Input| {
        let of_it = || counts.iter().filter(move |((of, _), _)| *of == input);
        let accepted = |status: &str| status == ACCEPTED;
        let sum = |wanted: bool| {
            of_it().filter(|((_, status), _)| accepted(status) == wanted).map(|(_, n)| n).sum()
        };
        let asked = || states.iter().filter(move |(asked, _)| asked.input == input);
        let down = asked().find_map(|(asked, down)| Some((asked, down.as_ref()?)));
        Told {
            name: input.name().into(),
            received: sum(true),
            refused: sum(false),
            last: latest.get(&input).copied(),
            error: down.map(|(asked, Down { why, .. })| match &asked.path {
                Some(path) => format!("{}: {why}", path.display()),
                None => why.clone(),
            }),
            since: down.map(|(_, down)| down.since),
            files: asked().filter_map(|(asked, down)| file(asked, down.as_ref())).collect(),
        }
    };
    inputs.into_iter().map(one).collect()
}

fn file(asked: &Asked, down: Option<&Down>) -> Option<InputFile> {
    Some(InputFile {
        path: asked.path.as_ref()?.display().to_string(),
        error: down.map(|down| down.why.clone()),
        since: down.map(|down| down.since),
    })
}
