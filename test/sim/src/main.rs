//! Runs seeds and prints those that fail; see `cargo xtask sim`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: sim [--seed N] [--seeds A..B] [--minutes M] [--lines L] [--bug NAME]";

struct Options {
    seeds: std::ops::Range<u64>,
    time: Option<Duration>,
    lines: Option<usize>,
    bug: Option<sim::Bug>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    // A panic of a member is a finding, and is printed as one.
    std::panic::set_hook(Box::new(|_| {}));
    let begin = Instant::now();
    let (mut seeds, mut failures, mut entries) = (0_u64, 0_u64, 0_u64);
    // The same for the same seeds, in whichever process they run.
    let mut digest = 0_u64;
    for seed in options.seeds {
        if options.time.is_some_and(|time| begin.elapsed() >= time) {
            break;
        }
        seeds += 1;
        match sim::run(seed, options.bug) {
            Ok(outcome) => {
                entries += outcome.entries;
                digest = digest.rotate_left(1) ^ outcome.digest;
            }
            Err(failure) => {
                failures += 1;
                println!("seed {seed} fails: {}", failure.violation);
                for line in sim::trace(seed, options.bug, options.lines) {
                    println!("    {line}");
                }
            }
        }
        if seeds % 1000 == 0 {
            println!("{seeds} seeds, {failures} failed, {:?}", begin.elapsed());
        }
    }
    println!(
        "{seeds} seeds, {failures} failed, {entries} entries committed, {:.1} s, digest {digest:016x}",
        begin.elapsed().as_secs_f64()
    );
    match failures {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Without arguments a hundred seeds; a time alone goes through all of them.
fn parse(arguments: &[String]) -> Option<Options> {
    let mut options = Options {
        seeds: 0..100,
        time: None,
        lines: None,
        bug: None,
    };
    let mut has_seeds = false;
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return None };
        match name.as_str() {
            "--seed" => {
                let seed = value.parse().ok()?;
                (options.seeds, has_seeds) = (seed..seed + 1, true);
            }
            "--seeds" => {
                let (first, end) = value.split_once("..")?;
                (options.seeds, has_seeds) = (first.parse().ok()?..end.parse().ok()?, true);
            }
            "--minutes" => {
                let minutes: f64 = value.parse().ok()?;
                options.time = Some(Duration::from_secs_f64(minutes.max(0.0) * 60.0));
            }
            "--lines" => options.lines = Some(value.parse().ok()?),
            "--bug" => options.bug = Some(sim::Bug::named(value)?),
            _ => return None,
        }
    }
    if options.time.is_some() && !has_seeds {
        options.seeds = 0..u64::MAX;
    }
    Some(options)
}
