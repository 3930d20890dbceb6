//! `recover`: what is left of a cluster that lost its quorum, and a member made of the best of it.
//!
//! Directories are compared by the end of their logs, as members compare each other in an election:
//! a higher last term wins, then a longer log. Whatever any of them had agreed on is in that log.

mod copy;
mod inspect;
mod verdict;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use notation::table;
use serde::Serialize;
use serde_json::json;

use self::inspect::Found;
use self::verdict::Verdict;
use crate::cli::{self, Arguments, Command, Flag, Run};
use crate::failure::Failure;
use crate::log::info;
use crate::output::Format;
use crate::run::print;

const PLACE: &str = "etcdutl/recover";
const HEADS: &[&str] = &[
    "DATA DIR",
    "MEMBER",
    "LAST TERM",
    "LAST ENTRY",
    "AGREED",
    "REVISION",
    "STATE",
];

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "recover",
    operands: "<data-dir> [<data-dir>...]",
    about: "Tells what is left of a cluster that lost its quorum, and rebuilds a member from it",
    flags: &[
        Flag::text(
            "to",
            "",
            "write the most advanced member here, to be started with --force-new-cluster",
        ),
        Flag::switch(
            "force",
            "rebuild although the members that are left are a quorum",
        ),
    ],
    run: Run::Do(run),
    ..Command::EMPTY
};

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let format = cli::format(arguments)?;
    let count = arguments.operands.len();
    let data_dirs: Vec<String> = (0..count).filter_map(|at| arguments.operand(at)).collect();
    if data_dirs.is_empty() {
        return Err(Failure::Arguments(
            "recover requires the data directories that are left",
        ));
    }
    let found: Vec<Found> = data_dirs
        .iter()
        .map(|dir| inspect::inspect(dir, cli::timeout(arguments)))
        .collect();
    let verdict = verdict::judge(&found).map_err(Failure::Operation)?;
    show(&found, &verdict, format)?;
    if let Some(to) = cli::given(arguments, "to") {
        let force = arguments.bool("force");
        rebuild(&found[verdict.best], &verdict, &to, force)?;
    }
    Ok(())
}

/// The whole as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    directories: &'a [Found],
    verdict: &'a Verdict,
}

fn show(found: &[Found], verdict: &Verdict, format: Format) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = found
        .iter()
        .enumerate()
        .map(|(at, found)| found.cells(at == verdict.best))
        .collect();
    let sentences = verdict.sentences(&found[verdict.best]).join("\n");
    let text = match format {
        Format::Simple => {
            let lines: String = rows.iter().map(|row| row.join(", ") + "\n").collect();
            format!("{lines}\n{sentences}\n")
        }
        Format::Table => format!("{}\n{sentences}\n", table::render(HEADS, &rows)),
        Format::Fields => {
            let fields = rows.iter().map(|row| {
                let pairs = HEADS.iter().zip(row);
                let lines: String = pairs
                    .map(|(head, cell)| format!("\"{head}\" : {cell:?}\n"))
                    .collect();
                lines + "\n"
            });
            format!("{}{sentences}\n", fields.collect::<String>())
        }
        Format::Json => {
            let whole = Whole {
                directories: found,
                verdict,
            };
            let text = serde_json::to_string(&whole).context("cannot write JSON")?;
            format!("{text}\n")
        }
        Format::Protobuf => {
            return Err(Failure::Format("protobuf not supported as output format"));
        }
    };
    print(&text)
}

/// Makes a directory that starts alone with everything that the best one has.
fn rebuild(best: &Found, verdict: &Verdict, to: &str, force: bool) -> Result<(), Failure> {
    if verdict.has_quorum && !force {
        let text = "these members are a quorum: start them instead (--force rebuilds all the same)";
        return Err(Failure::Argument(text.to_owned()));
    }
    let target = Path::new(to);
    check_free(target)?;
    let details = [("from", json!(best.dir)), ("to", json!(to))];
    info(PLACE, "copying the most advanced member", &details);
    copy::copy(Path::new(&best.dir), target)?;
    let commit = copy::agree(target)?;
    let details = [("to", json!(to)), ("commit-index", json!(commit))];
    info(PLACE, "recovered a member", &details);
    print(&format!(
        "\nStart it alone, once, with its former URLs; it removes the other members:\n  \
         etcd --data-dir {to} --force-new-cluster\n\
         Then add members anew, with empty directories: etcdctl member add\n"
    ))
}

/// Nothing that is there is overwritten.
fn check_free(target: &Path) -> Result<()> {
    let is_free = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_free {
        bail!("{} is not empty or could not be read", target.display());
    }
    Ok(())
}
