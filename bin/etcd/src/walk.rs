//! Every flag of the table, set in each of the ways there are.

use std::fs;
use std::path::Path;

use crate::environment::Environment;
use crate::file;
use crate::flags::command_line::{self, Asked};
use crate::flags::settings::{Settings, Source, default};
use crate::flags::table::{self, Effect, FileKey, Flag};
use crate::flags::value::{Kind, Value};
use crate::logging::Logger;

/// A value that is not the default: as flags write it, and as files do.
fn sample(flag: &Flag) -> (&'static str, &'static str) {
    match flag.kind {
        Kind::Text => ("x y", "\"x y\""),
        Kind::Bool if flag.default == "true" => ("false", "false"),
        Kind::Bool => ("true", "true"),
        Kind::Int | Kind::Int64 => ("-7", "-7"),
        Kind::Uint | Kind::Uint64 | Kind::Uint32 => ("7", "7"),
        Kind::Duration => ("7s", "7000000000"),
        Kind::Urls | Kind::UrlsOrNone | Kind::Origins => (
            "http://127.0.0.1:7,http://127.0.0.1:6",
            "\"http://127.0.0.1:7,http://127.0.0.1:6\"",
        ),
        Kind::Set if flag.name == "host-whitelist" => ("b,a", "\"b,a\""),
        Kind::List | Kind::Set => ("a,b", "[a, b]"),
        Kind::Choice(words) => (words[1], words[1]),
        Kind::Choices(words) => (words[1], words[1]),
        Kind::Gates => ("CompactHashCheck=true", "CompactHashCheck=true"),
    }
}

fn expected(flag: &Flag) -> Value {
    let value = flag.kind.parse(sample(flag).0).unwrap();
    assert_ne!(value, default(flag), "{}", flag.name);
    value
}

/// All other flags keep their defaults.
fn check_only(settings: &Settings, flag: &Flag, source: Source) {
    for other in table::all() {
        let (value, from) = (settings.get(other.name), settings.source(other.name));
        if other.name == flag.name {
            assert_eq!((value, from), (&expected(flag), source), "{}", flag.name);
        } else {
            assert_eq!(
                (value, from),
                (&default(other), Source::Default),
                "{}",
                other.name
            );
        }
    }
}

fn by_words(words: &[String]) -> Settings {
    match command_line::parse(words) {
        Ok(Asked::Run {
            settings,
            leftover: None,
        }) => *settings,
        other => panic!("{words:?}: {other:?}"),
    }
}

/// A flag that is parsed but lands nowhere is worse than one that is refused.
#[test]
fn by_flag() {
    for flag in table::all() {
        let (name, value) = (flag.name, sample(flag).0);
        for dashes in ["-", "--"] {
            check_only(
                &by_words(&[format!("{dashes}{name}={value}")]),
                flag,
                Source::Flag,
            );
        }
        if flag.kind != Kind::Bool {
            let words = [format!("--{name}"), value.to_owned()];
            check_only(&by_words(&words), flag, Source::Flag);
        }
    }
}

#[test]
fn by_variable() {
    for flag in table::all().filter(|flag| flag.name != "version") {
        let mut settings = Settings::default();
        let environment = Environment::new(&[(&flag.variable(), sample(flag).0)]);
        environment.apply(&mut settings, &Logger::silent()).unwrap();
        check_only(&settings, flag, Source::Environment);
        // The same by flag is a conflict, even with the same value.
        let mut settings = by_words(&[format!("--{}={}", flag.name, sample(flag).0)]);
        assert!(
            environment.apply(&mut settings, &Logger::silent()).is_err(),
            "{}",
            flag.name
        );
    }
}

#[test]
fn by_file() {
    for flag in table::all() {
        let path = flag.file_path().unwrap_or_else(|| vec![flag.name]);
        let value = sample(flag).1.to_owned();
        let text = path
            .iter()
            .rev()
            .fold(value, |inner, key| format!("{{\"{key}\": {inner}}}"));
        let settings = file::read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        match (flag.file, flag.kind) {
            (FileKey::None, _) | (_, Kind::Choices(_)) => {
                assert_eq!(settings.source(flag.name), Source::Default, "{}", flag.name);
            }
            _ => check_only(&settings, flag, Source::File),
        }
    }
}

/// A flag that is taken and read nowhere lies to whoever sets it: every one is read, or says why not.
#[test]
fn every_flag_is_read_or_says_why_not() {
    let mut code = String::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // The table and these lists name all flags; tests set flags of all kinds.
            let lists = ["flags/table", "dump.rs", "walk.rs", "tests.rs"];
            let is_list = lists.iter().any(|list| path.ends_with(list));
            if path.is_dir() && !is_list {
                folders.push(path);
            } else if path.is_file() && !is_list {
                let text = fs::read_to_string(path).unwrap();
                code.push_str(text.split("#[cfg(test)]").next().unwrap());
            }
        }
    }
    for flag in table::all() {
        // Both sides of TLS are read by the same code, without what their names begin with.
        let prefixes = ["", "peer-", "discovery-"].iter();
        let names = prefixes.filter_map(|prefix| flag.name.strip_prefix(prefix));
        let is_read = names
            .into_iter()
            .any(|name| code.contains(&format!("\"{name}\"")));
        match flag.effect {
            Effect::Built => assert!(is_read, "{} is read nowhere", flag.name),
            Effect::None(reason) => {
                assert!(!reason.is_empty(), "{}", flag.name);
            }
        }
    }
}
