//! What is wrong with a command line, in the words of etcdutl.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The sentence for an error of the parser; `last` is the last word of the command line.
pub(crate) fn complaint(error: &clap::Error, last: &str) -> String {
    let flag = text(error, ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let command = text(error, ContextKind::InvalidSubcommand);
            format!("unknown command {command:?} for \"etcdutl\"")
        }
        ErrorKind::UnknownArgument => unknown_flag(&flag),
        ErrorKind::MissingRequiredArgument => missing_flags(error),
        ErrorKind::InvalidValue if text(error, ContextKind::InvalidValue).is_empty() => {
            match last.strip_prefix('-').and_then(|rest| rest.chars().last()) {
                Some(letter) if !last.starts_with("--") => {
                    format!("flag needs an argument: '{letter}' in {last}")
                }
                _ => format!("flag needs an argument: {}", name(&flag)),
            }
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = text(error, ContextKind::InvalidValue);
            let reason = std::error::Error::source(error).map(ToString::to_string);
            let reason = reason.unwrap_or_default();
            format!(
                "invalid argument {value:?} for {:?} flag: {reason}",
                name(&flag)
            )
        }
        _ => error.kind().to_string(),
    }
}

fn unknown_flag(flag: &str) -> String {
    match flag.strip_prefix('-').and_then(|rest| rest.chars().next()) {
        Some('-') | None => {
            let name = flag.split('=').next().unwrap_or(flag);
            format!("unknown flag: {name}")
        }
        Some(letter) => format!("unknown shorthand flag: '{letter}' in {flag}"),
    }
}

fn missing_flags(error: &clap::Error) -> String {
    let flags = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(flags)) => flags.as_slice(),
        _ => &[],
    };
    let names: Vec<String> = flags
        .iter()
        .map(|flag| format!("{:?}", name(flag).trim_start_matches('-')))
        .collect();
    format!("required flag(s) {} not set", names.join(", "))
}

/// The flag without the name of its value.
fn name(flag: &str) -> &str {
    flag.split([' ', '[', '=']).next().unwrap_or(flag)
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    }
}
